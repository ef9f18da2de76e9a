"""Curved response of a modulator or a pixel, and the look-up table that straightens it as far as its codes allow."""

import jax
import jax.numpy as jnp

from photonics.stage import Scalar, Signal


def transfer(drive: Signal, curvature: Scalar, skew: Scalar) -> Signal:
    """Relative response g(u) to a drive u in [0, 1], any shape: a cubic through (0, 0) and (1, 1).

        g(u) = u + c u (1 - u) + s u (1 - u) (1 - 2 u)

    `curvature` c bends it up (c > 0) or down, `skew` s makes an S of it. It rises everywhere if |c| <= 1 + s and both
    are within [-1, 1], which the catalogue checks. microsoft/aoc publishes cubic sources and quadratic pixels.
    """
    bulge = drive * (1.0 - drive)
    return drive + bulge * (curvature + skew * (1.0 - 2.0 * drive))


def looked_up(target: Signal, levels: int, curvature: Scalar, skew: Scalar) -> Signal:
    """Response of the code, out of 0 to `levels`, whose response is nearest to a target in [0, 1].

    Calibration writes the table, and steeper parts of the curve have coarser steps: the error is at most half the slope
    over `levels`. Gradient of the target passes straight through; that of the curve is its own.
    """
    responses = transfer(jnp.arange(levels + 1) / levels, curvature, skew)
    between = jax.lax.stop_gradient((responses[1:] + responses[:-1]) / 2.0)
    chosen = jnp.searchsorted(between, jax.lax.stop_gradient(target))
    return jnp.take(responses, chosen) + (target - jax.lax.stop_gradient(target))
