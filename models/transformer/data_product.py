"""A product of activations with activations, with a seam: what attention multiplies beside its weights."""

from collections.abc import Callable
from typing import Any

import jax
from flax import nnx
from jax import Array


class DataProduct(nnx.Module):
    """`jax.lax.dot_general` of two arrays that both depend on the input, batch axes included.

    `dot_general` may be replaced after construction by a module, `product.dot_general = nnx.data(module)`, as in
    `nnx.Linear`. It has no weights, which is how the two are told apart.
    """

    multiplies = False  # no weights of its own

    def __init__(self) -> None:
        self.dot_general: Callable[..., Array] = jax.lax.dot_general

    def __call__(self, lhs: Array, rhs: Array, dimension_numbers: Any) -> Array:
        """As `jax.lax.dot_general`."""
        return self.dot_general(lhs, rhs, dimension_numbers)
