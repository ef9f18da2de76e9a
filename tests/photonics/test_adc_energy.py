"""Energy of a conversion against published values, and its dependence on bits and rate."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.adc_energy import andrulis_energy_j, conversion_energy_j, murmann_energy_j, sndr_db


@pytest.mark.parametrize(("enob", "published_pj"), [(6, 0.2677), (8, 0.2767), (10, 0.4188), (12, 2.69)])
def test_the_envelope_of_the_survey(enob, published_pj):
    # Validation case O4: computed from the survey's table, stated to 1 %.
    np.testing.assert_allclose(murmann_energy_j(float(enob)) * 1e12, published_pj, rtol=1e-2)


@pytest.mark.parametrize(
    ("node_nm", "enob", "rate_hz", "published_pj"),
    [
        (28, 6, 1e8, 0.83),
        (28, 8, 1e9, 1.33),
        (28, 8, 5e9, 3.69),
        (28, 8, 1e10, 5.84),
        (28, 10, 1e8, 2.57),
        (28, 10, 1e9, 10.8),
        (16, 8, 1e9, 0.465),
        (16, 8, 5e9, 1.29),
        (16, 8, 1e10, 2.04),
        (65, 8, 1e9, 6.49),
        (65, 8, 5e9, 18.0),
        (65, 8, 1e10, 28.4),
        (7, 8, 1e9, 0.098),
        (5, 8, 5e9, 0.145),
    ],
)
def test_the_rate_aware_model(node_nm, enob, rate_hz, published_pj):
    # Validation case O5: computed from the published coefficients, stated to 1 %.
    energy_j = andrulis_energy_j(float(enob), rate_hz, node_nm * 1e-9)
    np.testing.assert_allclose(energy_j * 1e12, published_pj, rtol=1e-2)


def test_a_whole_sine_has_the_noise_of_quantisation():
    # Full-scale sine A^2/2 over lsb^2/12, lsb = 2 A / 2^b.
    for bits in (1, 6, 12):
        exact_db = 10 * math.log10(0.5 / ((2 / 2**bits) ** 2 / 12))
        assert abs(sndr_db(bits) - exact_db) < 1e-3


def test_the_larger_of_both_models_is_charged():
    # An extrapolated 5 nm node is never cheaper than anything measured; at 28 nm the rate-aware model is dearer.
    assert float(conversion_energy_j(8.0, 1e9, 5e-9)) == pytest.approx(murmann_energy_j(8.0), rel=1e-6)
    assert float(conversion_energy_j(8.0, 1e9, 28e-9)) == pytest.approx(
        float(andrulis_energy_j(8.0, 1e9, 28e-9)), rel=1e-6
    )


@pytest.mark.parametrize("rate_hz", [1e6, 5e8, 1e10])
@pytest.mark.parametrize("node_nm", [5, 16, 65])
def test_neither_bits_nor_rate_come_free(rate_hz, node_nm):
    enob = jnp.linspace(1.0, 12.0, 221)
    by_bits = np.asarray(conversion_energy_j(enob, rate_hz, node_nm * 1e-9), np.float64)
    # float32 rounding of exp(30) and 10^x leaves about 1e-5.
    assert np.all(np.diff(by_bits) > -1e-5 * by_bits[:-1])
    assert by_bits[-1] > 3 * by_bits[100]
    assert float(conversion_energy_j(9.0, 2 * rate_hz, node_nm * 1e-9)) >= float(
        conversion_energy_j(9.0, rate_hz, node_nm * 1e-9)
    ) * (1 - 1e-5)


def test_the_gradient_is_that_of_the_value():
    gradient = float(jax.grad(lambda enob: conversion_energy_j(enob, 5e8, 16e-9) * 1e12)(8.5))
    step = 0.05
    values = [float(conversion_energy_j(8.5 + side * step, 5e8, 16e-9)) * 1e12 for side in (-1, 1)]
    # Second-order difference of exp(a x): relative error (a step)^2 / 6 with a = 1.06 below 5e-4, and rounding.
    assert gradient == pytest.approx((values[1] - values[0]) / (2 * step), rel=2e-3)
