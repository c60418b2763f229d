"""Fits of whole trials: calibration of a person, bundle adjustment, and smoothing of recordings."""
