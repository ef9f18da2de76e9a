"""The receivers: noise of a published part, k T C, filters, limits, and what all of it costs."""

import math

import jax
import numpy as np
import pytest

from photonics.receiver import INTEGRATE_AND_DUMP, IntegratingReceiver
from photonics.stage import OperatingPoint

_Q, _K = 1.602176634e-19, 1.380649e-23
# With the 0.44 pF of the catalogue receiver these make the 0.6 pF of its publication.
_DIODES_F = 1.6e-13


def _at(symbol_rate_hz: float = 1e9, temperature_k: float = 300.0) -> OperatingPoint:
    return OperatingPoint(laser_power_w=1e-3, symbol_rate_hz=symbol_rate_hz, temperature_k=temperature_k, age_s=0.0)


def test_the_published_receiver_is_reproduced(catalogue):
    # Atef and Zimmermann 2013: 7.2 pA/rtHz and 4.1 mW at 1.5 GHz of band; the catalogue was chosen to meet both.
    at = _at(symbol_rate_hz=3e9)
    density = catalogue.receiver.noise_current_density_a2_per_hz(at, _DIODES_F)
    assert np.sqrt(density) == pytest.approx(7.2e-12, rel=1e-2)
    assert catalogue.receiver.power_w(at, _DIODES_F) == pytest.approx(4.1e-3, rel=1e-2)


def test_transimpedance_noise_by_hand(catalogue):
    receiver, f, temperature = catalogue.receiver, 1e9, 350.0
    band = f / 2
    resistor = 4 * _K * temperature * 5.2 / 2e3
    channel = (2 * np.pi * 6e-13 * band) ** 2 / 3 * 4 * _K * temperature * 1.0 / 2e-2
    # Charge variance of a white current over a window of length 1/f: i_n^2 (one-sided) / (2 f).
    electrons2 = (resistor + channel) / (2 * f) / _Q**2
    assert receiver.readout_variance(_at(f, temperature), _DIODES_F) == pytest.approx(electrons2, rel=1e-9)
    traced = jax.jit(lambda r, at: r.readout_variance(at, _DIODES_F))(receiver, _at(f, temperature))
    np.testing.assert_allclose(traced, electrons2, rtol=1e-5)


def test_transimpedance_current_by_hand(catalogue):
    gain_bandwidth = 2 * np.pi * 2e3 * 6e-13 * (0.5e9) ** 2
    current = (2e-2 + 2 * np.pi * 5e-14 * gain_bandwidth) * 0.2 / 2
    assert catalogue.receiver.power_w(_at(), _DIODES_F) == pytest.approx(1.0 * 1.62 * current)


def test_integrator_has_ktc_noise_at_any_rate():
    receiver = IntegratingReceiver(capacitance_f=1e-14, reset_v=0.5, amplifier_power_w=3e-4, output_swing_v=1.0)
    for diodes_f in (0.0, 3e-14):
        expected = _K * 300.0 * (1e-14 + diodes_f) / _Q**2
        assert expected == pytest.approx(1613.6 * (1e-14 + diodes_f) / 1e-14, rel=1e-3)
        for rate in (1e8, 1e10):
            assert receiver.readout_variance(_at(rate), diodes_f) == pytest.approx(expected)
            assert receiver.power_w(_at(rate), diodes_f) == pytest.approx(3e-4 + (1e-14 + diodes_f) * 0.25 * rate)
        traced = jax.jit(lambda r, at, f: r.readout_variance(at, f))(receiver, _at(), diodes_f)
        np.testing.assert_allclose(traced, expected, rtol=1e-5)


def test_both_integrate_over_the_symbol(catalogue):
    integrating = IntegratingReceiver(capacitance_f=0.0, reset_v=1.0, amplifier_power_w=0.0, output_swing_v=1.0)
    for receiver in (catalogue.receiver, integrating):
        assert receiver.noise_bandwidth_hz(_at(2e9)) == INTEGRATE_AND_DUMP * 2e9
        assert not receiver.settles and receiver.leak(_at(2e9)) == 0.0


def test_a_one_pole_filter_has_the_band_and_the_memory_of_its_pole(catalogue):
    # b = f / 2: B = pi/2 b = 0.785 f, and exp(-pi) = 4.3 % of the symbol before is left.
    changes = {"receiver.filter": "one-pole", "receiver.bandwidth_hz": 5e8}
    receiver = catalogue.replace(**changes).receiver
    assert receiver.settles
    assert receiver.noise_bandwidth_hz(_at()) == pytest.approx(math.pi / 4 * 1e9)
    assert float(receiver.leak(_at())) == pytest.approx(math.exp(-math.pi), rel=1e-6)
    # By hand: i_n^2 over this band, B / f of it per symbol.
    band = math.pi / 4 * 1e9
    density = 4 * _K * 300.0 * (5.2 / 2e3 + (2 * math.pi * 6e-13 * band) ** 2 / 3 / 2e-2)
    assert receiver.readout_variance(_at(), _DIODES_F) == pytest.approx(density * band / 1e9 / 1e9 / _Q**2, rel=1e-9)
    # The same band as integrate-and-dump is the same noise.
    same = catalogue.replace(**{**changes, "receiver.bandwidth_hz": 1e9 / math.pi}).receiver
    for of in ("readout_variance", "power_w"):
        expected = getattr(catalogue.receiver, of)(_at(), _DIODES_F)
        assert getattr(same, of)(_at(), _DIODES_F) == pytest.approx(expected, rel=1e-12)


def test_the_largest_signal_is_the_swing(catalogue):
    # 0.4 V over 2 kohm for 1 ns; 1 fF holds 6242 electrons at 1 V, at any rate.
    assert catalogue.receiver.limit_electrons(_at()) == pytest.approx(0.4 / 2e3 * 1e-9 / _Q)
    assert catalogue.receiver.limit_electrons(_at(2e9)) == pytest.approx(0.4 / 2e3 * 0.5e-9 / _Q)
    well = IntegratingReceiver(capacitance_f=1e-15, reset_v=1.0, amplifier_power_w=0.0, output_swing_v=1.0)
    assert well.limit_electrons(_at()) == well.limit_electrons(_at(1e7)) == pytest.approx(6241.5, rel=1e-4)


def test_quieter_amplifiers_take_more_current(catalogue):
    def at_double(field):
        value = getattr(catalogue.receiver, field)
        receiver = catalogue.replace(**{f"receiver.{field}": 2 * value}).receiver
        return receiver.readout_variance(_at(), _DIODES_F), receiver.power_w(_at(), _DIODES_F)

    noise, power = (getattr(catalogue.receiver, f)(_at(), _DIODES_F) for f in ("readout_variance", "power_w"))
    for field in ("feedback_resistance_ohm", "transconductance_siemens"):
        quieter, dearer = at_double(field)
        assert quieter < noise and dearer > power
