"""The modulator: extinction floor, swing, response, settling."""

import jax.numpy as jnp
import numpy as np
import pytest

from photonics.response import transfer


@pytest.mark.parametrize("ratio", [1.5, 10.0, 100.0, float("inf")])
def test_light_runs_from_the_floor_to_one(catalogue, ratio):
    modulator = catalogue.replace(**{"modulator.extinction_ratio": ratio}).modulator
    light = modulator.transmit(jnp.array([0.0, 0.5, 1.0]))
    np.testing.assert_allclose(light, [1 / ratio, (1 + 1 / ratio) / 2, 1.0], rtol=1e-6)
    assert modulator.floor() == pytest.approx(1 / ratio)


def test_numpy_stays_numpy(catalogue):
    # The reference path counts on the host in float64.
    light = catalogue.modulator.transmit(np.array([0.25, 0.75]))
    assert isinstance(light, np.ndarray) and light.dtype == np.float64


def test_a_curved_response_stands_above_the_floor(catalogue):
    curve = {"modulator.extinction_ratio": 4.0, "modulator.curvature": 0.3, "modulator.skew": -0.2}
    drive = np.linspace(0.0, 1.0, 9)
    straight = catalogue.replace(**curve).modulator.transmit(drive, 127)
    curved = catalogue.replace(**curve, **{"modulator.response": "curved"}).modulator.transmit(drive, 127)
    np.testing.assert_allclose(straight, 0.25 + 0.75 * drive)
    np.testing.assert_allclose(curved, 0.25 + 0.75 * transfer(drive, 0.3, -0.2))
    assert np.abs(curved - straight).max() > 0.04


def test_a_table_straightens_the_response_to_half_a_step(catalogue):
    changes = {"modulator.response": "compensated", "modulator.curvature": 0.4, "modulator.skew": 0.0}
    modulator = catalogue.replace(**changes, **{"modulator.extinction_ratio": 1e6}).modulator
    codes = jnp.arange(256) / 255
    error = np.abs(np.asarray(modulator.transmit(codes, 255) - codes))
    # The steepest slope, 1 + c, is at u = 0.
    assert 0.3 * 1.4 / 255 < error.max() <= 0.5 * 1.4 / 255 * (1 + 1e-3)
    # Without codes (an ideal DAC) the table leaves nothing.
    np.testing.assert_allclose(modulator.transmit(codes), codes, atol=2e-6)


def test_what_is_left_of_the_symbol_before(catalogue):
    slow = catalogue.replace(**{"modulator.settling": True, "modulator.bandwidth_hz": 3.5e8})
    modulator, at = slow.modulator, slow.operating_point
    assert modulator.settles and not catalogue.modulator.settles
    # exp(-2.199) of a symbol of 1 ns
    assert float(modulator.leak(at)) == pytest.approx(np.exp(-2 * np.pi * 0.35), rel=1e-6)
    assert catalogue.modulator.leak(at) == 0.0


def test_drive_energy_is_charged_per_symbol(catalogue):
    dear = catalogue.replace(**{"modulator.symbol_energy_j": 2 * catalogue.modulator.symbol_energy_j})
    assert dear.power_budget()["modulator"] == pytest.approx(2 * catalogue.power_budget()["modulator"])
