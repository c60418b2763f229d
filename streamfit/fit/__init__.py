"""Fitting the skeleton to the views: residuals, solvers, the live window, calibration."""
