"""Photons and electrons: values, and gradients that stay in float32."""

import jax
import jax.numpy as jnp
import pytest

from photonics.photons import dark_electrons, electrons_per_joule, photon_energy_j
from photonics.stage import OperatingPoint


def test_a_photon_of_a_micrometre_has_one_point_two_electronvolts():
    # CODATA: h c = 1.98644586e-25 J m.
    assert photon_energy_j(1e-6) == pytest.approx(1.98644586e-19, rel=1e-8)


def test_electrons_of_a_joule_and_of_the_dark():
    assert electrons_per_joule(0.8, 1.6e-19) == pytest.approx(5e18)
    at = OperatingPoint(laser_power_w=1e-3, symbol_rate_hz=1e9, temperature_k=300.0, age_s=0.0)
    assert dark_electrons(1.602176634e-10, at) == pytest.approx(1.0)


def test_gradients_stay_in_float32():
    slope = jax.grad(lambda lam: jnp.log(electrons_per_joule(jnp.float32(0.8), photon_energy_j(lam))))
    assert float(slope(jnp.float32(1.55e-6))) == pytest.approx(1 / 1.55e-6, rel=1e-5)
