"""The modulator: extinction floor and swing."""

import jax.numpy as jnp
import numpy as np
import pytest


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


def test_drive_energy_is_charged_per_symbol(catalogue):
    dear = catalogue.replace(**{"modulator.symbol_energy_j": 2 * catalogue.modulator.symbol_energy_j})
    assert dear.power_budget()["modulator"] == pytest.approx(2 * catalogue.power_budget()["modulator"])
