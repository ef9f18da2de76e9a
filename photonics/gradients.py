"""The only two places where a gradient is not the derivative of the value: rounding and photon counting."""

import jax
import jax.numpy as jnp
from jax import Array

from photonics.stage import Scalar


def straight_through(exact: Array, rounded: Array) -> Array:
    """The value of `rounded` with the gradient of `exact` (straight-through estimator).

        y = rounded        dy/dexact = 1        dy/drounded = 0

    Bengio, Leonard, Courville, Estimating or Propagating Gradients Through Stochastic Neurons, 2013
    (arXiv 1308.3432). Rounding has zero gradient almost everywhere, which would stop all learning.
    """
    return exact + jax.lax.stop_gradient(rounded - exact)


def gaussian_counts(mean: Array, variance: Scalar, normal: Array) -> Array:
    """Counts as mean + sqrt(variance) normal: the Gaussian surrogate of Poisson counts, differentiable in both.

    `mean` and `normal` (standard normal draws) share one shape, `variance` broadcasts; the unit is the caller's. With
    variance = mean this has the first two moments of Poisson(mean); skewness 1/sqrt(mean) is left out, which is
    why the reference path counts photons and the two agree after an ADC only from about 20 electrons up.
    The gradient is that of a reparameterised draw. A variance of exactly zero gives zero noise and a zero
    (not infinite) gradient.
    """
    return mean + standard_deviation(variance) * normal


def standard_deviation(variance: Scalar) -> Array:
    """Square root of a variance, any shape; where there is none, zero with zero gradient instead of an infinite one."""
    positive = variance > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, variance, 1.0)), 0.0)
