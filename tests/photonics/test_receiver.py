"""The receivers: noise of a published part, k T C, and what both cost."""

import jax
import numpy as np
import pytest

from photonics.receiver import INTEGRATE_AND_DUMP, IntegratingReceiver
from photonics.stage import OperatingPoint

_Q, _K = 1.602176634e-19, 1.380649e-23


def _at(symbol_rate_hz: float = 1e9, temperature_k: float = 300.0) -> OperatingPoint:
    return OperatingPoint(laser_power_w=1e-3, symbol_rate_hz=symbol_rate_hz, temperature_k=temperature_k)


def test_the_published_receiver_is_reproduced(catalogue):
    # Atef and Zimmermann 2013: 7.2 pA/rtHz and 4.1 mW at 1.5 GHz of band; the catalogue was chosen to meet both.
    at = _at(symbol_rate_hz=3e9)
    density = catalogue.receiver.noise_current_density_a2_per_hz(at)
    assert np.sqrt(density) == pytest.approx(7.2e-12, rel=1e-2)
    assert catalogue.receiver.power_w(at) == pytest.approx(4.1e-3, rel=1e-2)


def test_transimpedance_noise_by_hand(catalogue):
    receiver, f, temperature = catalogue.receiver, 1e9, 350.0
    band = f / 2
    resistor = 4 * _K * temperature * 5.2 / 2e3
    channel = (2 * np.pi * 6e-13 * band) ** 2 / 3 * 4 * _K * temperature * 1.0 / 2e-2
    # Charge variance of a white current over a window of length 1/f: i_n^2 (one-sided) / (2 f).
    electrons2 = (resistor + channel) / (2 * f) / _Q**2
    assert receiver.readout_variance(_at(f, temperature)) == pytest.approx(electrons2, rel=1e-9)
    traced = jax.jit(lambda r, at: r.readout_variance(at))(receiver, _at(f, temperature))
    np.testing.assert_allclose(traced, electrons2, rtol=1e-5)


def test_transimpedance_current_by_hand(catalogue):
    gain_bandwidth = 2 * np.pi * 2e3 * 6e-13 * (0.5e9) ** 2
    current = (2e-2 + 2 * np.pi * 5e-14 * gain_bandwidth) * 0.2 / 2
    assert catalogue.receiver.power_w(_at()) == pytest.approx(1.0 * 1.62 * current)


def test_integrator_has_ktc_noise_at_any_rate():
    receiver = IntegratingReceiver(capacitance_f=1e-14, reset_v=0.5, amplifier_power_w=3e-4)
    expected = _K * 300.0 * 1e-14 / _Q**2
    assert expected == pytest.approx(1613.6, rel=1e-3)
    for rate in (1e8, 1e10):
        assert receiver.readout_variance(_at(rate)) == pytest.approx(expected)
        assert receiver.power_w(_at(rate)) == pytest.approx(3e-4 + 1e-14 * 0.25 * rate)
    np.testing.assert_allclose(jax.jit(lambda r, at: r.readout_variance(at))(receiver, _at()), expected, rtol=1e-5)


def test_both_integrate_over_the_symbol(catalogue):
    integrating = IntegratingReceiver(capacitance_f=0.0, reset_v=1.0, amplifier_power_w=0.0)
    for receiver in (catalogue.receiver, integrating):
        assert receiver.noise_bandwidth_hz(_at(2e9)) == INTEGRATE_AND_DUMP * 2e9


def test_quieter_amplifiers_take_more_current(catalogue):
    def at_double(field):
        value = getattr(catalogue.receiver, field)
        receiver = catalogue.replace(**{f"receiver.{field}": 2 * value}).receiver
        return receiver.readout_variance(_at()), receiver.power_w(_at())

    noise, power = catalogue.receiver.readout_variance(_at()), catalogue.receiver.power_w(_at())
    for field in ("feedback_resistance_ohm", "transconductance_siemens"):
        quieter, dearer = at_double(field)
        assert quieter < noise and dearer > power
