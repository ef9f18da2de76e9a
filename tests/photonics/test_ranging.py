"""The full scale of the converters from samples, from weights, per output and per tile."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri

from photonics.draws import standard_normal
from photonics.operands import mean_square
from photonics.ranging import Ranging


def _ranging(**changes) -> Ranging:
    values = {
        "statistic": "sigmas",
        "per": "output",
        "sigmas": 4.0,
        "percentile": 99.0,
        "margin": 1.5,
        "fraction": 0.125,
    }
    return Ranging(**{**values, **changes})


def _moments(weights: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and variance (1, tiles, n) of the products of typical operands with weights (tiles, k, n)."""
    variance = mean_square(weights.shape[1]) * jnp.sum(jnp.square(weights), axis=1)
    return jnp.zeros((1, *variance.shape)), variance[None]


@pytest.fixture(scope="module")
def signal() -> jax.Array:
    """(2 tiles, 500 tokens, 3 outputs) of unequal width."""
    return standard_normal(jax.random.key(0), (2, 500, 3)) * jnp.array([1.0, 2.0, 0.5])


_LARGEST = jnp.full((2, 3), 40.0)


def test_sigmas_of_each_output(signal):
    expected = 4.0 * np.sqrt(np.mean(np.asarray(signal, np.float64) ** 2, axis=1))
    np.testing.assert_allclose(_ranging().from_sample(signal, _LARGEST), expected, rtol=1e-5)


def test_percentile_of_each_output(signal):
    expected = 1.5 * np.percentile(np.abs(np.asarray(signal, np.float64)), 99.0, axis=1)
    scale = _ranging(statistic="percentile").from_sample(signal, _LARGEST)
    np.testing.assert_allclose(scale, expected, rtol=1e-5)


def test_fraction_needs_no_sample(signal):
    largest = jnp.array([[8.0, 16.0, 24.0]])
    ranging = _ranging(statistic="fraction")
    np.testing.assert_allclose(ranging.from_sample(signal[:1], largest), [[1.0, 2.0, 3.0]])
    np.testing.assert_allclose(ranging.from_moments(*_moments(jnp.ones((1, 24, 3))), largest), [[1.0, 2.0, 3.0]])


@pytest.mark.parametrize("statistic", ["sigmas", "percentile", "fraction"])
def test_one_scale_for_a_tile_is_the_largest_of_its_outputs(signal, statistic):
    each = _ranging(statistic=statistic).from_sample(signal, _LARGEST)
    shared = _ranging(statistic=statistic, per="tile").from_sample(signal, _LARGEST)
    np.testing.assert_array_equal(shared, np.broadcast_to(np.max(each, axis=1, keepdims=True), (2, 3)))


def test_full_scale_never_exceeds_what_can_be(signal):
    np.testing.assert_allclose(_ranging(sigmas=1e3).from_sample(signal, _LARGEST), 40.0)


def test_an_output_without_weights_has_a_range_to_divide_by():
    nothing = jnp.zeros((1, 10, 2))
    np.testing.assert_array_equal(_ranging().from_sample(nothing, jnp.zeros((1, 2))), 1.0)
    np.testing.assert_array_equal(_ranging().from_moments(*_moments(jnp.zeros((1, 8, 2))), jnp.zeros((1, 2))), 1.0)


def test_weights_alone_stand_for_normal_inputs():
    k = 64
    weights = jax.random.normal(jax.random.key(1), (1, k, 5)) / 4
    norms = np.linalg.norm(np.asarray(weights, np.float64), axis=1)
    rms = norms * np.sqrt(mean_square(k))
    np.testing.assert_allclose(_ranging().from_moments(*_moments(weights), jnp.full((1, 5), 1e3)), 4 * rms, rtol=1e-5)
    by_percentile = _ranging(statistic="percentile").from_moments(*_moments(weights), jnp.full((1, 5), 1e3))
    np.testing.assert_allclose(by_percentile, 1.5 * ndtri(0.995) * rms, rtol=1e-4)


@pytest.mark.parametrize("statistic", ["sigmas", "percentile"])
def test_both_ways_agree_for_inputs_that_are_normal(statistic):
    k = 512
    weights = jax.random.normal(jax.random.key(2), (1, k, 4)) / 4
    x = standard_normal(jax.random.key(3), (4000, k))
    z = (x / jnp.max(jnp.abs(x), axis=-1, keepdims=True)) @ weights
    ranging, largest = _ranging(statistic=statistic), jnp.full((1, 4), 1e3)
    ratio = np.asarray(ranging.from_moments(*_moments(weights), largest) / ranging.from_sample(z, largest))
    # The largest of k values is overestimated by some 15 % (`photonics.operands`).
    assert np.all((ratio > 0.8) & (ratio < 1.0))
