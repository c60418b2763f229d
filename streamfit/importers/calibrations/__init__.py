"""Calibrations of other software, told by what is in their files, as our rig."""
