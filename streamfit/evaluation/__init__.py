"""What a fit to a recording is worth: figures, pictures and the report."""
