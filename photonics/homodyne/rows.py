"""What a file of the homodyne family states. No JAX."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from photonics.effective_bits import check_effective_bits
from photonics.families_schema import Family, shared
from photonics.schema import Decibel, Row, Value, bool_row, float_row, int_row


def _named(group: str, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The same rows for a second stage of that kind."""
    return tuple(dataclasses.replace(row, path=f"{group}.{row.path.partition('.')[2]}") for row in rows)


def check(values: Mapping[str, Value]) -> None:
    """Raise ValueError where values that are right one by one do not fit together.

    The ADC keeps at least one effective bit and lies inside the front of what has been built, at the rate that the
    units which share it and the length of an integration give it; converters are shared by units that there are.
    """
    number: Mapping[str, Any] = values
    units, shared_by = number["array.rows"] * number["array.columns"], number["array.units_per_adc"]
    if shared_by > units:
        raise ValueError(
            f"array.units_per_adc is {shared_by}; it should be at most array.rows times array.columns = {units}"
        )
    check_effective_bits(number, number["operating_point.symbol_rate_hz"] / number["array.integration"] * shared_by)


FAMILY = Family(
    name="homodyne",
    meaning="coherent: two streams of fields multiplied on balanced photodiodes, summed over time on capacitors",
    fan_in=("array.integration",),
    fan_out=("array.columns",),
    rows=(
        *shared("operating_point"),
        int_row("encoding.repetitions", "[1, 65536]"),
        bool_row("encoding.rotate"),
        *shared("dac"),
        *_named("weight_dac", shared("dac")),
        float_row("laser.wavelength_m", "[1e-7, 1e-4]", "m"),
        float_row("laser.slope_efficiency", "(0, 1]"),
        float_row("laser.threshold_current_a", "[0, inf)", "A"),
        float_row("laser.voltage_v", "[0, inf)", "V"),
        bool_row("laser.fluctuates"),
        float_row("laser.rin_per_hz", "[0, 1]", "1/Hz"),
        float_row("laser.power_max_w", "(0, inf)", "W"),
        bool_row("modulator.leaks"),
        float_row("modulator.extinction_ratio", "(1, inf]"),
        float_row("modulator.transmission", "(0, 1]"),
        float_row("modulator.symbol_energy_j", "[0, inf)", "J"),
        float_row("modulator.bias_power_w", "[0, inf)", "W"),
        bool_row("modulator.settling"),
        float_row("modulator.bandwidth_hz", "(0, inf)", "Hz"),
        int_row("array.rows", "[1, 65536]"),
        int_row("array.columns", "[1, 65536]"),
        int_row("array.integration", "[1, 1048576]"),
        float_row("array.weight_share", "(0, 1)"),
        float_row("array.transmission", "(0, 1]"),
        int_row("array.units_per_adc", "[1, 65536]"),
        float_row("array.unit_area_m2", "[0, inf)", "m^2"),
        bool_row("phase.fixed_pattern"),
        float_row("phase.residual_rad", "[0, inf)", "rad"),
        float_row("phase.drift_rad_per_root_s", "[0, inf)", "rad/sqrt(s)"),
        bool_row("phase.jitters"),
        float_row("phase.jitter_rad", "[0, inf)", "rad"),
        float_row("phase.unit_power_w", "[0, inf)", "W"),
        float_row("pair.quantum_efficiency", "(0, 1]"),
        float_row("pair.dark_current_a", "[0, inf)", "A"),
        float_row("pair.bias_v", "[0, inf)", "V"),
        float_row("pair.capacitance_f", "[0, inf)", "F"),
        bool_row("pair.fixed_pattern"),
        float_row("pair.gain_residual", "[0, 1)"),
        float_row("pair.imbalance_residual", "[0, 1)"),
        bool_row("pair.shot_noise"),
        float_row("integrator.capacitance_f", "(0, inf)", "F"),
        bool_row("integrator.noise"),
        float_row("integrator.reset_v", "[0, inf)", "V"),
        float_row("integrator.channel_noise_factor", "[0, inf)"),
        float_row("integrator.load_capacitance_f", "(0, inf)", "F"),
        float_row("integrator.supply_v", "(0, inf)", "V"),
        float_row("integrator.amplifier_power_w", "[0, inf)", "W"),
        bool_row("integrator.saturates"),
        float_row("integrator.output_swing_v", "(0, inf)", "V"),
        *shared("adc", "ranging", "digital", "memory", "system"),
    ),
    stages={
        "operating_point": "photonics.stage:OperatingPoint",
        "encoding": "photonics.homodyne.encoding:HomodyneEncoding",
        "dac": "photonics.dac:Dac",
        "weight_dac": "photonics.dac:Dac",
        "laser": "photonics.homodyne.laser:CoherentLaser",
        "modulator": "photonics.homodyne.fields:FieldModulator",
        "array": "photonics.homodyne.array:HomodyneArray",
        "phase": "photonics.homodyne.phase:PhaseErrors",
        "pair": "photonics.homodyne.quantum_limit:BalancedPair",
        "integrator": "photonics.homodyne.integrator:Integrator",
        "adc": "photonics.adc:Adc",
        "ranging": "photonics.ranging:Ranging",
        "digital": "photonics.digital:DigitalBackEnd",
        "memory": "photonics.memory:Memory",
        "system": "photonics.system:System",
    },
    engine="photonics.homodyne.engine:HomodyneEngine",
    decibels={
        "laser.rin_db_per_hz": Decibel("laser.rin_per_hz", 1, "dB/Hz"),
        "modulator.extinction_ratio_db": Decibel("modulator.extinction_ratio", 1, "dB"),
        "modulator.insertion_loss_db": Decibel("modulator.transmission", -1, "dB"),
        "array.insertion_loss_db": Decibel("array.transmission", -1, "dB"),
    },
    check=check,
)
