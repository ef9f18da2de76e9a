"""The only two places where a gradient is not the derivative of the value: rounding and photon counting.

And one whose derivative the compiler gets wrong: the largest magnitude. Derivatives that are only rounded, to
bfloat16, are those of `photonics.products.light_product`.
"""

import functools

import jax
import jax.numpy as jnp
from jax import Array

from photonics.stage import Scalar


@jax.custom_jvp
def straight_through(exact: Array, rounded: Array) -> Array:
    """The value of `rounded` with the gradient of `exact` (straight-through estimator).

        y = rounded        dy/dexact = 1        dy/drounded = 0

    Bengio, Leonard, Courville, Estimating or Propagating Gradients Through Stochastic Neurons, 2013
    (arXiv 1308.3432). Rounding has zero gradient almost everywhere, which would stop all learning.
    """
    del exact
    return rounded


# Not exact + stop_gradient(rounded - exact): that would round once more, and cost two operations for every signal.
@straight_through.defjvp
def _straight_through_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    return straight_through(*primals), tangents[0]


@jax.custom_jvp
def gaussian_counts(mean: Array, variance: Scalar, normal: Array) -> Array:
    """Counts as mean + sqrt(variance) normal: the Gaussian surrogate of Poisson counts, differentiable in both.

    `mean` and `normal` (standard normal draws) share one shape, `variance` broadcasts; the unit is the caller's. With
    variance = mean this has the first two moments of Poisson(mean); skewness 1/sqrt(mean) is left out, which is
    why the reference path counts photons and the two agree after an ADC only from about 20 electrons up.
    The gradient is that of a reparameterised draw. A variance of exactly zero gives zero noise and a zero
    (not infinite) gradient. Draws have no gradient.
    """
    return mean + standard_deviation(variance) * normal


@gaussian_counts.defjvp
def _gaussian_counts_jvp(
    primals: tuple[Array, Scalar, Array], tangents: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    # d sqrt(v) z / dv = sqrt(v) z / 2 v: from the counts, because making the draws anew would cost more.
    mean, variance, _ = primals
    counts = gaussian_counts(*primals)
    positive = variance > 0
    by_variance = (counts - mean) * jnp.where(positive, 0.5 / jnp.where(positive, variance, 1.0), 0.0)
    return counts, tangents[0] + by_variance * tangents[1]


def standard_deviation(variance: Scalar) -> Array:
    """Square root of a variance, any shape; where there is none, zero with zero gradient instead of an infinite one."""
    positive = variance > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1.0)), 0.0)


# The largest itself, made anew in a backward pass, may differ from what it was by this much.
_ROUNDING = 1e-6


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def largest_magnitude(value: Array, axis: int) -> Array:
    """Largest |value| along an axis, which is kept with length 1; its gradient goes to the entries that are largest.

    Entries that are equal to rounding share it. JAX's own derivative of a maximum divides by the number of entries that
    are exactly equal to it, which is none where a compiler rounds them differently the second time: 0/0.
    """
    return jnp.max(jnp.abs(value), axis=axis, keepdims=True)


@largest_magnitude.defjvp
def _largest_magnitude_jvp(axis: int, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (value,), (tangent,) = primals, tangents
    largest = largest_magnitude(value, axis)
    here = jnp.abs(value) >= largest * (1.0 - _ROUNDING)
    moved = jnp.sum(jnp.where(here, jnp.sign(value) * tangent, 0.0), axis=axis, keepdims=True)
    return largest, moved / jnp.maximum(jnp.sum(here, axis=axis, keepdims=True, dtype=value.dtype), 1.0)
