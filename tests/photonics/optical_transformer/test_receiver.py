"""The receiver: electrons out of photons, noise of the capacitor."""

import pytest

from photonics.optical_transformer.receiver import Receiver
from photonics.stage import OperatingPoint

AT = OperatingPoint(laser_power_w=1e-3, symbol_rate_hz=1e10, temperature_k=300.0, age_s=0.0)


def receiver(capacitance_f: float) -> Receiver:
    return Receiver(quantum_efficiency=0.8, shot_noise=True, capacitance_f=capacitance_f, sample_energy_j=2.4e-12)


def test_electrons_per_joule():
    assert receiver(0.0).electrons_per_joule(1.6e-19) == pytest.approx(5e18)


def test_only_a_capacitance_adds_to_shot_noise():
    assert receiver(0.0).readout_variance(AT) == 0.0
    # 40 electrons at 10 fF and 300 K, as in the references.
    assert receiver(1e-14).readout_variance(AT) ** 0.5 == pytest.approx(40.2, rel=5e-3)
