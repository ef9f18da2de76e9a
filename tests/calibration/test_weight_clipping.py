"""Weights that are cut, and what a learned limit gets as its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calibration.weight_clipping import clipped, learned_clip, limits, log_share

WEIGHT = jax.random.normal(jax.random.key(0), (2, 50, 4))


def test_a_percentile_of_each_column_is_kept():
    found = clipped(WEIGHT, limits(WEIGHT, 90.0))
    expected = np.percentile(np.abs(np.asarray(WEIGHT)), 90.0, axis=1)
    np.testing.assert_allclose(np.max(np.abs(found), axis=1), expected, rtol=1e-6)
    np.testing.assert_allclose(clipped(WEIGHT, limits(WEIGHT, 100.0)), WEIGHT, rtol=1e-5)


def test_a_learned_limit_starts_at_the_percentile():
    learned = learned_clip(WEIGHT, log_share(WEIGHT, 90.0))
    np.testing.assert_allclose(learned, clipped(WEIGHT, limits(WEIGHT, 90.0)), rtol=1e-5)


def test_the_limit_learns_from_what_it_cuts():
    # The 89th percentile of 50 lies between two of them, where there is no kink nearby.
    theta, direction = log_share(WEIGHT, 89.0), jax.random.normal(jax.random.key(1), WEIGHT.shape)

    def loss(theta):
        return jnp.sum(direction * learned_clip(WEIGHT, theta))

    found = jax.grad(loss)(theta)
    # By hand: dW'/dc = sign(w) where |w| > c, and dc/dtheta = c.
    limit = jnp.max(jnp.abs(WEIGHT), axis=-2, keepdims=True) * jnp.exp(theta)
    cut = jnp.where(jnp.abs(WEIGHT) > limit, jnp.sign(WEIGHT), 0.0)
    np.testing.assert_allclose(found, limit * jnp.sum(direction * cut, axis=-2, keepdims=True), rtol=1e-4)
    step = 1e-3
    slope = (loss(theta + step) - loss(theta - step)) / (2 * step)
    # Float32 sums of 400 terms of order 1 over a step of 1e-3: 1e-3 times their number's root is 2e-2.
    assert float(slope) == pytest.approx(float(jnp.sum(found)), abs=5e-2)


def test_a_column_of_zeros_stays():
    zeros = jnp.zeros((5, 3))
    assert np.array_equal(learned_clip(zeros, log_share(zeros, 99.0)), zeros)
    assert np.all(np.isfinite(jax.grad(lambda w: jnp.sum(learned_clip(w, log_share(zeros, 99.0))))(zeros)))


@pytest.mark.parametrize("percentile", [0.0, 100.1, float("nan")])
def test_what_is_no_percentile_is_refused(percentile):
    with pytest.raises(ValueError, match="percentile"):
        limits(WEIGHT, percentile)
