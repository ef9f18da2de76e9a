"""The weight panel: levels, transmission, response, write energy and hold power."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.mark.parametrize("bits", range(2, 13))
def test_weights_fall_on_levels(catalogue, bits):
    panel = catalogue.replace(**{"panel.bits": bits}).panel
    v = jnp.linspace(-1.0, 1.0, 501)
    codes = np.asarray(panel.quantise(v), np.float64) * panel.levels()
    np.testing.assert_allclose(codes, np.round(codes), atol=1e-3)
    assert np.abs(codes / panel.levels() - v).max() <= 0.5 / panel.levels() + 1e-6
    assert len(np.unique(np.round(codes))) == min(2 * panel.levels() + 1, 501)


def test_the_ideal_panel_only_clips(catalogue):
    panel = catalogue.replace(**{"panel.ideal": True}).panel
    np.testing.assert_array_equal(panel.quantise(jnp.array([-3.0, 0.1234, 2.0])), jnp.array([-1.0, 0.1234, 1.0]))


def test_gradient_is_straight_through(catalogue):
    gradient = jax.grad(lambda v: jnp.sum(catalogue.panel.quantise(v)))(jnp.array([-2.0, 0.3, 0.7, 1.5]))
    np.testing.assert_array_equal(gradient, [0.0, 1.0, 1.0, 0.0])


def test_transmission_runs_from_the_floor_to_one(catalogue):
    panel = catalogue.replace(**{"panel.extinction_ratio": 20.0}).panel
    np.testing.assert_allclose(panel.transmit(np.array([0.0, 0.5, 1.0])), [0.05, 0.525, 1.0])


def test_responses(catalogue):
    floor = {"panel.extinction_ratio": 20.0}
    curved = catalogue.replace(**floor, **{"panel.response": "curved"}).panel
    # Curvature 0.2, no skew: h(0.5) = 0.5 + 0.2 / 4.
    np.testing.assert_allclose(curved.transmit(np.array([0.0, 0.5, 1.0]), 127), [0.05, 0.05 + 0.95 * 0.55, 1.0])
    codes = jnp.arange(128) / 127
    compensated = catalogue.replace(**floor, **{"panel.response": "compensated"}).panel
    error = np.abs(np.asarray(compensated.transmit(codes, 127) - (0.05 + 0.95 * codes)))
    assert 0.0 < error.max() <= 0.95 * 0.5 * 1.2 / 127 * (1 + 1e-3)


def test_writing_charges_every_pixel_and_reads_every_bit(catalogue):
    panel, memory = catalogue.panel, catalogue.memory
    per_pixel = 2e-12 * 5.0**2 + 7 / 8 * 8.3e-13
    assert panel.write_energy_j(1e6, 7, memory) == pytest.approx(1e6 * per_pixel)
    assert panel.hold_power_w(1e6, 7, memory) == pytest.approx(2.0 + 1e3 * 1e6 * per_pixel)


def test_holding_pays_for_bits(catalogue):
    engines = [catalogue.replace(**{"panel.bits": bits}) for bits in range(2, 13)]
    powers = [
        engine.panel.hold_power_w(1e6, engine.encoding.pixel_bits(engine.panel.bits), engine.memory)
        for engine in engines
    ]
    assert all(low < high for low, high in itertools.pairwise(powers))
