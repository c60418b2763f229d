"""Fitting the skeleton to the views: residuals, solvers, the live window, calibration."""

import jax

jax.config.update("jax_enable_x64", True)
