"""Matrices that mix a row of channels with their next neighbours, and their exact inverses."""

import jax.numpy as jnp
from jax import Array

from photonics.stage import Scalar


def neighbours(own: Scalar, share: Scalar, width: int) -> Array:
    """Symmetric tridiagonal matrix (width, width): `own` on the diagonal, `share` for each neighbour."""
    return own * jnp.eye(width) + share * (jnp.eye(width, k=1) + jnp.eye(width, k=-1))


def inverse_of_neighbours(own: Scalar, share: Scalar, width: int) -> Array:
    """Inverse (width, width) of `neighbours(own, share, width)`, for own > 2 |share|.

    An endless row has 1 / (a + 2 c cos) = A sum_j (-r)^|j| exp(i j .), a = own, c = share. Nothing comes from beyond
    the edge, so the channel there is dark and the endless solution is odd about it: image channels to the left and
    right make it exact. The images repeat with period 2 (width + 1), which sums to a geometric series.
    """
    root = jnp.sqrt(own**2 - 4.0 * share**2)
    ratio = -2.0 * share / (own + root)
    period = 2 * (width + 1)
    power = ratio ** jnp.arange(period + 1)
    images = power + power[::-1]
    # Row i holds images[|i - j|] - images[i + j + 2].
    apart = jnp.concatenate([images[:width], images[width:0:-1]])
    return (_sliding(apart, -1, width) - _sliding(images[2:], 1, width)) / (1.0 - power[period]) / root


def _sliding(vector: Array, step: int, width: int) -> Array:
    """(width, width) with vector[j + step i] in row i, indices taken in a circle.

    Copies of the vector one behind the other, cut into rows that are longer or shorter by the step: no entry is looked
    up by itself, which takes ten times as long.
    """
    row = vector.size + step
    copies = jnp.tile(vector, width + 1)[: width * row]
    return copies.reshape(width, row)[:, :width]
