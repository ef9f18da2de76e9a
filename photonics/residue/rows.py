"""What a file of the residue family states, and which moduli, operands and fan-in fit together. No JAX."""

from collections.abc import Mapping
from typing import Any

from photonics.effective_bits import check_effective_bits
from photonics.families_schema import Family, shared
from photonics.residue.moduli import coprime_moduli, guaranteed_range, largest_range, largest_sum, sums
from photonics.schema import Decibel, Value, bool_row, float_row, int_row

# Sums of products are computed in float32, recovered in int32: whole numbers up to these are exact.
_EXACT_IN_FLOAT32, _EXACT_IN_INT32 = 2**24, 2**31
# Light below this share of what enters is no signal, and its inverse leaves float32.
_LEAST_LIGHT = 1e-9


def check(values: Mapping[str, Value]) -> None:
    """Raise ValueError where moduli do not tell all products apart, or converters do not tell residues apart.

    The product of any `encoding.moduli` of the residues is at least 2 h (2^(b-1) - 1)^2 + 1, with h = core.inputs and
    b = dac.bits; sums and recoveries stay exact in 32 bits; the ADC has no fewer bits than a residue, at least one
    effective bit, and lies inside the front of what has been built;
    a cascade passes light at all.
    """
    number: Mapping[str, Any] = values
    bits, count, redundant = (number[f"encoding.{name}"] for name in ("residue_bits", "moduli", "redundant_moduli"))
    inputs, operand_bits = number["core.inputs"], number["dac.bits"]
    try:
        moduli = coprime_moduli(bits, count + redundant)
    except ValueError as error:
        raise ValueError(f"encoding.moduli + encoding.redundant_moduli is {count + redundant}: {error}") from None
    told_apart, needed = guaranteed_range(moduli, redundant), sums(inputs, operand_bits)
    shown = ", ".join(map(str, moduli))
    if told_apart < needed:
        raise ValueError(
            f"encoding.moduli is {count}: of the moduli {shown} ({bits} bits) the {count} smallest tell {told_apart} "
            f"numbers apart, but {inputs} products of {operand_bits}-bit codes have {needed} sums; it should be more "
            "moduli, more encoding.residue_bits, a smaller core.inputs or fewer dac.bits"
        )
    if largest_sum(inputs, operand_bits) > _EXACT_IN_FLOAT32:
        raise ValueError(
            f"dac.bits is {operand_bits}: {inputs} products reach {largest_sum(inputs, operand_bits)}, beyond the "
            "2^24 up to which they are exact here; it should be fewer, or core.inputs smaller"
        )
    if largest_range(moduli, redundant) >= _EXACT_IN_INT32:
        raise ValueError(
            f"encoding.moduli is {count}: the largest of {shown} multiply to {largest_range(moduli, redundant)}, "
            "beyond 2^31; it should be fewer, or encoding.residue_bits smaller"
        )
    passed = number["core.segment_transmission"] ** (inputs * bits)
    if passed < _LEAST_LIGHT:
        raise ValueError(
            f"core.segment_transmission is {number['core.segment_transmission']:g}: {inputs * bits} segments in series "
            f"pass {passed:.2g} of the light; it should be more, or core.inputs smaller"
        )
    if number["adc.bits"] < bits:
        raise ValueError(
            f"adc.bits is {number['adc.bits']}; it should be at least encoding.residue_bits = {bits}, "
            "or residues cannot be told apart"
        )
    check_effective_bits(number, number["operating_point.symbol_rate_hz"])


FAMILY = Family(
    name="residue",
    meaning="residue numbers: modular products as optical phase, one core for each modulus",
    fan_in=("core.inputs",),
    fan_out=("core.outputs",),
    rows=(
        *shared("operating_point"),
        int_row("encoding.residue_bits", "[3, 9]"),
        int_row("encoding.moduli", "[1, 8]"),
        int_row("encoding.redundant_moduli", "[0, 3]"),
        bool_row("encoding.erases"),
        *shared("dac"),
        float_row("source.wavelength_m", "[1e-7, 1e-4]", "m"),
        float_row("source.wall_plug_efficiency", "(0, 1]"),
        float_row("source.power_max_w", "(0, inf)", "W"),
        int_row("core.inputs", "[1, 4096]"),
        int_row("core.outputs", "[1, 4096]"),
        float_row("core.coupling_transmission", "(0, 1]"),
        float_row("core.segment_transmission", "[0.5, 1]"),
        float_row("core.segment_error_rad", "[0, 1]", "rad"),
        float_row("core.segment_energy_j", "[0, inf)", "J"),
        float_row("core.segment_hold_w", "[0, inf)", "W"),
        float_row("core.reload_time_s", "[0, inf)", "s"),
        float_row("readout.local_share", "(0, 1)"),
        float_row("readout.hybrid_transmission", "(0, 1]"),
        float_row("readout.quantum_efficiency", "(0, 1]"),
        float_row("readout.bias_v", "[0, inf)", "V"),
        bool_row("readout.shot_noise"),
        bool_row("readout.fixed_pattern"),
        float_row("readout.offset_residual_rad", "[0, 3]", "rad"),
        float_row("readout.drift_rad_per_root_s", "[0, inf)", "rad/sqrt(s)"),
        int_row("readout.conversions", "[1, 2]"),
        *shared("receiver.integrating", "adc", "digital", "memory", "system"),
    ),
    stages={
        "operating_point": "photonics.stage:OperatingPoint",
        "encoding": "photonics.residue.residues:ResidueEncoding",
        "dac": "photonics.dac:Dac",
        "source": "photonics.residue.core:Laser",
        "core": "photonics.residue.core:PhaseCore",
        "readout": "photonics.residue.core:PhaseReadout",
        "receiver": "photonics.receiver:IntegratingReceiver",
        "adc": "photonics.adc:Adc",
        "digital": "photonics.digital:DigitalBackEnd",
        "memory": "photonics.memory:Memory",
        "system": "photonics.system:System",
    },
    engine="photonics.residue.engine:ResidueEngine",
    decibels={
        "core.coupling_loss_db": Decibel("core.coupling_transmission", -1, "dB"),
        "core.segment_loss_db": Decibel("core.segment_transmission", -1, "dB"),
        "readout.hybrid_loss_db": Decibel("readout.hybrid_transmission", -1, "dB"),
    },
    check=check,
)
