"""The laser: wall power, photons, and intensity noise that both fields share."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.photonics.agreement import largest_z, z_of_variances


def test_wall_power_and_photons(homodyne):
    laser = dataclasses.replace(
        homodyne.laser, threshold_current_a=0.01, voltage_v=2.0, slope_efficiency=0.25, wavelength_m=1550e-9
    )
    at = dataclasses.replace(homodyne.operating_point, laser_power_w=0.5)
    assert laser.power_w(at) == pytest.approx(0.02 + 2.0)
    assert laser.photon_energy_j() == pytest.approx(1.282e-19, rel=1e-3)


def test_intensity_noise_is_a_gain_of_each_symbol(bare):
    rin, f = 1e-12, 1e10
    engine = bare({"laser.fluctuates": True, "laser.rin_per_hz": rin})
    x, w = jax.random.normal(jax.random.key(1), (1, 20)), jax.random.normal(jax.random.key(2), (20, 8))
    errors = np.asarray(engine.matmul(jax.random.key(0), jnp.broadcast_to(x, (8000, 20)), w) - x @ w)
    expected = rin * f / 2 * np.sum(np.square(np.asarray(x[0])[:, None] * np.asarray(w)), axis=0)
    assert np.abs(z_of_variances(errors, expected)).max() < largest_z(8)


def test_all_outputs_of_a_vector_see_the_same_fluctuation(bare):
    engine = bare({"laser.fluctuates": True, "laser.rin_per_hz": 1e-12})
    y = engine.matmul(jax.random.key(0), jnp.ones((5, 20)), jnp.ones((20, 8)))
    np.testing.assert_allclose(y, jnp.broadcast_to(y[:, :1], y.shape), rtol=1e-6)
    assert float(jnp.std(y[:, 0])) > 0.01
