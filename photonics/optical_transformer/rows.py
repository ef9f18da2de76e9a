"""What a file of the family `optical-transformer` states. No JAX."""

from collections.abc import Mapping
from typing import Any

from photonics.effective_bits import check_effective_bits
from photonics.families_schema import Family, shared
from photonics.schema import Decibel, Value, bool_row, choice_row, float_row, int_row


def check(values: Mapping[str, Value]) -> None:
    """Raise ValueError where the ADC keeps less than one effective bit, or more than has been built at its rate."""
    number: Mapping[str, Any] = values
    check_effective_bits(number, number["operating_point.symbol_rate_hz"])


FAMILY = Family(
    name="optical-transformer",
    meaning="intensity on resident weights, signs on rails or in passes, as Optical Transformers account for it",
    fan_in=("panel.inputs",),
    fan_out=("panel.outputs",),
    rows=(
        *shared("operating_point"),
        choice_row("encoding.signs", "rails", "passes"),
        float_row("encoding.activation_percentile", "(0, 100]", "%"),
        float_row("encoding.weight_percentile", "(0, 100]", "%"),
        *shared("dac"),
        float_row("source.wavelength_m", "[1e-7, 1e-4]", "m"),
        float_row("source.wall_plug_efficiency", "(0, 1]"),
        float_row("source.power_max_w", "(0, inf)", "W"),
        float_row("source.modulation_energy_j", "[0, inf)", "J"),
        int_row("panel.inputs", "[1, 65536]"),
        int_row("panel.outputs", "[1, 65536]"),
        float_row("panel.transmission", "(0, 1]"),
        float_row("panel.hold_power_w", "[0, inf)", "W"),
        float_row("panel.write_energy_j", "[0, inf)", "J"),
        float_row("panel.reload_time_s", "[0, inf)", "s"),
        int_row("quantiser.levels", "[4, 65536]"),
        float_row("quantiser.floor", "[0, 1)"),
        choice_row("quantiser.rounding", "nearest", "random"),
        bool_row("quantiser.ideal"),
        float_row("receiver.quantum_efficiency", "(0, 1]"),
        bool_row("receiver.shot_noise"),
        float_row("receiver.capacitance_f", "[0, inf)", "F"),
        float_row("receiver.sample_energy_j", "[0, inf)", "J"),
        *shared("adc", "ranging", "digital", "memory", "system"),
    ),
    stages={
        "operating_point": "photonics.stage:OperatingPoint",
        "encoding": "photonics.optical_transformer.signs:Signs",
        "dac": "photonics.dac:Dac",
        "source": "photonics.optical_transformer.source:Source",
        "panel": "photonics.optical_transformer.panel:Panel",
        "quantiser": "photonics.optical_transformer.quantiser:Quantiser",
        "receiver": "photonics.optical_transformer.receiver:Receiver",
        "adc": "photonics.adc:Adc",
        "ranging": "photonics.ranging:Ranging",
        "digital": "photonics.digital:DigitalBackEnd",
        "memory": "photonics.memory:Memory",
        "system": "photonics.system:System",
    },
    engine="photonics.optical_transformer.engine:OpticalTransformerEngine",
    decibels={"panel.insertion_loss_db": Decibel("panel.transmission", -1, "dB")},
    check=check,
)
