"""The panels: rails, the quadratic transmission, levels, energy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.analog_optical_computer.amplitude_panel import distorted, split


def test_rails_hold_the_signs():
    w = jnp.array([-1.0, -0.3, 0.0, 0.5])
    plus, minus = split(w)
    np.testing.assert_array_equal(plus - minus, w)
    assert np.all(plus * minus == 0.0)
    # A weight of zero may become either, so its derivative is one.
    np.testing.assert_array_equal(jax.grad(lambda w: jnp.sum(split(w)[0] - split(w)[1]))(w), np.ones(4))


def test_transmission_is_the_quadratic_of_its_column():
    opening = np.array([[0.0, 1.0], [0.5, 0.5]])
    transmission = distorted(opening, np.array([-0.1, -0.2]), np.array([0.8, 0.9]), np.array([0.01, 0.05]))
    np.testing.assert_allclose(transmission, [[0.01, 0.75], [0.385, 0.45]])


def test_linear_response_keeps_swing_and_floor_of_both_rails(small):
    panel, straight = small().panel, small({"panel.response": "linear"}).panel
    assert sum(straight.swings()) == pytest.approx(sum(panel.swings()))
    assert straight.coefficients()[0] == straight.coefficients()[1]
    assert straight.coefficients()[0][2] == pytest.approx(0.0489)


def test_weights_are_rounded_to_the_levels_of_signed_codes(small):
    panel = small({"panel.bits": 4}).panel
    codes = np.asarray(panel.quantise(jnp.linspace(-1.2, 1.2, 97))) * 7
    np.testing.assert_allclose(codes, np.round(codes), atol=1e-5)
    assert len(set(np.round(codes))) == 15
    np.testing.assert_array_equal(jax.grad(lambda w: jnp.sum(panel.quantise(w)))(jnp.array([0.31])), [1.0])


def test_holding_power_counts_both_panels_and_every_refresh(small):
    engine = small({"panel.refresh_rate_hz": 100.0, "panel.drive_power_w": 1.5})
    write_j = engine.load_energy_j()
    assert engine.pixels() == 2 * 12 * 8
    assert write_j == pytest.approx(engine.pixels() * (2e-12 * 25.0 + 8.3e-13), rel=1e-3)
    assert engine.panel.hold_power_w(engine.pixels(), engine.memory) == pytest.approx(3.0 + 100.0 * write_j)
