"""The core and its weights: where light and power go, what a load takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import photonics
from photonics.block_floating_point.engine import BlockFloatingPointEngine


@pytest.fixture(scope="module")
def engine() -> BlockFloatingPointEngine:
    return photonics.load_engine("lightmatter-2025")  # pyright: ignore[reportReturnType]


def test_light_is_shared_by_the_columns(engine):
    at = engine.operating_point
    assert engine.core.path_power_w(at) == pytest.approx(3.125e-3 * 0.1 / 128)
    # 4 cores of 128 channels: the published 1.6 W.
    assert 4 * engine.core.launched_power_w(at) == pytest.approx(1.6)
    assert engine.core.laser_power_w(at) == pytest.approx(0.4 / 0.15)


def test_weights_are_rounded_to_codes(engine):
    v = engine.weights.quantise(jnp.asarray([1.0, -1.0, 0.5, 1 / 63, 0.4 / 63, 1.2]))
    np.testing.assert_allclose(v, [1.0, -1.0, 32 / 63, 1 / 63, 0.0, 1.0], rtol=1e-6)
    slope = jax.grad(lambda value: jnp.sum(engine.weights.quantise(value)))(jnp.asarray([0.3, 1.2]))
    np.testing.assert_array_equal(slope, [1.0, 0.0])


def test_a_load_takes_transfer_and_settling(engine):
    # 25 MHz and 10 ns.
    assert engine.reload_time_s == pytest.approx(50e-9)
    # 128 x 128 conversions of an 8-bit part of which half the steps are used.
    assert engine.load_energy_j() == pytest.approx(128 * 128 * 3.57e-12 / 2)
