"""Photodiodes and amplifiers: noise by hand, counts, and what less noise costs."""

import dataclasses

import numpy as np
import pytest

from photonics.dynamic_operand.detection import Detection
from photonics.stage import OperatingPoint
from tests.photonics.agreement import largest_z, z_of_means, z_of_variances

_Q, _K = 1.602176634e-19, 1.380649e-23
_AT = OperatingPoint(laser_power_w=1e-2, symbol_rate_hz=5e9, temperature_k=300.0, age_s=0.0)


def _detection(**changes) -> Detection:
    values = {
        "quantum_efficiency": 0.8,
        "dark_current_a": 2.5e-8,
        "shot_noise": True,
        "diode_power_w": 1.1e-3,
        "amplifier_power_w": 3e-3,
        "reference_power_w": 3e-3,
        "noise_resistance_ohm": 663.0,
    }
    return Detection(**{**values, **changes})


def test_a_watt_of_1550_nm_gives_an_ampere():
    assert _detection().electrons_per_joule(1.2816e-19) * _Q == pytest.approx(1.0, rel=1e-3)


def test_the_amplifier_has_its_noise_current():
    # 5 pA/rtHz, integrated over a symbol: i_n^2 / (2 f) of charge squared.
    assert _detection().readout_variance(_AT) == pytest.approx((5e-12) ** 2 / (2 * 5e9) / _Q**2, rel=2e-3)
    assert _detection().readout_variance(_AT) == pytest.approx(4 * _K * 300 / 663 / (2 * 5e9) / _Q**2)
    assert _detection(noise_resistance_ohm=float("inf")).readout_variance(_AT) == 0


def test_less_noise_takes_more_power():
    usual, strong = _detection(), _detection(amplifier_power_w=6e-3)
    assert strong.readout_variance(_AT) == pytest.approx(usual.readout_variance(_AT) / 2)


def test_dark_current_of_all_photodiodes_of_an_amplifier():
    # Two cores of two photodiodes each.
    assert _detection().dark_electrons(_AT, 2) == pytest.approx(4 * 2.5e-8 / _Q / 5e9)
    assert _detection().diodes_power_w(1152) == pytest.approx(2.5344)


def test_variances_add_up_over_symbols():
    usual = _detection()
    one, three = usual.variance(0.0, _AT, 2, 1), usual.variance(0.0, _AT, 2, 3)
    assert three == pytest.approx(3 * one)
    assert usual.variance(1e4, _AT, 2, 1) == pytest.approx(1e4 + one)
    silent = dataclasses.replace(usual, shot_noise=False)
    assert silent.variance(1e4, _AT, 2, 2) == pytest.approx(2 * usual.readout_variance(_AT))


@pytest.mark.parametrize("shot_noise", [True, False])
def test_counts_have_the_moments_of_the_closed_form(shot_noise):
    detection = _detection(shot_noise=shot_noise, noise_resistance_ohm=66300.0)
    lights = np.full((4000, 1), 900.0), np.full((4000, 1), 300.0)
    counts = detection.counted(np.random.default_rng(4), lights, _AT, 2, 3)
    assert abs(z_of_means(counts, np.array([600.0]))) < largest_z(1)
    assert abs(z_of_variances(counts, np.array([float(detection.variance(1200.0, _AT, 2, 3))]))) < largest_z(1)


def test_without_any_noise_the_light_is_what_comes_out():
    detection = _detection(shot_noise=False, noise_resistance_ohm=float("inf"))
    lights = np.array([[3.25]]), np.array([[1.0]])
    assert detection.counted(np.random.default_rng(0), lights, _AT, 2, 1) == 2.25
