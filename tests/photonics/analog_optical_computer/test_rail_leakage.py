"""Leakage past the panel: a diagonal, alike on both rails but for its spread."""

import jax.numpy as jnp
import numpy as np

from photonics.analog_optical_computer import pattern
from photonics.analog_optical_computer.rail_leakage import leaked


def test_a_share_of_the_source_opposite_is_added():
    np.testing.assert_allclose(leaked(np.zeros((1, 2)), np.array([[2.0, 4.0]]), np.array([0.01, 0.02])), [[0.02, 0.08]])


def test_leak_is_a_diagonal_of_every_panel(bare, drawn):
    engine = bare({"leakage.present": True, "leakage.share": 0.01, "leakage.spread": 0.0})
    rail = drawn(engine, (1, 12, 16), 0).plus
    response = pattern.response(rail, jnp.zeros((1, 12, 16)), None, 8)[0]
    opposite = np.arange(16) % 8 == np.arange(12)[:, None]
    np.testing.assert_allclose(response, 0.01 * opposite, atol=1e-8)


def test_equal_leaks_cancel_in_the_difference_of_the_rails(bare):
    equal = bare({"leakage.present": True, "leakage.share": 0.01, "leakage.spread": 0.0})
    panel = equal.load_panel(jnp.zeros((12, 8)))
    np.testing.assert_allclose(panel.values["plus"], panel.values["minus"], atol=1e-8)
    apart = equal.replace(**{"leakage.spread": 0.005}).load_panel(jnp.zeros((12, 8)))
    assert np.abs(apart.values["plus"] - apart.values["minus"]).max() > 1e-3
