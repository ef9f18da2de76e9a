"""Digital scales of operands: what a full drive, or a full weight, is worth."""

import jax.numpy as jnp
from jax import Array

from photonics.gradients import largest_magnitude


def largest_scale(operand: Array, *axes: int) -> Array:
    """Largest magnitude along one or more axes, which are kept with length 1; 1 where all is 0."""
    for axis in axes:
        operand = largest_magnitude(operand, axis)
    return above_zero(operand)


def above_zero(scale: Array) -> Array:
    """A scale to divide by, any shape: 1 where there is nothing to scale."""
    return jnp.where(scale > 0, scale, 1.0)
