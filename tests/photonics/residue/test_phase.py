import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from photonics.residue.phase import (
    counted_phase,
    levels_variance,
    misread_probability,
    nearest,
    off_by,
    read_out_variance,
    wrapped,
)


def test_a_strong_local_oscillator_leaves_one_over_two_signal_photons():
    assert read_out_variance(1e4, 1e9, 0.0, True) == pytest.approx(1 / 2e4, rel=1e-4)
    assert read_out_variance(1e4, 1e4, 0.0, True) == pytest.approx(1 / 1e4)
    assert read_out_variance(1e4, 2e4, 5e3, False) == pytest.approx(5e3 / 2e8)


@pytest.mark.parametrize(
    ("signal", "local", "readout", "shot"),
    [(400.0, 900.0, 0.0, True), (2e3, 1e4, 3e3, True), (2e3, 1e3, 4e3, False), (500.0, 5e4, 1e4, True)],
)
def test_counted_photons_have_the_variance_of_the_law(signal, local, readout, shot):
    n = 40_000
    random = np.random.default_rng(1)
    phase = random.uniform(0, 2 * math.pi, n)
    read = counted_phase(random, phase, signal, local, readout, shot)
    error = np.asarray(off_by(jnp.asarray(read), jnp.asarray(phase), 2 * math.pi))  # pyright: ignore
    expected = read_out_variance(signal, local, readout, shot)
    assert abs(error.mean()) < 5 * math.sqrt(expected / n)
    # 5 sigma of a variance; 1.5 expected for the higher orders of atan2, seen at these deviations of 0.03 to 0.04 rad.
    assert abs(error.var() / expected - 1) < 5 * math.sqrt(2 / n) + 5 * expected
    kurtosis = 5 * math.sqrt(24 / n) + 10 * expected
    assert abs(scipy.stats.kurtosis(error)) < kurtosis


def test_without_noise_the_counted_phase_is_the_phase():
    phase = np.linspace(0.01, 6.27, 100)
    np.testing.assert_allclose(
        counted_phase(np.random.default_rng(0), phase, 10.0, 1e3, 0.0, False), phase, rtol=0, atol=1e-12
    )


def test_levels_of_a_circle():
    assert levels_variance(1.0, 63) == pytest.approx((63 / 2 / math.pi) ** 2)
    np.testing.assert_allclose(wrapped(jnp.array([-0.25, 63.5, 62.0]), 63), [62.75, 0.5, 62.0])
    np.testing.assert_array_equal(nearest(jnp.array([62.6, 0.4, 61.5001, 63.0]), 63), [0, 0, 62, 0])
    np.testing.assert_allclose(off_by(jnp.array([62.75, 0.5]), jnp.array([0.0, 62.0]), 63), [-0.25, 1.5])
    assert float(jax.grad(lambda level: off_by(level, jnp.array(0.0), 63))(62.75)) == 1.0


def test_probability_of_a_misread():
    # 2 Q(1 / (2 s)): 2 Q(5) and 2 Q(1), from the normal distribution.
    deviations = jnp.array([0.0, 0.1, 0.5])
    expected = [0.0, 2 * scipy.stats.norm.sf(5.0), 2 * scipy.stats.norm.sf(1.0)]
    np.testing.assert_allclose(misread_probability(deviations), expected, rtol=1e-4)
    assert np.isfinite(float(jax.grad(misread_probability)(0.0)))
