"""Whether the input and the fit can be trusted, and what is wrong when they cannot."""
