"""Dispersive couplers: the split at each wavelength, and interference against the coupler's scattering matrix."""

import math

import numpy as np
import pytest

from photonics.dynamic_operand.dispersion import CouplerDispersion
from photonics.dynamic_operand.operand_noise import Fields


def _couplers(**changes) -> CouplerDispersion:
    values = {
        "present": True,
        "channel_spacing_m": 4e-10,
        "length_m": 3.53e-6,
        "length_slope": -5.44,
        "decay_m": 1.5e-7,
        "decay_slope": 0.185,
        "gap_m": 1e-7,
    }
    return CouplerDispersion(**{**values, **changes})


def _share(away_um: float) -> float:
    """Share of light that crosses, in double precision and micrometres."""

    def length_um(d: float) -> float:
        return (-5.44 * d + 3.53) * math.exp(0.1 / (0.185 * d + 0.15))

    return math.sin(math.pi / 4 * length_um(0.0) / length_um(away_um)) ** 2


def test_wavelengths_stand_about_the_middle():
    np.testing.assert_array_equal(_couplers().distances(4), [-2, -1, 1, 2])
    np.testing.assert_array_equal(_couplers().distances(5), [-2, -1, 0, 1, 2])
    np.testing.assert_array_equal(_couplers().distances(1), [0])


@pytest.mark.parametrize("wavelengths", [12, 5])
def test_the_imbalance_is_that_of_the_coupling_length(wavelengths):
    couplers = _couplers()
    away_um = couplers.distances(wavelengths) * 4e-4
    expected = [2 * _share(d) - 1 for d in away_um]
    # float32 exponents near 0.67 differ by some 1e-7; the imbalance is up to 9e-3.
    np.testing.assert_allclose(couplers.imbalance(wavelengths, wavelengths), expected, atol=3e-7)
    assert max(np.abs(expected)) > 1e-3


def test_the_second_core_of_a_tile_has_the_same_wavelengths():
    one = np.asarray(_couplers().imbalance(24, 12))
    np.testing.assert_array_equal(one[:12], one[12:])
    np.testing.assert_array_equal(_couplers().imbalance(15, 12), one[:15])


def test_couplers_without_dispersion_split_evenly():
    assert not np.asarray(_couplers(present=False).imbalance(24, 12)).any()
    assert not np.asarray(_couplers(channel_spacing_m=0.0).imbalance(24, 12)).any()


def test_interference_is_that_of_the_scattering_matrix():
    random, m, rows, n = np.random.default_rng(3), 4, 6, 3
    x, w, phase = random.normal(size=(m, rows)), random.normal(size=(m, rows, n)), random.normal(size=(m, rows))
    imbalance = random.uniform(-0.8, 0.8, size=rows)
    plus, minus = _couplers().interfere(Fields(x, w, phase), imbalance)
    t, k = np.sqrt((1 - imbalance) / 2), np.sqrt((1 + imbalance) / 2)
    for token in range(m):
        for output in range(n):
            # The phase shifter puts w a quarter of a wave ahead of x.
            one, other = x[token] + 0j, 1j * w[token, :, output] * np.exp(1j * phase[token])
            first, second = t * one + 1j * k * other, 1j * k * one + t * other
            assert minus[token, output] == pytest.approx(np.sum(np.abs(first) ** 2))
            assert plus[token, output] == pytest.approx(np.sum(np.abs(second) ** 2))
