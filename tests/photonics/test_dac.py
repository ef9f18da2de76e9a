"""The activation converter: codes from 2 to 12 bits, clipping, gradient, energy."""

from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.dac import Dac, EnergyModel


def _dac(bits: int, **options) -> Dac:
    values = {"energy_model": "scaled", "reference_energy_j": 3.57e-12, "reference_bits": 8.0, **options}
    return Dac(bits=bits, **{"unit_capacitance_f": 5e-16, "swing_v": 0.8, **values})


@pytest.mark.parametrize("bits", range(2, 13))
def test_codes_are_symmetric_and_no_further_than_half_a_step(bits):
    dac = _dac(bits)
    x = jnp.linspace(-1.3, 1.3, 999)
    codes = np.asarray(dac.drive(x), np.float64) * dac.levels()
    assert dac.levels() == 2 ** (bits - 1) - 1
    np.testing.assert_allclose(codes, np.round(codes), atol=1e-3)
    assert set(np.round(codes)) <= set(range(-dac.levels(), dac.levels() + 1))
    assert np.abs(codes).max() == pytest.approx(dac.levels())
    np.testing.assert_allclose(codes, -codes[::-1], atol=1e-3)
    inside = np.abs(np.asarray(x)) <= 1
    assert np.abs(codes / dac.levels() - x)[inside].max() <= 0.5 / dac.levels() + 1e-6


def test_rounding_has_the_variance_of_a_uniform_error():
    dac = _dac(6)
    x = jax.random.uniform(jax.random.key(0), (100_000,), minval=-1.0)
    error = np.asarray((dac.drive(x) - x) * dac.levels(), np.float64)
    # Standard error of the mean square of a uniform error: sqrt((1/80 - 1/144) / n).
    assert abs(np.mean(error**2) - 1 / 12) < 5 * np.sqrt((1 / 80 - 1 / 144) / error.size)


def test_the_ideal_converter_only_clips():
    x = jnp.array([-2.0, -0.123, 0.0, 0.77, 5.0])
    np.testing.assert_array_equal(_dac(2, ideal=True).drive(x), jnp.clip(x, -1, 1))


@pytest.mark.parametrize("ideal", [False, True])
def test_gradient_is_one_inside_and_zero_where_it_clips(ideal):
    gradient = jax.grad(lambda x: jnp.sum(_dac(4, ideal=ideal).drive(x)))(jnp.array([-1.5, -0.4, 0.3, 1.2]))
    np.testing.assert_array_equal(gradient, [0.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize(("bits", "published_pj"), [(8, 3.57), (4, 0.446)])
def test_the_scaled_law_gives_the_published_energies(bits, published_pj):
    # Lightening-Transformer: 50 mW at 14 GS/s and 8 bits, and what it makes of that for 4 bits.
    np.testing.assert_allclose(_dac(8).conversion_energy_j(bits) * 1e12, published_pj, rtol=1e-2)
    assert _dac(8).conversion_energy_j(7) == pytest.approx(3.57e-12 * (128 / 7) / (256 / 8))


def test_a_fixed_part_costs_the_same_for_fewer_bits_and_has_no_more_for_its_price():
    # Optical Transformers charge 10 pJ for each conversion.
    fixed, scaled = (_dac(8, energy_model=model, reference_energy_j=1e-11) for model in ("fixed", "scaled"))
    assert [float(fixed.conversion_energy_j(bits)) for bits in range(1, 9)] == pytest.approx([1e-11] * 8)
    for bits in (9, 10, 11):
        assert fixed.conversion_energy_j(bits) == pytest.approx(scaled.conversion_energy_j(bits), rel=1e-6)
        assert fixed.conversion_energy_j(bits) > fixed.conversion_energy_j(bits - 1) * 1.7


def test_the_capacitive_bound_charges_the_array_once():
    # 256 units of 0.5 fF at 0.8 V: 82 fJ.
    assert _dac(8, energy_model="capacitive").conversion_energy_j(8) == pytest.approx(256 * 0.5e-15 * 0.64)
    assert _dac(8, energy_model="capacitive", swing_v=1.6).conversion_energy_j(8) == pytest.approx(4 * 81.92e-15)


@pytest.mark.parametrize("model", get_args(EnergyModel))
def test_more_bits_never_cost_less(model):
    dac = jax.tree.map(jnp.float32, _dac(8, energy_model=model))
    energies = [float(dac.conversion_energy_j(bits)) for bits in range(1, 13)]
    assert energies == sorted(energies) and energies[0] < energies[-1]
    gradient = jax.grad(lambda dac: dac.conversion_energy_j(7) * 1e12)(dac)
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(gradient))
