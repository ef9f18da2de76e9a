"""Block scales: one number in bfloat16 for every vector of a tile."""

import jax
import jax.numpy as jnp
from jax import Array

from photonics.gradients import largest_magnitude

# bfloat16 keeps 8 significant bits: the next number above is at most this share away.
_STEP = 2.0**-7


def block_scale(value: Array, axis: int) -> Array:
    """Scale of each vector along `axis`, which is kept with length 1: max |value| in bfloat16, 1 where all is 0.

    Rounded up, so that no operand exceeds 1. Its gradient is that of the maximum: rounding is passed straight through.

    Basumallik et al., Adaptive Block Floating-Point for Analog Deep Learning Hardware, 2022 (arXiv 2205.06287), who
    state the format; the direction of rounding is ours.
    """
    largest = largest_magnitude(value, axis)
    nearest = largest.astype(jnp.bfloat16).astype(jnp.float32)
    above = (largest * (1.0 + _STEP)).astype(jnp.bfloat16).astype(jnp.float32)
    scale = jnp.where(nearest < largest, above, nearest)
    # A factor without gradient, because the gradient is that of the maximum.
    rounding = jax.lax.stop_gradient(scale / jnp.where(largest > 0, largest, 1.0))
    return jnp.where(largest > 0, largest * rounding, 1.0)
