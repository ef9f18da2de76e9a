"""The photodiodes: electrons per joule, dark current, saturation, area, bias power."""

import jax
import numpy as np
import pytest

from photonics.stage import OperatingPoint

_POINT = OperatingPoint(laser_power_w=1e-3, symbol_rate_hz=1e9, temperature_k=300.0, age_s=0.0)


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


def test_saturation_halves_the_light_at_its_current(catalogue):
    # 1.6 mA make 1e7 electrons in 1 ns.
    changes = {"photodetector.saturates": True, "photodetector.saturation_current_a": 1.602176634e-3}
    detector = catalogue.replace(**changes).photodetector
    np.testing.assert_allclose(detector.saturated(np.array([0.0, 1e7, 3e7]), _POINT), [0.0, 5e6, 7.5e6])
    np.testing.assert_allclose(detector.saturated(np.array([1e4]), _POINT), 1e4 / 1.001)
    assert catalogue.photodetector.saturated(1e7, _POINT) == 1e7


def test_area_and_capacitance_follow_the_etendue(catalogue):
    # 1024 beams of M^2 = 1.1 at 850 nm into NA 0.5: 1.14e-9 m^2, 0.114 pF at 1e-4 F/m^2; two of them for an output.
    etendue = 1024 * (1.1 * 850e-9) ** 2
    area_m2 = catalogue.photodetector.area_m2(catalogue.source.etendue_m2_sr(), catalogue.optics.numerical_aperture)
    assert area_m2 == pytest.approx(etendue / (np.pi * 0.25))
    assert catalogue.diodes_f() == pytest.approx(2 * area_m2 * 1e-4)
    narrow = catalogue.replace(**{"optics.numerical_aperture": 0.25, "encoding.weight_sign": "offset"})
    assert narrow.diodes_f() == pytest.approx(4 * area_m2 * 1e-4)
    # More beams, more capacitance, more noise.
    wide = catalogue.replace(**{"source.beam_quality": 4.0})
    assert wide.readout_variance() > catalogue.readout_variance()


def test_gradients_stay_in_the_range_of_float32(catalogue):
    # 1 / E^2 is 2e37 J^-2, and compilers like to gather its factors.
    def electrons(engine):
        return engine.photodetector.electrons_per_joule(engine.source.photon_energy_j())

    gradient = jax.jit(jax.grad(electrons))(catalogue)
    expected = electrons(catalogue)
    np.testing.assert_allclose(gradient.source.wavelength_m * 850e-9, expected, rtol=1e-5)
    np.testing.assert_allclose(gradient.photodetector.quantum_efficiency * 0.8, expected, rtol=1e-5)
