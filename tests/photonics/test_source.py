"""The source array: photon energy, power and intensity noise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.stage import OperatingPoint

_POINT = OperatingPoint(laser_power_w=2e-2, symbol_rate_hz=1e9, temperature_k=300.0)


@pytest.mark.parametrize(("wavelength_m", "electronvolt"), [(850e-9, 1.45864), (1550e-9, 0.79990)])
def test_photon_energy(catalogue, wavelength_m, electronvolt):
    source = catalogue.replace(**{"source.wavelength_m": wavelength_m}).source
    assert source.photon_energy_j() == pytest.approx(electronvolt * 1.602176634e-19, rel=1e-5)
    # Compiled in float32 too, where h c = 2e-25 J m would be near the end of the range.
    traced = jax.jit(lambda s: s.photon_energy_j())(source)
    np.testing.assert_allclose(traced, source.photon_energy_j(), rtol=1e-6)


def test_relative_variance_is_rin_times_bandwidth(catalogue):
    source = catalogue.replace(**{"source.rin_per_hz": 1e-14}).source
    assert source.relative_variance(5e8) == pytest.approx(5e-6)


def test_power_is_light_over_efficiency(catalogue):
    source = catalogue.replace(**{"source.wall_plug_efficiency": 0.25}).source
    assert source.launched_power_w(_POINT) == pytest.approx(1024 * 2e-2)
    assert source.power_w(_POINT) == pytest.approx(1024 * 2e-2 / 0.25)


def test_gradient_of_power_with_respect_to_the_light(catalogue):
    gradient = jax.grad(lambda p: catalogue.source.power_w(p))(jax.tree.map(jnp.float32, _POINT))
    assert float(gradient.laser_power_w) == pytest.approx(1024 / 0.35, rel=1e-6)
    assert float(gradient.temperature_k) == 0.0
