"""Calibration of the cameras themselves from views of a ChArUco board."""
