"""Weights that are cut, and what a learned limit gets as its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calibration.weight_clipping import clipped, log_limits

WEIGHT = jax.random.normal(jax.random.key(0), (2, 50, 4))


def test_a_percentile_of_each_column_is_kept():
    found = clipped(WEIGHT, log_limits(WEIGHT, 90.0))
    expected = np.percentile(np.abs(np.asarray(WEIGHT)), 90.0, axis=1)
    np.testing.assert_allclose(np.max(np.abs(found), axis=1), expected, rtol=1e-5)
    np.testing.assert_allclose(clipped(WEIGHT, log_limits(WEIGHT, 100.0)), WEIGHT, rtol=1e-5)


def test_the_limit_learns_from_what_it_cuts():
    # The 89th percentile of 50 lies between two of them, where there is no kink nearby.
    theta, direction = log_limits(WEIGHT, 89.0), jax.random.normal(jax.random.key(1), WEIGHT.shape)

    def loss(theta):
        return jnp.sum(direction * clipped(WEIGHT, theta))

    found = jax.grad(loss)(theta)
    # By hand: dW'/dc = sign(w) where |w| > c, and dc/dtheta = c.
    cut = jnp.where(jnp.abs(WEIGHT) > jnp.exp(theta), jnp.sign(WEIGHT), 0.0)
    expected = jnp.exp(theta) * jnp.sum(direction * cut, axis=-2, keepdims=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    step = 1e-3
    slope = (loss(theta + step) - loss(theta - step)) / (2 * step)
    # Float32: a sum of 400 terms of order 1, good to 20 * 6e-8, over a step of 1e-3.
    assert float(slope) == pytest.approx(float(jnp.sum(found)), abs=5e-2)


def test_weights_that_are_cut_learn_nothing():
    theta = log_limits(WEIGHT, 89.0)
    found = jax.grad(lambda weight: jnp.sum(clipped(weight, theta)))(WEIGHT)
    assert np.array_equal(np.asarray(found) == 0.0, np.abs(WEIGHT) > np.exp(theta))


def test_columns_of_nothing_and_of_little_stay():
    zeros = jnp.zeros((5, 3))
    assert np.array_equal(clipped(zeros, log_limits(zeros, 99.0)), zeros)
    single = jnp.zeros((1000, 1)).at[3].set(2.0)
    assert float(jnp.max(clipped(single, log_limits(single, 99.0)))) == pytest.approx(2e-3, rel=1e-5)


@pytest.mark.parametrize("percentile", [0.0, 100.1, float("nan")])
def test_what_is_no_percentile_is_refused(percentile):
    with pytest.raises(ValueError, match="percentile"):
        log_limits(WEIGHT, percentile)
