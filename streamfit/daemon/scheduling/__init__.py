"""Which session is fitted next, on one solver thread."""
