"""The photodiodes: electrons per joule, dark current, bias power."""

import jax
import numpy as np
import pytest

from photonics.stage import OperatingPoint

_POINT = OperatingPoint(laser_power_w=1e-3, symbol_rate_hz=1e9, temperature_k=300.0)


def test_responsivity_of_silicon_at_850_nm(catalogue):
    # R = QE lambda / 1.2398 um: 0.8 * 0.85 / 1.23984 A/W.
    per_joule = catalogue.photodetector.electrons_per_joule(catalogue.source.photon_energy_j())
    assert per_joule * 1.602176634e-19 == pytest.approx(0.8 * 0.85 / 1.239842, rel=1e-5)


def test_dark_electrons(catalogue):
    detector = catalogue.replace(**{"photodetector.dark_current_a": 1.602176634e-9}).photodetector
    assert detector.dark_electrons(_POINT) == pytest.approx(10.0)


def test_bias_power_is_voltage_times_both_currents(catalogue):
    detector = catalogue.replace(**{"photodetector.dark_current_a": 1e-6}).photodetector
    photon_j = catalogue.source.photon_energy_j()
    current_a = 0.8 * 1.602176634e-19 / photon_j * 1e-3 + 7 * 1e-6
    assert detector.power_w(1e-3, photon_j, 7) == pytest.approx(3.0 * current_a)


def test_gradients_stay_in_the_range_of_float32(catalogue):
    # 1 / E^2 is 2e37 J^-2, and compilers like to gather its factors.
    def electrons(engine):
        return engine.photodetector.electrons_per_joule(engine.source.photon_energy_j())

    gradient = jax.jit(jax.grad(electrons))(catalogue)
    expected = electrons(catalogue)
    np.testing.assert_allclose(gradient.source.wavelength_m * 850e-9, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient.photodetector.quantum_efficiency * 0.8, expected, rtol=1e-5)
