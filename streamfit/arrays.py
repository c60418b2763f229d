"""The array type of annotations, and double precision for all that computes."""

from typing import Any

import jax

jax.config.update("jax_enable_x64", True)

Array = Any
"""A JAX or a NumPy array: compiled functions take both. Shapes and dtypes stand in the jaxtyping annotations."""
