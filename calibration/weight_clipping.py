"""Clipping of weights: a column gives up its largest magnitudes so that the others fill more of the panel.

    W' = clip(W, -c, c),  c = exp(theta)        one limit per column

The column scale of a panel is the largest |w| of the column (`photonics.encoding`), so a few outliers cost every other
weight its levels and its share of the light. A learned limit has the gradient of PACT: weights that are cut pass theirs
to c with their sign. Choi et al., PACT, 2018 (arXiv 1805.06085), there for activations; clipping of weights in training
as in Rasch et al., Hardware-aware training for analog in-memory computing, Nat. Commun. 14, 5282 (2023).
"""

import jax.numpy as jnp
from jax import Array

# Share of the largest magnitude below which no column is cut at the start: one that is zero almost everywhere would
# lose what it has.
_LEAST_SHARE = 1e-3


def log_limits(weight: Array, percentile: float) -> Array:
    """theta (..., 1, n) at a percentile of |w| per column of a weight (..., k, n); 100 is the largest.

    0 for a column of zeros, which has nothing to cut. ValueError for what is no percentile above 0.
    """
    if not 0.0 < percentile <= 100.0:
        raise ValueError(f"a percentile of {percentile:g} is not above 0 and at most 100")
    largest = jnp.max(jnp.abs(weight), axis=-2, keepdims=True)
    limit = jnp.maximum(jnp.percentile(jnp.abs(weight), percentile, axis=-2, keepdims=True), _LEAST_SHARE * largest)
    return jnp.log(jnp.where(largest > 0, limit, 1.0))


def clipped(weight: Array, theta: Array) -> Array:
    """Weights (..., k, n) within the limits exp(theta), theta (..., 1, n); gradients reach both."""
    limit = jnp.exp(theta)
    return jnp.clip(weight, -limit, limit)
