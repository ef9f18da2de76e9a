"""What an engine file may say: one row per field of every stage, with its type, its range and its unit.

`ROWS` are those of the free-space engine; other families (`photonics.families`) share many of them.
"""

import dataclasses
import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Literal

Value = float | int | bool | str

# What an engine can be built from; the first part of every dotted path.
RECEIVER_KIND = "receiver.kind"

# A misspelled name is short; a damaged one may be of any length.
_COMPARED_CHARACTERS, _MESSAGE_CHARACTERS = 100, 5000


@dataclasses.dataclass(frozen=True)
class Row:
    """One field of an engine.

    Attributes:
        path: dotted path, stage and field.
        type: what the value is.
        interval: range of a number as in mathematics; "(" and ")" leave the end out. A closed end at infinity,
            as in "(1, inf]", is the only way in which infinity is a value.
        unit: SI unit, "1" for ratios and counts, "" for switches.
        choices: values of a choice.
    """

    path: str
    type: Literal["int", "float", "bool", "choice"]
    interval: str = ""
    unit: str = ""
    choices: tuple[str, ...] = ()

    def describe(self) -> str:
        """What a value has to be, as the end of the sentence "it should be ..."."""
        if self.type == "bool":
            return "true or false"
        if self.type == "choice":
            return "one of " + ", ".join(self.choices)
        noun = "a whole number" if self.type == "int" else "a number"
        return f"{noun} in {self.interval}" + ("" if self.unit == "1" else f" {self.unit}")

    def read(self, value: object) -> Value:
        """`value` in the type of the field; ValueError names the field, the value and what would be right."""
        if self.type == "bool" and isinstance(value, bool):
            return value
        if self.type == "choice" and value in self.choices:
            return str(value)
        if self.type in ("int", "float"):
            number = _number(value)
            if number is not None and _inside(self.interval, number):
                if self.type == "float":
                    return number
                if isinstance(value, int):
                    return value
        raise ValueError(f"{self.path} is {_shown(value)}; it should be {self.describe()}")

    def parse(self, text: str) -> Value:
        """The value that `text` from a command line stands for; ValueError as in `read`."""
        text = text.strip()
        if self.type == "bool":
            return self.read({"true": True, "false": False}.get(text.lower(), text))
        return self.read(text if self.type == "choice" else _number_or_text(text))


def nearest(name: str, known: Iterable[str]) -> str:
    """The most similar of the known names, "" where there are none. Similarity is that of `difflib`."""
    matches = difflib.get_close_matches(name[:_COMPARED_CHARACTERS], list(known), n=1, cutoff=0.0)
    return matches[0] if matches else ""


def shortened(message: str) -> str:
    """A message on one line, without the middle of one that is too long to read: a damaged file may hold any text."""
    message = " ".join(message.split())
    if len(message) <= _MESSAGE_CHARACTERS:
        return message
    half = _MESSAGE_CHARACTERS // 2
    return f"{message[:half]} ... {message[-half:]}"


def receiver_paths(kind: str) -> tuple[str, ...]:
    """Paths of the fields that a receiver of this kind has."""
    return tuple(row.path for row in RECEIVERS[kind])


def paths(receiver_kind: str | None) -> tuple[str, ...]:
    """Paths of all values that an engine with this receiver needs, in the order of the light; None for any."""
    own = receiver_paths(receiver_kind) if receiver_kind else ()
    return tuple(path for path, row in ROWS.items() if row not in _ALL_RECEIVERS or path in own)


def _inside(interval: str, value: float) -> bool:
    low, high = (float(end) for end in interval[1:-1].split(","))
    above = value > low if interval[0] == "(" else value >= low
    below = value < high if interval[-1] == ")" else value <= high
    return above and below and not math.isnan(value)


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _number_or_text(text: str) -> object:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def float_row(path: str, interval: str, unit: str = "1") -> Row:
    """A number in `interval`, in SI units."""
    # SI prefixes end there, and so do numbers whose products stay within floating point. Infinity counts where closed.
    bounded = interval.replace("(0,", "[1e-24,").replace("inf)", "1e+24]")
    return Row(path, "float", bounded, unit)


def int_row(path: str, interval: str) -> Row:
    """A whole number in `interval`."""
    return Row(path, "int", interval, "1")


def bool_row(path: str) -> Row:
    """A switch."""
    return Row(path, "bool")


def choice_row(path: str, *choices: str) -> Row:
    """One of some words."""
    return Row(path, "choice", choices=choices)


