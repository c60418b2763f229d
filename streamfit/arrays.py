"""The array type of annotations; double precision for what computes; products in the precision of their factors.

A GPU's matrix units round the factors of float32 products to 10 bits unless told otherwise. The window's normal
equations do not survive that: on an H100 they ceased to be positive definite within a second.
"""

from typing import Any

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")

Array = Any
"""A JAX or a NumPy array: compiled functions take both. Shapes and dtypes stand in the jaxtyping annotations."""
