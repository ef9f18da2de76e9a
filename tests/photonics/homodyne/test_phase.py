"""Phase errors: a gain that is fixed, and one that jitters."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.homodyne.phase import turned
from tests.photonics.agreement import largest_z, z_of_means, z_of_variances


def test_moments_of_the_jitter_are_those_of_draws(homodyne):
    phase = dataclasses.replace(homodyne.phase, jitters=True, jitter_rad=0.4)
    product, angle, n = 0.7 - 0.5j, 0.3, 200_000
    psi = np.random.default_rng(1).normal(0.0, 0.4, n)
    draws = np.real(product * np.exp(-1j * (angle + psi)))
    moments = phase.moments()
    mean = moments.along * np.real(product * np.exp(-1j * angle))
    variance = moments.power * abs(product) ** 2 + moments.twice * np.real(product**2 * np.exp(-2j * angle))
    assert abs(z_of_means(draws, float(mean))) < largest_z(1)
    assert abs(z_of_variances(draws, float(variance))) < largest_z(1)


def test_without_jitter_nothing_is_lost(homodyne):
    assert dataclasses.replace(homodyne.phase, jitters=False).moments() == (1.0, 0.0, 0.0)


def test_turning_is_that_of_complex_numbers():
    assert float(turned(0.3, -0.8, 0.7)) == pytest.approx(((0.3 - 0.8j) * np.exp(-0.7j)).real)


def test_a_phase_is_a_gain_of_its_cosine(bare):
    engine = bare({"phase.fixed_pattern": True, "phase.residual_rad": 0.5})
    x, w = jax.random.normal(jax.random.key(2), (3, 20)), jax.random.normal(jax.random.key(3), (20, 8))
    panel = engine.load_panel(w, instance=4)
    expected = (x @ w) * jnp.cos(panel.values["phase"][0])
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), x, panel), expected, atol=2e-5)
    assert float(jnp.std(panel.values["phase"])) > 0.1


def test_phases_walk_away_from_their_calibration(homodyne):
    at = dataclasses.replace(homodyne.operating_point, age_s=100.0)
    phase = dataclasses.replace(homodyne.phase, residual_rad=0.3, drift_rad_per_root_s=0.04)
    drawn = np.asarray(phase.draw(jax.random.key(5), (1, 20_000), at))
    # 0.3^2 + (0.04 sqrt(100))^2 = 0.25
    assert abs(z_of_variances(drawn[0], 0.25)) < largest_z(1)
    fresh = phase.draw(jax.random.key(5), (1, 20_000), homodyne.operating_point)
    assert abs(z_of_variances(np.asarray(fresh)[0], 0.09)) < largest_z(1)


def test_shot_noise_does_not_know_of_phases(bare):
    # A phase of 90 degrees for every unit: no signal, the same photons.
    changes = {"pair.shot_noise": True, "operating_point.laser_power_w": 1e-6}
    x, w = jnp.broadcast_to(jax.random.normal(jax.random.key(2), (1, 20)), (4000, 20)), jnp.ones((20, 8))
    plain = bare({**changes, "phase.fixed_pattern": True, "phase.residual_rad": 0.0})
    panel = plain.load_panel(w)
    across = dataclasses.replace(panel, values={**panel.values, "phase": jnp.full((1, 8), np.pi / 2)})
    straight, turned_ = (np.asarray(plain.matmul(jax.random.key(0), x, one)) for one in (panel, across))
    np.testing.assert_allclose(straight - x[:1] @ w, turned_, atol=1e-3)
