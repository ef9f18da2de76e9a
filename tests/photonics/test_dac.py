"""The activation converter: codes from 2 to 12 bits, clipping, gradient, energy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.dac import Dac


def _dac(bits: int, **options) -> Dac:
    return Dac(bits=bits, reference_energy_j=3.57e-12, reference_bits=8.0, **options)


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


def test_a_signed_operand_is_charged_one_bit_less():
    # The pass carries the sign: nine signed bits need the 8-bit reference part.
    assert _dac(9).conversion_energy_j() == pytest.approx(3.57e-12)
    assert _dac(8).conversion_energy_j() == pytest.approx(3.57e-12 * (128 / 7) / (256 / 8))
    energies = [_dac(bits).conversion_energy_j() for bits in range(3, 13)]
    assert energies == sorted(energies) and energies[0] < energies[-1]
