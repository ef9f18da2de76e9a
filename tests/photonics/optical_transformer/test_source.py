"""Sources: photons, power at the wall."""

import pytest

from photonics.optical_transformer.source import Source
from photonics.stage import OperatingPoint


def test_photons_and_power():
    source = Source(wavelength_m=1.55e-6, wall_plug_efficiency=0.2, power_max_w=0.1, modulation_energy_j=8e-15)
    at = OperatingPoint(laser_power_w=1e-3, symbol_rate_hz=1e10, temperature_k=300.0, age_s=0.0)
    assert source.photon_energy_j() == pytest.approx(1.282e-19, rel=1e-3)
    assert source.power_w(at) == pytest.approx(5e-3)
