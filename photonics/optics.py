"""The passive optics between source and detector: light lost, and light that lands on a neighbour."""

import jax
import jax.numpy as jnp
from jax import Array

from photonics.stage import Scalar, stage, static


@stage
class Optics:
    """Fan-out of every source onto all columns, and fan-in of every column onto its detector.

        light at a detector = sum over its column / columns            (a lens copies, it does not create light)
        crosstalk  C = (1 - 2 c) I + c (neighbour left + neighbour right), applied to mean light of each rail

    A column at the edge of the panel loses the share c that falls outside. The calibrated machine pre-distorts
    its weights with the inverse of the C it knows, C(c - r): what is left is the residual r per neighbour, and
    the transmission range that the pre-distortion spends. Left out: crosstalk beyond the next column, between
    rails, and between rows; electrical crosstalk; etendue.

    Attributes:
        transmission: share of the launched light that reaches the panel and detectors at full transmission,
            without modulator and panel.
        crosstalk_per_neighbour: share c of a column's light that falls on each neighbouring detector.
        crosstalk_residual: error r in the machine's knowledge of c.
        crosstalk: whether there is any.
    """

    transmission: Scalar
    crosstalk_per_neighbour: Scalar
    crosstalk_residual: Scalar
    crosstalk: bool = static()

    def mix(self, light: Array) -> Array:
        """Light per detector (..., outputs) from light per column, one panel's outputs on the last axis."""
        if not self.crosstalk:
            return light
        # A product with the whole matrix, because a stencil would make the compiler compute `light` three times over.
        return light @ _mixture(self.crosstalk_per_neighbour, light.shape[-1]).astype(light.dtype)

    def predistort(self, weights: Array) -> Array:
        """Weights (..., outputs) whose mixture by the known part of the crosstalk is `weights`; may exceed +-1."""
        if not self.crosstalk:
            return weights
        known = self.crosstalk_per_neighbour - self.crosstalk_residual
        return weights @ _inverse(known, weights.shape[-1]).astype(weights.dtype)


def _inverse(share: Scalar, width: int) -> Array:
    """Inverse (width, width) of the crosstalk matrix C with `share` per neighbour, symmetric.

    An endless row has 1 / (a + 2 c cos) = A sum_j (-r)^|j| exp(i j .), a = 1 - 2c. No light comes from beyond the edge
    of the panel, so the column there is dark and the endless solution is odd about it: image columns to the left
    and right make it exact. The images repeat with
    period 2 (width + 1), which sums to a geometric series.
    """
    diagonal = 1.0 - 2.0 * share
    root = jnp.sqrt(diagonal**2 - 4.0 * share**2)
    ratio = -2.0 * share / (diagonal + root)
    period = 2 * (width + 1)
    power = ratio ** jnp.arange(period + 1)
    images = power + power[::-1]
    # Row i holds images[|i - j|] - images[i + j + 2]: two windows that slide along one vector each.
    apart = jnp.concatenate([images[width - 1 : 0 : -1], images[:width]])
    windows = jax.vmap(lambda vector, start: jax.lax.dynamic_slice(vector, (start,), (width,)), in_axes=(None, 0))
    rows = jnp.arange(width)
    return (windows(apart, width - 1 - rows) - windows(images, rows + 2)) / (1.0 - power[period]) / root


def _mixture(share: Scalar, width: int) -> Array:
    """Crosstalk matrix C (width, width) with `share` per neighbour, symmetric."""
    return (1.0 - 2.0 * share) * jnp.eye(width) + share * (jnp.eye(width, k=1) + jnp.eye(width, k=-1))
