"""What each observation and each piece of prior knowledge says about the unknowns: residuals and quadratic forms."""
