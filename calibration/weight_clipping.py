"""Clipping of weights: a column gives up its largest magnitudes so that the others fill more of the panel.

    W' = clip(W, -c, c)       per column,  c = c_max exp(theta),  c_max the largest magnitude of the column

The column scale of a panel is the largest |w| of the column (`photonics.encoding`), so a few outliers cost every other
weight its levels and its share of the light. A learned c has the gradient of PACT: weights that are cut pass theirs to
c with their sign. Choi et al., PACT, 2018 (arXiv 1805.06085), there for activations; percentile clipping after each
step as in Rasch et al., Hardware-aware training for analog in-memory computing, Nat. Commun. 14, 5282 (2023).
"""

import jax.numpy as jnp
from jax import Array

from photonics.gradients import largest_magnitude


def limits(weight: Array, percentile: float) -> Array:
    """The percentile of |w| per column, (..., 1, n) for a weight (..., k, n); 100 is the largest."""
    if not 0.0 < percentile <= 100.0:
        raise ValueError(f"a percentile of {percentile:g} is not above 0 and at most 100")
    return jnp.percentile(jnp.abs(weight), percentile, axis=-2, keepdims=True)


def clipped(weight: Array, limit: Array) -> Array:
    """Weights (..., k, n) within plus and minus limit (..., 1, n); gradients reach both."""
    return jnp.clip(weight, -limit, limit)


def log_share(weight: Array, percentile: float) -> Array:
    """theta (..., 1, n) that starts a learned limit at a percentile of |w|: log(c / c_max); 0 for a column of zeros."""
    largest = jnp.max(jnp.abs(weight), axis=-2, keepdims=True)
    there = largest > 0
    share = jnp.where(there, limits(weight, percentile), 1.0) / jnp.where(there, largest, 1.0)
    # A column that is zero but for fewer entries than the percentile leaves out would be cut to nothing.
    return jnp.log(jnp.maximum(share, 1e-3))


def learned_clip(weight: Array, theta: Array) -> Array:
    """Weights within exp(theta) of the largest magnitude of their column, which counts as given."""
    largest = jnp.maximum(largest_magnitude(weight, -2), 1e-30)
    return clipped(weight, largest * jnp.exp(theta))
