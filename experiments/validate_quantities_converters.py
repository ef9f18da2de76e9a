"""Energies of converters, as quantities of `exalight validate`; see `validate_quantities`."""

from typing import Any


def adc_energy(engine: Any, *, rate_hz: float | None) -> float:
    """Energy of one conversion of the engine's ADC at a rate [J]."""
    rate_hz = float(engine.conversion_rate_hz()) if rate_hz is None else rate_hz
    return float(engine.adc.conversion_energy_j(rate_hz))


def adc_energy_per_mac(engine: Any) -> float:
    """E_ADC over the inputs that one conversion sums [J]: K E/MAC = E_ADC(ENOB)."""
    return adc_energy(engine, rate_hz=None) / engine.inputs


def dac_energy(engine: Any) -> float:
    """Energy of one conversion of the engine's DAC [J]; of the unipolar bits where the encoding has no sign."""
    encoding = getattr(engine, "encoding", None)
    bits = engine.dac.bits if encoding is None else encoding.drive_bits(engine.dac.bits)
    return float(engine.dac.conversion_energy_j(bits))
