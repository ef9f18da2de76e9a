"""Weights that take two bytes each and are read as float32."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array


class Bfloat16Param(nnx.Param):
    """A parameter held in bfloat16, read and written as float32; writing rounds to nearest.

    The raw value, which is what crosses the border of a compiled function, is the bits as uint16 and not bfloat16: on
    a CPU, XLA has no slices of bfloat16 and would turn the weights of all layers into float32 before it scans them (as
    of jax 0.10). For inference: the bits have no gradient, and JAX refuses to differentiate with respect to them.
    """

    def get_value(self, **options: Any) -> Any:
        """The value, or a part of it with `index=`, as float32."""
        return _widened(super().get_value(**options))

    def set_value(self, value: Any, **options: Any) -> None:
        """Holds a value, or a part of one with `index=`, rounded to bfloat16."""
        super().set_value(_shortened(value), **options)


def _widened(bits: Any) -> Any:
    if isinstance(bits, jax.ShapeDtypeStruct):  # an abstract model
        return jax.ShapeDtypeStruct(bits.shape, jnp.float32)
    return jax.lax.bitcast_convert_type(bits.astype(jnp.uint32) << 16, jnp.float32)


def _shortened(value: Any) -> Array:
    return jax.lax.bitcast_convert_type(jnp.asarray(value, dtype=jnp.bfloat16), jnp.uint16)
