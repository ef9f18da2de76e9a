"""The converter behind the amplifiers: codes, clipping, and an energy for each bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.dynamic_operand.sar_adc import SarAdc


def _adc(bits: int = 4, ideal: bool = False) -> SarAdc:
    return SarAdc(bits=bits, reference_energy_j=1.48e-12, reference_bits=8.0, ideal=ideal)


def test_codes_are_symmetric_and_clip():
    assert _adc().levels() == 7
    signal = jnp.array([-9.0, -7.0, -0.6, 0.2, 0.6, 3.4, 6.9, 8.0])
    np.testing.assert_array_equal(_adc().convert(signal, jnp.asarray(7.0)), [-7, -7, -1, 0, 1, 3, 7, 7])
    np.testing.assert_array_equal(_adc(ideal=True).convert(signal, jnp.asarray(7.0)), signal)


def test_rounding_leaves_a_twelfth_of_a_step():
    signal = jnp.linspace(-1.0, 1.0, 100_001)
    error = _adc(bits=6).convert(signal, jnp.asarray(1.0)) - signal
    # Half steps at both ends are as uniform as whole ones; 100,001 points resolve each of 62 steps to 1e-3.
    assert float(jnp.var(error)) == pytest.approx((1 / 31) ** 2 / 12, rel=5e-3)


def test_the_gradient_is_straight_through_and_stops_where_codes_clip():
    slope = jax.vmap(jax.grad(lambda signal: _adc().convert(signal, jnp.asarray(7.0))))
    np.testing.assert_array_equal(slope(jnp.array([-8.0, 0.3, 8.0])), [0, 1, 0])


def test_energy_goes_with_the_bits():
    # 14.8 mW at 10 GS/s and 8 bits: 3.7 mW at 5 GS/s and 4 bits.
    assert _adc(8).conversion_energy_j() == pytest.approx(1.48e-12)
    assert _adc(4).conversion_energy_j() * 5e9 == pytest.approx(3.7e-3)
