"""What a file of the dynamic-operand family states. No JAX."""

from collections.abc import Mapping
from typing import Any

from photonics.adc_front import check_front
from photonics.families_schema import Family, shared
from photonics.schema import Decibel, Value, bool_row, float_row, int_row

_PARTS = ("modulator", "router", "splitter", "phase_shifter", "coupler")
_AREAS = (
    "laser",
    "comb",
    "modulator",
    "router",
    "unit",
    "splitter",
    "dac",
    "adc",
    "amplifier",
    "adder",
    "global_buffer",
    "local_buffer",
    "operand_buffer",
)


def check(values: Mapping[str, Value]) -> None:
    """Raise ValueError where the converters lie beyond the front of what has been built."""
    number: Mapping[str, Any] = values
    rate_hz = number["operating_point.symbol_rate_hz"] / number["core.accumulated_symbols"]
    check_front(number["adc.bits"], rate_hz)


FAMILY = Family(
    name="dynamic-operand",
    meaning="integrated tensor cores: both operands modulated in every symbol, coherent dot products",
    fan_in=("core.wavelengths", "core.cores_per_tile", "core.accumulated_symbols"),
    fan_out=("core.rows", "core.tiles"),
    rows=(
        *shared("operating_point"),
        int_row("core.rows", "[1, 4096]"),
        int_row("core.columns", "[1, 4096]"),
        int_row("core.wavelengths", "[1, 4096]"),
        int_row("core.cores_per_tile", "[1, 4096]"),
        int_row("core.tiles", "[1, 4096]"),
        int_row("core.accumulated_symbols", "[1, 4096]"),
        *shared("dac"),
        float_row("link.wavelength_m", "[1e-7, 1e-4]", "m"),
        float_row("link.wall_plug_efficiency", "(0, 1]"),
        float_row("link.power_max_w", "(0, inf)", "W"),
        *(float_row(f"link.{part}_transmission", "(0, 1]") for part in _PARTS),
        float_row("link.sensitivity_w", "(0, inf)", "W"),
        float_row("operand_noise.magnitude_deviation", "[0, 1)"),
        float_row("operand_noise.phase_deviation_rad", "[0, 1.5]", "rad"),
        float_row("operand_noise.output_deviation", "[0, 1)"),
        bool_row("dispersion.present"),
        float_row("dispersion.channel_spacing_m", "[0, 1e-8]", "m"),
        float_row("dispersion.length_m", "(0, inf)", "m"),
        float_row("dispersion.length_slope", "[-100, 100]"),
        float_row("dispersion.decay_m", "(0, inf)", "m"),
        float_row("dispersion.decay_slope", "[-100, 100]"),
        float_row("dispersion.gap_m", "(0, inf)", "m"),
        float_row("detection.quantum_efficiency", "(0, 1]"),
        float_row("detection.dark_current_a", "[0, inf)", "A"),
        bool_row("detection.shot_noise"),
        float_row("detection.diode_power_w", "[0, inf)", "W"),
        float_row("detection.amplifier_power_w", "(0, inf)", "W"),
        float_row("detection.reference_power_w", "(0, inf)", "W"),
        float_row("detection.noise_resistance_ohm", "(0, inf]", "ohm"),
        int_row("adc.bits", "[2, 12]"),
        float_row("adc.reference_energy_j", "[0, inf)", "J"),
        float_row("adc.reference_bits", "[1, 16]"),
        bool_row("adc.ideal"),
        *shared("ranging"),
        float_row("parts.modulator_energy_j", "[0, inf)", "J"),
        float_row("parts.router_power_w", "[0, inf)", "W"),
        float_row("parts.adder_energy_j", "[0, inf)", "J"),
        float_row("parts.global_buffer_power_w", "[0, inf)", "W"),
        float_row("parts.local_buffer_power_w", "[0, inf)", "W"),
        float_row("parts.operand_buffer_power_w", "[0, inf)", "W"),
        *(float_row(f"area.{part}_m2", "[0, inf)", "m^2") for part in _AREAS),
        *shared("digital", "memory", "system"),
    ),
    stages={
        "operating_point": "photonics.stage:OperatingPoint",
        "core": "photonics.dynamic_operand.tensor_core:TensorCore",
        "dac": "photonics.dac:Dac",
        "link": "photonics.dynamic_operand.laser_link:LaserLink",
        "operand_noise": "photonics.dynamic_operand.operand_noise:OperandNoise",
        "dispersion": "photonics.dynamic_operand.dispersion:CouplerDispersion",
        "detection": "photonics.dynamic_operand.detection:Detection",
        "adc": "photonics.dynamic_operand.sar_adc:SarAdc",
        "ranging": "photonics.ranging:Ranging",
        "parts": "photonics.dynamic_operand.core_power:CorePower",
        "area": "photonics.dynamic_operand.core_area:CoreArea",
        "digital": "photonics.digital:DigitalBackEnd",
        "memory": "photonics.memory:Memory",
        "system": "photonics.system:System",
    },
    engine="photonics.dynamic_operand.engine:DynamicOperandEngine",
    decibels={f"link.{part}_loss_db": Decibel(f"link.{part}_transmission", -1, "dB") for part in _PARTS},
    check=check,
)
