"""The sources: a cubic about the bias, its limits, and what the light costs."""

import numpy as np
import pytest

from photonics.analog_optical_computer.microled import led_power
from photonics.stage import OperatingPoint


def test_power_is_the_cubic():
    drive = np.linspace(-0.2, 0.2, 9)
    np.testing.assert_allclose(led_power(drive, -0.2, 0.1, 0.3, 1e-3), np.polyval([-0.2, 0.1, 0.3, 1e-3], drive))


def test_response_has_slope_one_at_the_bias_and_bends_away(small):
    source = small().source
    step = 1e-4
    slopes = [(up - down) / (2 * step) for up, down in zip(source.emitted(step), source.emitted(-step), strict=True)]
    np.testing.assert_allclose(slopes, [float(slope) for slope in source.rail_slopes()], rtol=1e-4)
    assert np.mean(slopes) == pytest.approx(1.0)
    # Full drive up: less than a linear source gives; down: more is taken away. Own arithmetic from the fit.
    plus_up, plus_down = source.emitted(1.0)[0], source.emitted(-1.0)[0]
    assert plus_up == pytest.approx(0.8611, abs=2e-3) and plus_down == pytest.approx(-0.9906, abs=2e-3)


def test_linear_response_is_the_drive(bare):
    drive = np.linspace(-1, 1, 5)
    for light in bare().source.emitted(drive):
        np.testing.assert_array_equal(light, drive)


def test_light_stays_above_none_and_ends_at_full_drive(bare):
    source = bare().source
    assert source.bias() + source.swing() == pytest.approx(1.0)
    assert source.bias() - source.swing() == pytest.approx((1 - 0.9) / (1 + 0.9))


def test_wall_power_is_that_of_the_bias(small):
    source = small().source
    at = OperatingPoint(laser_power_w=2e-3, symbol_rate_hz=5e7, temperature_k=300.0, age_s=0.0)
    assert source.power_w(at) == pytest.approx(12 * 2e-3 / 1.9 / 0.05)
    assert source.photon_energy_j() == pytest.approx(3.82e-19, rel=1e-3)
