"""What is written for other software."""