# Fields that only one kind of receiver has.
RECEIVERS: Mapping[str, tuple[Row, ...]] = {
    "transimpedance": (
        float_row("receiver.feedback_resistance_ohm", "(0, inf)", "ohm"),
        float_row("receiver.noise_factor", "[1, inf)"),
        float_row("receiver.input_capacitance_f", "(0, inf)", "F"),
        float_row("receiver.transconductance_siemens", "(0, inf)", "S"),
        float_row("receiver.channel_noise_factor", "[0, inf)"),
        float_row("receiver.overdrive_v", "(0, inf)", "V"),
        float_row("receiver.load_capacitance_f", "[0, inf)", "F"),
        float_row("receiver.supply_v", "(0, inf)", "V"),
        float_row("receiver.overhead", "[1, inf)"),
        float_row("receiver.output_swing_v", "(0, inf)", "V"),
        choice_row("receiver.filter", "integrate", "one-pole"),
        float_row("receiver.bandwidth_hz", "(0, inf)", "Hz"),
    ),
    "integrating": (
        float_row("receiver.capacitance_f", "[0, inf)", "F"),
        float_row("receiver.reset_v", "[0, inf)", "V"),
        float_row("receiver.amplifier_power_w", "[0, inf)", "W"),
        float_row("receiver.output_swing_v", "(0, inf)", "V"),
    ),
}
_ALL_RECEIVERS = tuple(row for rows in RECEIVERS.values() for row in rows)

ROWS: dict[str, Row] = {
    row.path: row
    for row in (
        float_row("operating_point.laser_power_w", "(0, inf)", "W"),
        float_row("operating_point.symbol_rate_hz", "(0, inf)", "Hz"),
        float_row("operating_point.temperature_k", "(0, inf)", "K"),
        float_row("operating_point.age_s", "[0, inf)", "s"),
        choice_row("encoding.activation_sign", "passes", "offset"),
        choice_row("encoding.weight_sign", "rails", "offset"),
        choice_row("encoding.conversion", "difference", "pass"),
        int_row("encoding.activation_slices", "[1, 11]"),
        int_row("encoding.weight_slices", "[1, 11]"),
        int_row("encoding.repetitions", "[1, 65536]"),
        bool_row("encoding.rotate"),
        choice_row("encoding.activation_scale", "token", "static"),
        float_row("encoding.activation_percentile", "(0, 100]", "%"),
        float_row("encoding.weight_percentile", "(0, 100]", "%"),
        int_row("dac.bits", "[2, 12]"),
        choice_row("dac.energy_model", "scaled", "fixed", "capacitive"),
        float_row("dac.reference_energy_j", "[0, inf)", "J"),
        float_row("dac.reference_bits", "[1, 16]"),
        float_row("dac.unit_capacitance_f", "(0, inf)", "F"),
        float_row("dac.swing_v", "(0, inf)", "V"),
        bool_row("dac.ideal"),
        int_row("source.count", "[1, 65536]"),
        float_row("source.wavelength_m", "[1e-7, 1e-4]", "m"),
        float_row("source.slope_efficiency", "(0, 1]"),
        float_row("source.threshold_current_a", "[0, inf)", "A"),
        float_row("source.voltage_v", "[0, inf)", "V"),
        choice_row("source.modulation", "external", "direct"),
        float_row("source.rin_per_hz", "[0, 1]", "1/Hz"),
        float_row("source.power_max_w", "(0, inf)", "W"),
        choice_row("source.noise", "independent", "common", "none"),
        bool_row("source.beats"),
        float_row("source.mode_overlap", "[0, 1]"),
        float_row("source.optical_span_hz", "(0, inf)", "Hz"),
        float_row("source.beam_quality", "[1, inf)"),
        float_row("source.gain_residual", "[0, 1)"),
        float_row("source.drift_per_root_s", "[0, inf)", "1/sqrt(s)"),
        float_row("modulator.extinction_ratio", "(1, inf]"),
        float_row("modulator.transmission", "(0, 1]"),
        float_row("modulator.symbol_energy_j", "[0, inf)", "J"),
        choice_row("modulator.response", "linear", "curved", "compensated"),
        float_row("modulator.curvature", "[-1, 1]"),
        float_row("modulator.skew", "[-1, 1]"),
        bool_row("modulator.settling"),
        float_row("modulator.bandwidth_hz", "(0, inf)", "Hz"),
        float_row("optics.transmission", "(0, 1]"),
        float_row("optics.crosstalk_per_neighbour", "[0, 0.25)"),
        float_row("optics.crosstalk_residual", "[0, 0.25)"),
        float_row("optics.rail_leakage", "[0, 0.5)"),
        float_row("optics.numerical_aperture", "(0, 1]"),
        bool_row("optics.crosstalk"),
        int_row("panel.outputs", "[1, 65536]"),
        int_row("panel.bits", "[2, 12]"),
        float_row("panel.extinction_ratio", "(1, inf]"),
        float_row("panel.transmission", "(0, 1]"),
        choice_row("panel.response", "linear", "curved", "compensated"),
        float_row("panel.curvature", "[-1, 1]"),
        float_row("panel.skew", "[-1, 1]"),
        float_row("panel.element_residual", "[0, 1)"),
        float_row("panel.rail_residual", "[0, 1)"),
        bool_row("panel.fixed_pattern"),
        float_row("panel.pixel_capacitance_f", "[0, inf)", "F"),
        float_row("panel.pixel_swing_v", "[0, inf)", "V"),
        float_row("panel.refresh_rate_hz", "[0, inf)", "Hz"),
        float_row("panel.drive_power_w", "[0, inf)", "W"),
        float_row("panel.reload_time_s", "[0, inf)", "s"),
        float_row("panel.absorbed_power_max_w", "(0, inf)", "W"),
        bool_row("panel.ideal"),
        float_row("photodetector.quantum_efficiency", "(0, 1]"),
        float_row("photodetector.dark_current_a", "[0, inf)", "A"),
        float_row("photodetector.bias_v", "[0, inf)", "V"),
        float_row("photodetector.capacitance_f_per_m2", "[0, inf)", "F/m^2"),
        bool_row("photodetector.saturates"),
        float_row("photodetector.saturation_current_a", "(0, inf)", "A"),
        bool_row("photodetector.shot_noise"),
        choice_row(RECEIVER_KIND, *RECEIVERS),
        *_ALL_RECEIVERS,
        bool_row("readout.saturates"),
        bool_row("readout.pass_mismatch"),
        float_row("readout.pass_residual", "[0, 1)"),
        bool_row("readout.fixed_pattern"),
        float_row("readout.gain_residual", "[0, 1)"),
        float_row("readout.offset_residual", "[0, 1)"),
        float_row("readout.drift_per_root_s", "[0, inf)", "1/sqrt(s)"),
        bool_row("readout.crosstalk"),
        float_row("readout.crosstalk_per_neighbour", "[0, 0.4)"),
        float_row("readout.crosstalk_residual", "[0, 0.4)"),
        int_row("adc.bits", "[2, 12]"),
        float_row("adc.enob_loss", "[0, 11]"),
        choice_row("adc.energy_model", "largest", "murmann", "schreier", "andrulis", "walden"),
        float_row("adc.technology_m", "[1e-9, 1e-6]", "m"),
        float_row("adc.walden_fom_j", "(0, inf)", "J"),
        bool_row("adc.ideal"),
        choice_row("ranging.statistic", "sigmas", "percentile", "fraction"),
        choice_row("ranging.per", "output", "tile"),
        float_row("ranging.sigmas", "(0, inf)"),
        float_row("ranging.percentile", "(0, 100)", "%"),
        float_row("ranging.margin", "(0, inf)"),
        float_row("ranging.fraction", "(0, 1]"),
        float_row("digital.op_energy_j", "[0, inf)", "J"),
        float_row("digital.mac_energy_j", "[0, inf)", "J"),
        float_row("memory.near_energy_j_per_byte", "[0, inf)", "J/byte"),
        float_row("memory.far_energy_j_per_byte", "[0, inf)", "J/byte"),
        float_row("memory.output_byte", "(0, inf)", "byte"),
        float_row("memory.partial_byte", "(0, inf)", "byte"),
        float_row("system.control_power_w", "[0, inf)", "W"),
        float_row("system.host_power_w", "[0, inf)", "W"),
        float_row("system.power_supply_efficiency", "(0, 1]"),
        float_row("system.utilisation", "(0, 1]"),
    )
}


