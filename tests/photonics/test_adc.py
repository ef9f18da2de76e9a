"""The output converter: codes, clipping, quantisation noise, effective bits and energy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.adc import Adc
from photonics.draws import standard_normal
from tests.photonics.agreement import assert_normal


def _adc(bits: int, enob_loss: float = 0.0, **options) -> Adc:
    values = {"energy_model": "largest", "technology_m": 16e-9, "walden_fom_j": 5e-15, **options}
    return Adc(bits=bits, enob_loss=enob_loss, **values)


@pytest.mark.parametrize("bits", range(2, 13))
def test_codes_are_symmetric_with_a_zero(bits):
    adc, full_scale = _adc(bits), jnp.float32(3.0)
    signal = jnp.linspace(-4.0, 4.0, 2001)
    lsb = 2 * 3.0 / (2**bits - 2)
    codes = np.asarray(adc.convert(signal, full_scale), np.float64) / lsb
    np.testing.assert_allclose(codes, np.round(codes), atol=2e-3)
    assert codes.min() == pytest.approx(-adc.levels()) and codes.max() == pytest.approx(adc.levels())
    assert codes[1000] == 0.0
    inside = np.abs(np.asarray(signal)) <= 3.0
    assert np.abs(codes * lsb - signal)[inside].max() <= lsb / 2 * 1.001


def test_gradient_is_one_inside_and_zero_where_it_clips():
    gradient = jax.grad(lambda z: jnp.sum(_adc(6).convert(z, jnp.float32(1.0))))(jnp.array([-1.1, -0.4, 0.9, 2.0]))
    np.testing.assert_array_equal(gradient, [0.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize("sigma_lsb", [1.0, 2.5])
def test_quantisation_adds_a_twelfth_where_noise_spans_codes(sigma_lsb):
    n, adc, full_scale = 400_000, _adc(8), jnp.float32(1.0)
    lsb = 1.0 / adc.levels()
    noise = standard_normal(jax.random.key(3), (n, 1))[:, 0] * (sigma_lsb * lsb)
    codes = np.asarray(adc.convert(0.237 * lsb + noise, full_scale), np.float64) / lsb
    expected = sigma_lsb**2 + 1 / 12
    assert np.mean(codes) == pytest.approx(0.237, abs=5 * np.sqrt(expected / n))
    # A standard error of sqrt(2 / n): 1/12 stands out by 25 of them at one lsb.
    assert np.var(codes) == pytest.approx(expected, rel=5 * np.sqrt(2 / n))


@pytest.mark.parametrize(("bits", "enob_loss"), [(8, 0.0), (8, 1.0), (10, 1.5)])
def test_effective_bits_count_the_quantisation(bits, enob_loss):
    adc, full_scale = _adc(bits, enob_loss), 2.0
    extra = adc.noise_variance(full_scale)
    step = 2 * full_scale / 2**bits
    assert extra + step**2 / 12 == pytest.approx((2 * full_scale) ** 2 / 12 * 4.0 ** -(bits - enob_loss))
    assert (extra == 0.0) == (enob_loss == 0.0)


def test_energy_follows_effective_bits_and_rate():
    by_bits = [float(_adc(bits, 1.0).conversion_energy_j(5e8)) for bits in range(6, 13)]
    assert all(low < high for low, high in itertools.pairwise(by_bits))
    assert float(_adc(10, 1.0).conversion_energy_j(1e9)) > float(_adc(10, 1.0).conversion_energy_j(1e8))
    assert float(_adc(10, 1.5).conversion_energy_j(5e8)) < float(_adc(10, 0.5).conversion_energy_j(5e8))


def test_the_noise_beyond_rounding_is_normal(bare, product):
    # Twelve bits of which six work: the rounding hides under the Gaussian part.
    engine = bare({"adc.ideal": False, "adc.bits": 12, "adc.enob_loss": 6.0})
    x, w = jnp.tile(jax.random.normal(jax.random.key(0), (1, 24)), (3000, 1)), jnp.ones((24, 4)) / 5
    panel = engine.load_panel(w)
    y = np.asarray(product(engine, jax.random.key(1), x, panel), np.float64)
    unit = float(jnp.max(jnp.abs(x[0])) * panel.scale[0, 0])
    full_scale = float(panel.full_scale[0, 0]) * unit
    lsb = full_scale / engine.adc.levels()
    deviation = np.sqrt(engine.adc.noise_variance(full_scale) + lsb**2 / 12)
    assert_normal((y - np.asarray(x[0] @ w)) / deviation)
