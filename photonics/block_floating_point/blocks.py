"""Block scales: one number in bfloat16 for every vector of a tile."""

import jax
import jax.numpy as jnp
from jax import Array

from photonics.gradients import largest_magnitude, straight_through


def block_scale(value: Array, axis: int) -> Array:
    """Scale of each vector along `axis`, which is kept with length 1: max |value| in bfloat16, 1 where all is 0.

    Rounded up, so that no operand exceeds 1. Its gradient is that of the maximum: rounding is passed straight through.

    Basumallik et al., Adaptive Block Floating-Point for Analog Deep Learning Hardware, 2022 (arXiv 2205.06287), who
    state the format; the direction of rounding is ours.
    """
    largest = largest_magnitude(value, axis)
    nearest = jax.lax.stop_gradient(largest).astype(jnp.bfloat16)
    above = jnp.nextafter(nearest, jnp.asarray(jnp.inf, jnp.bfloat16))
    scale = jnp.where(nearest.astype(jnp.float32) < largest, above, nearest).astype(jnp.float32)
    return jnp.where(largest > 0, straight_through(largest, scale), 1.0)