@dataclasses.dataclass(frozen=True)
class Decibel:
    """A second spelling of a ratio, in decibels; only files and command lines use it.

        ratio = 10^(sign dB / 10)

    Attributes:
        path: the field that holds the ratio.
        sign: -1 for a loss, +1 for a gain or a level.
        unit: unit of the decibel value.
    """

    path: str
    sign: int
    unit: str

    def ratio(self, value_db: float) -> float:
        """The ratio that these decibels stand for; infinite decibels give 0 or infinity."""
        return 10.0 ** (self.sign * value_db / 10.0)

    def decibels(self, ratio: float) -> float:
        """The decibels of a ratio above 0."""
        return self.sign * 10.0 * math.log10(ratio)


DECIBELS: Mapping[str, Decibel] = {
    "source.rin_db_per_hz": Decibel("source.rin_per_hz", 1, "dB/Hz"),
    "modulator.extinction_ratio_db": Decibel("modulator.extinction_ratio", 1, "dB"),
    "modulator.insertion_loss_db": Decibel("modulator.transmission", -1, "dB"),
    "optics.insertion_loss_db": Decibel("optics.transmission", -1, "dB"),
    "panel.extinction_ratio_db": Decibel("panel.extinction_ratio", 1, "dB"),
    "panel.insertion_loss_db": Decibel("panel.transmission", -1, "dB"),
}
