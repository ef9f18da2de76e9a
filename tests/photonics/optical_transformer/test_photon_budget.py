"""Photons of a dot product: from the laser to the detectors, and what shot noise makes of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics import operands
from photonics.optical_transformer import photon_budget
from photonics.units import LIGHT_SPEED_M_PER_S, PLANCK_J_S

SHOT = {"receiver.shot_noise": True}


def test_electrons_per_path_is_the_light_of_a_source_shared_by_its_columns(full):
    photon_j = PLANCK_J_S * LIGHT_SPEED_M_PER_S / 1.55e-6
    expected = 0.8 * 1.5e-3 * 10**-0.3 / (photon_j * 1e10 * 2048)
    assert float(photon_budget.electrons_per_path(full)) == pytest.approx(expected, rel=1e-5)
    brighter = full.at(laser_power_w=3e-3, symbol_rate_hz=5e9)
    assert float(photon_budget.electrons_per_path(brighter)) == pytest.approx(4 * expected, rel=1e-5)


def test_the_catalogue_counts_ten_thousand_for_a_typical_product(full):
    assert float(photon_budget.typical_electrons(full)) == pytest.approx(1e4, rel=0.05)
    budget = photon_budget.with_electrons(full, 5e3)
    assert float(photon_budget.typical_electrons(budget)) == pytest.approx(5e3, rel=1e-5)
    assert float(budget.operating_point.laser_power_w) < 1e-3


def test_typical_electrons_are_those_that_detectors_count(bare):
    engine = bare(SHOT)
    x = jnp.asarray(operands.typical(32), jnp.float32)
    w = jnp.stack([jax.random.permutation(jax.random.key(n), x) for n in range(200)], axis=1)
    counted = float(engine.detected_electrons(x[None], engine.load_panel(w))) / 200
    # x and w are scaled to their largest value, which is what fills converters and panel.
    scale = float(jnp.max(jnp.abs(x))) ** 2
    expected = float(photon_budget.typical_electrons(engine))
    mean = (np.mean(np.abs(operands.typical(32))) / operands.mean_magnitude(32)) ** 2
    assert counted == pytest.approx(expected * mean / scale, rel=0.02)


@pytest.mark.parametrize("width", [32, 256])
@pytest.mark.parametrize("electrons", [400.0, 4e4])
def test_error_of_non_negative_operands_depends_on_the_product_alone(bare, width, electrons):
    found = _error(bare, width, electrons, lambda key, shape: jax.random.uniform(key, shape))
    assert found == pytest.approx(photon_budget.error_of_non_negative(electrons), rel=0.08)


@pytest.mark.parametrize("width", [32, 256])
@pytest.mark.parametrize("per_mac", [4.0, 100.0])
def test_error_of_zero_mean_operands_depends_on_the_multiply_accumulate_alone(bare, width, per_mac):
    found = _error(bare, width, per_mac * width, jax.random.normal)
    # The law has one rms for all products; with 32 of them the operands' own scatter shows.
    assert found == pytest.approx(photon_budget.error_of_zero_mean(per_mac * width, width), rel=0.12)
    assert found == pytest.approx(2 / np.pi / np.sqrt(per_mac), rel=0.12)


def _error(bare, width, electrons, draw) -> float:
    """Error over rms product of 4096 outputs at these electrons for a dot product, shot noise alone."""
    keys = jax.random.split(jax.random.key(width), 2)
    x, w = draw(keys[0], (64, width)), draw(keys[1], (width, 64))
    engine = bare({**SHOT, "panel.inputs": width, "panel.outputs": 64})
    counted = float(engine.detected_electrons(x, engine.load_panel(w))) / 4096
    engine = engine.at(laser_power_w=engine.operating_point.laser_power_w * electrons / counted)
    error = engine.matmul(jax.random.key(7), x, w) - x @ w
    return float(jnp.sqrt(jnp.mean(error**2) / jnp.mean(jnp.square(x @ w))))
