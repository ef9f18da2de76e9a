"""The only two places where a gradient is not the derivative of the value: rounding and photon counting.

And one whose derivative the compiler gets wrong: the largest magnitude.
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


@jax.custom_vjp
def gaussian_counts(mean: Array, variance: Scalar, normal: Array) -> Array:
    """Counts as mean + sqrt(variance) normal: the Gaussian surrogate of Poisson counts, differentiable in both.

    `mean` and `normal` (standard normal draws) share one shape, `variance` broadcasts; the unit is the caller's. With
    variance = mean this has the first two moments of Poisson(mean); skewness 1/sqrt(mean) is left out, which is
    why the reference path counts photons and the two agree after an ADC only from about 20 electrons up.
    The gradient is that of a reparameterised draw. A variance of exactly zero gives zero noise and a zero
    (not infinite) gradient. Draws have no gradient.
    """
    return mean + standard_deviation(variance) * normal


_Counts = tuple[Array, Array, Array]


def _counts_forward(mean: Array, variance: Scalar, normal: Array) -> tuple[Array, _Counts]:
    counts = gaussian_counts(mean, variance, normal)
    return counts, (counts, mean, jnp.asarray(variance))


def _counts_backward(residuals: _Counts, cotangent: Array) -> tuple[Array, Array, Array]:
    # d sqrt(v) z / dv = sqrt(v) z / 2 v: from the counts, because making the draws anew would cost more.
    counts, mean, variance = residuals
    positive = variance > 0
    by_variance = cotangent * (counts - mean) * jnp.where(positive, 0.5 / jnp.where(positive, variance, 1.0), 0.0)
    return cotangent, _summed_to(by_variance, variance.shape), jnp.zeros_like(cotangent)


def _summed_to(value: Array, shape: tuple[int, ...]) -> Array:
    """`value` summed over the axes along which something of `shape` was broadcast to it."""
    missing = value.ndim - len(shape)
    axes = tuple(axis for axis, size in enumerate(value.shape) if axis < missing or shape[axis - missing] < size)
    return jnp.sum(value, axis=axes).reshape(shape) if axes else value


gaussian_counts.defvjp(_counts_forward, _counts_backward)


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
