"""Fitting the skeleton to what the cameras see."""
