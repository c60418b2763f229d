"""The array type of annotations."""

from typing import Any

Array = Any
"""A JAX or a NumPy array: compiled functions take both. Shapes and dtypes stand in the jaxtyping annotations."""
