"""Energy of a conversion against published values, and its dependence on bits and rate."""

import math
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.adc_energy import (
    EnergyModel,
    andrulis_energy_j,
    conversion_energy_j,
    murmann_energy_j,
    schreier_energy_j,
    sndr_db,
    walden_energy_j,
)

_MODELS = get_args(EnergyModel)
_FOM_J = 5.26e-15


@pytest.mark.parametrize(("enob", "published_pj"), [(5, 0.267), (6, 0.2677), (8, 0.2767), (10, 0.4188), (12, 2.69)])
def test_the_envelope_of_the_survey(enob, published_pj):
    # Validation case O4: computed from the survey's table, stated to 1 %.
    np.testing.assert_allclose(murmann_energy_j(float(enob)) * 1e12, published_pj, rtol=1e-2)


@pytest.mark.parametrize(
    ("node_nm", "enob", "rate_hz", "published_pj"),
    [
        (28, 6, 1e8, 0.83),
        (28, 8, 1e8, 1.33),
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
        (7, 8, 5e9, 0.272),
        (5, 8, 1e9, 0.052),
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
    assert float(conversion_energy_j("largest", 8.0, 1e9, 5e-9, _FOM_J)) == pytest.approx(
        murmann_energy_j(8.0), rel=1e-6
    )
    assert float(conversion_energy_j("largest", 8.0, 1e9, 28e-9, _FOM_J)) == pytest.approx(
        float(andrulis_energy_j(8.0, 1e9, 28e-9)), rel=1e-6
    )


def test_names_choose_their_models():
    enob, rate_hz, node_m = 9.0, 5e8, 16e-9
    by_name = {
        "murmann": murmann_energy_j(enob),
        "schreier": schreier_energy_j(enob, rate_hz),
        "andrulis": andrulis_energy_j(enob, rate_hz, node_m),
        "walden": walden_energy_j(enob, _FOM_J),
    }
    by_name["largest"] = max(by_name["murmann"], by_name["andrulis"])
    assert set(by_name) == set(_MODELS)
    for model in _MODELS:
        assert float(conversion_energy_j(model, enob, rate_hz, node_m, _FOM_J)) == pytest.approx(
            float(by_name[model]), rel=1e-6
        )
    assert len({round(float(energy_j) * 1e15) for energy_j in by_name.values()}) == 4


def test_the_envelope_that_knows_the_rate():
    # Far below the corner: 0.5 10^((1.7609 - 186.72) / 10) J = 0.1596 aJ for each 4^ENOB; sqrt(2) more at it.
    floor_j = 0.267e-12
    slow, corner, tenfold = (float(schreier_energy_j(10.0, rate_hz)) - floor_j for rate_hz in (1.0, 46.73e6, 467.3e6))
    assert slow == pytest.approx(0.1596e-18 * 4**10, rel=1e-3)
    assert corner / slow == pytest.approx(math.sqrt(2), rel=1e-4)
    assert tenfold / slow == pytest.approx(math.sqrt(101), rel=1e-4)
    # Two envelopes of one survey: at low rates they agree within their choice of parts (three best, five best).
    assert slow / (murmann_energy_j(10.0) - floor_j) == pytest.approx(1.0, abs=0.12)


def test_the_figure_of_merit_of_a_part_gives_its_energy():
    # 16 nm, 0.5 GS/s, 62.3 dB, 5.6 pJ in the survey: the part that the catalogue's figure of merit comes from.
    assert walden_energy_j((62.3 - 1.76) / 6.02, _FOM_J) == pytest.approx(5.6e-12, rel=2e-3)


@pytest.mark.parametrize("model", _MODELS)
@pytest.mark.parametrize("rate_hz", [1e6, 5e8, 1e10])
@pytest.mark.parametrize("node_nm", [5, 16, 65])
def test_neither_bits_nor_rate_come_free(model, rate_hz, node_nm):
    enob, node_m = jnp.linspace(1.0, 12.0, 221), node_nm * 1e-9
    by_bits = np.asarray(conversion_energy_j(model, enob, rate_hz, node_m, _FOM_J), np.float64)
    # float32 rounding of exp(30) and 10^x leaves about 1e-5.
    assert np.all(np.diff(by_bits) > -1e-5 * by_bits[:-1])
    assert by_bits[-1] > 3 * by_bits[100]
    once, twice = (float(conversion_energy_j(model, 9.0, n * rate_hz, node_m, _FOM_J)) for n in (1, 2))
    assert twice >= once * (1 - 1e-5)


@pytest.mark.parametrize("model", _MODELS)
def test_the_gradient_is_that_of_the_value(model):
    def energy_pj(enob, rate_hz=5e8, technology_m=16e-9, fom_j=_FOM_J):
        return conversion_energy_j(model, enob, rate_hz, technology_m, fom_j) * 1e12

    gradients = jax.grad(energy_pj, argnums=(0, 1, 2, 3))(8.5, 5e8, 16e-9, _FOM_J)
    assert all(np.isfinite(gradient) for gradient in gradients)
    step = 0.05
    values = [float(energy_pj(8.5 + side * step)) for side in (-1, 1)]
    # Second-order difference of exp(a x): relative error (a step)^2 / 6, a = 1.39 at most, below 1e-3, and rounding.
    assert gradients[0] == pytest.approx((values[1] - values[0]) / (2 * step), rel=2e-3)
