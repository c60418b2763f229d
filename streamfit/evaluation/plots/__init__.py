"""The pictures of an evaluation: plain arrays in, a figure out, one kind of picture per file."""
