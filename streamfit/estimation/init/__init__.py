"""From nothing to a first pose, a first size, and the clocks of cameras that nobody started together."""
