"""The channels of electronics: distributions, fixed errors, and what an affine correction undoes."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import photonics
from photonics.block_floating_point.channels import Channels

_N = 200_000


@pytest.fixture(scope="module")
def channels() -> Channels:
    return photonics.load_engine("lightmatter-2025").channels  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("noise", "law"),
    [
        ("normal", stats.norm()),
        ("logistic", stats.logistic(scale=np.sqrt(3) / np.pi)),
        ("uniform", stats.uniform(-np.sqrt(3), 2 * np.sqrt(3))),
    ],
)
def test_noise_has_its_distribution_with_variance_one(noise, law, channels):
    normal = jax.random.normal(jax.random.key(1), (_N,))
    drawn = np.asarray(dataclasses.replace(channels, noise=noise).unit_noise(normal), np.float64)
    assert law.std() == pytest.approx(1)
    # Chance of a false alarm 1e-4, key fixed.
    assert stats.kstest(drawn, law.cdf).pvalue > 1e-4
    others = {"normal": "logistic", "logistic": "uniform", "uniform": "normal"}
    wrong = dataclasses.replace(channels, noise=others[noise]).unit_noise(normal)
    assert stats.kstest(np.asarray(wrong), law.cdf).pvalue < 1e-8


def test_the_tails_stay_finite_and_differentiable(channels):
    slope = jax.vmap(jax.grad(channels.unit_noise))(jnp.asarray([-6.0, 0.0, 6.0]))
    assert bool(jnp.all(jnp.isfinite(slope))) and bool(jnp.all(slope > 0))
    assert float(channels.unit_noise(jnp.asarray(6.3))) < 15


def test_errors_are_those_of_the_instance(channels):
    shape = (20, 4000)
    one, again, other = (channels.errors(shape, instance) for instance in (0, 0, 1))
    np.testing.assert_array_equal(one["gain"], again["gain"])
    assert float(jnp.abs(one["gain"] - other["gain"]).max()) > 0.01
    # 80,000 draws: a deviation is known to 1/sqrt(2 n) = 0.25 %; five of these.
    assert np.std(one["gain"]) / np.mean(one["gain"]) == pytest.approx(channels.gain_spread, rel=0.0125)
    assert np.mean(one["gain"]) == pytest.approx(channels.gain_mean, abs=5 * 0.037 / np.sqrt(80_000))
    assert np.std(one["offset"]) == pytest.approx(channels.offset_lsb, rel=0.0125)
    assert np.mean(one["offset"]) == pytest.approx(channels.offset_mean_lsb, abs=5 * 0.5 / np.sqrt(80_000))
    assert dataclasses.replace(channels, fixed_pattern=False).errors(shape, 0) == {}


def test_correction_undoes_gain_and_offset(channels):
    errors = channels.errors((3, 5), 0)
    signal = jax.random.normal(jax.random.key(2), (7, 3, 5))
    wrong = signal * errors["gain"] + errors["offset"] * 0.1
    np.testing.assert_allclose(channels.corrected(wrong, 0.1, errors), signal, atol=1e-5)
    raw = dataclasses.replace(channels, affine_correction=False)
    np.testing.assert_array_equal(raw.corrected(wrong, 0.1, errors), wrong)
    assert (channels.correction_ops(), raw.correction_ops()) == (1, 0)
