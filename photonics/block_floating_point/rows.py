"""What a file of the block-floating-point family states."""

from collections.abc import Mapping
from typing import Any

from photonics.effective_bits import check_effective_bits
from photonics.families_schema import Family, shared
from photonics.schema import Value, bool_row, choice_row, float_row, int_row


def check(values: Mapping[str, Value]) -> None:
    """Raise ValueError where values that are right one by one do not fit together."""
    number: Mapping[str, Any] = values
    check_effective_bits(number, number["operating_point.symbol_rate_hz"])
    if values["receiver.filter"] != "integrate":
        raise ValueError("receiver.filter is one-pole; receivers of this family integrate, so it should be integrate")


FAMILY = Family(
    name="block-floating-point",
    meaning="integrated tensor core with a scale per tile and vector, a gain, and one signed pass",
    fan_in=("core.inputs",),
    fan_out=("core.outputs",),
    rows=(
        *shared("operating_point", "dac"),
        int_row("core.inputs", "[1, 65536]"),
        int_row("core.outputs", "[1, 65536]"),
        float_row("core.transmission", "(0, 1]"),
        float_row("core.wall_plug_efficiency", "(0, 1]"),
        float_row("core.power_max_w", "(0, inf)", "W"),
        int_row("weights.bits", "[2, 12]"),
        float_row("weights.transfer_rate_hz", "(0, inf)", "Hz"),
        float_row("weights.settling_time_s", "[0, inf)", "s"),
        float_row("weights.write_energy_j", "[0, inf)", "J"),
        float_row("weights.reference_bits", "[1, 16]"),
        bool_row("weights.ideal"),
        float_row("photodetector.wavelength_m", "[1e-7, 1e-4]", "m"),
        float_row("photodetector.quantum_efficiency", "(0, 1]"),
        float_row("photodetector.dark_current_a", "[0, inf)", "A"),
        float_row("photodetector.bias_v", "[0, inf)", "V"),
        float_row("photodetector.capacitance_f", "[0, inf)", "F"),
        bool_row("photodetector.shot_noise"),
        *shared("receiver.transimpedance"),
        float_row("channels.gain", "(0, inf)"),
        choice_row("channels.noise", "normal", "logistic", "uniform"),
        bool_row("channels.fixed_pattern"),
        float_row("channels.gain_mean", "(0, inf)"),
        float_row("channels.gain_spread", "[0, 1)"),
        float_row("channels.offset_mean_lsb", "[-1e6, 1e6]"),
        float_row("channels.offset_lsb", "[0, inf)"),
        bool_row("channels.affine_correction"),
        *shared("adc", "digital", "memory", "system"),
    ),
    stages={
        "operating_point": "photonics.stage:OperatingPoint",
        "dac": "photonics.dac:Dac",
        "core": "photonics.block_floating_point.chip:TensorCore",
        "weights": "photonics.block_floating_point.chip:WeightBank",
        "photodetector": "photonics.waveguide_photodetector:WaveguidePhotodetector",
        "receiver": "photonics.receiver:TransimpedanceReceiver",
        "channels": "photonics.block_floating_point.channels:Channels",
        "adc": "photonics.adc:Adc",
        "digital": "photonics.digital:DigitalBackEnd",
        "memory": "photonics.memory:Memory",
        "system": "photonics.system:System",
    },
    engine="photonics.block_floating_point.engine:BlockFloatingPointEngine",
    check=check,
)
