"""What an engine file may say: one row per field of every stage, with its type, its range and its unit."""

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


def _float(path: str, interval: str, unit: str = "1") -> Row:
    # SI prefixes end there, and so do numbers whose products stay within floating point. Infinity counts where closed.
    bounded = interval.replace("(0,", "[1e-24,").replace("inf)", "1e+24]")
    return Row(path, "float", bounded, unit)


def _int(path: str, interval: str) -> Row:
    return Row(path, "int", interval, "1")


def _bool(path: str) -> Row:
    return Row(path, "bool")


def _choice(path: str, *choices: str) -> Row:
    return Row(path, "choice", choices=choices)


# Fields that only one kind of receiver has.
RECEIVERS: Mapping[str, tuple[Row, ...]] = {
    "transimpedance": (
        _float("receiver.feedback_resistance_ohm", "(0, inf)", "ohm"),
        _float("receiver.noise_factor", "[1, inf)"),
        _float("receiver.input_capacitance_f", "(0, inf)", "F"),
        _float("receiver.transconductance_siemens", "(0, inf)", "S"),
        _float("receiver.channel_noise_factor", "[0, inf)"),
        _float("receiver.overdrive_v", "(0, inf)", "V"),
        _float("receiver.load_capacitance_f", "[0, inf)", "F"),
        _float("receiver.supply_v", "(0, inf)", "V"),
        _float("receiver.overhead", "[1, inf)"),
        _float("receiver.output_swing_v", "(0, inf)", "V"),
        _choice("receiver.filter", "integrate", "one-pole"),
        _float("receiver.bandwidth_hz", "(0, inf)", "Hz"),
    ),
    "integrating": (
        _float("receiver.capacitance_f", "[0, inf)", "F"),
        _float("receiver.reset_v", "[0, inf)", "V"),
        _float("receiver.amplifier_power_w", "[0, inf)", "W"),
        _float("receiver.output_swing_v", "(0, inf)", "V"),
    ),
}
_ALL_RECEIVERS = tuple(row for rows in RECEIVERS.values() for row in rows)

ROWS: dict[str, Row] = {
    row.path: row
    for row in (
        _float("operating_point.laser_power_w", "(0, inf)", "W"),
        _float("operating_point.symbol_rate_hz", "(0, inf)", "Hz"),
        _float("operating_point.temperature_k", "(0, inf)", "K"),
        _float("operating_point.age_s", "[0, inf)", "s"),
        _choice("encoding.activation_sign", "passes", "offset"),
        _choice("encoding.weight_sign", "rails", "offset"),
        _choice("encoding.conversion", "difference", "pass"),
        _int("encoding.activation_slices", "[1, 11]"),
        _int("encoding.weight_slices", "[1, 11]"),
        _int("encoding.repetitions", "[1, 65536]"),
        _bool("encoding.rotate"),
        _choice("encoding.activation_scale", "token", "static"),
        _float("encoding.activation_percentile", "(0, 100]", "%"),
        _float("encoding.weight_percentile", "(0, 100]", "%"),
        _int("dac.bits", "[2, 12]"),
        _choice("dac.energy_model", "scaled", "fixed", "capacitive"),
        _float("dac.reference_energy_j", "[0, inf)", "J"),
        _float("dac.reference_bits", "[1, 16]"),
        _float("dac.unit_capacitance_f", "(0, inf)", "F"),
        _float("dac.swing_v", "(0, inf)", "V"),
        _bool("dac.ideal"),
        _int("source.count", "[1, 65536]"),
        _float("source.wavelength_m", "[1e-7, 1e-4]", "m"),
        _float("source.slope_efficiency", "(0, 1]"),
        _float("source.threshold_current_a", "[0, inf)", "A"),
        _float("source.voltage_v", "[0, inf)", "V"),
        _choice("source.modulation", "external", "direct"),
        _float("source.rin_per_hz", "[0, 1]", "1/Hz"),
        _float("source.power_max_w", "(0, inf)", "W"),
        _choice("source.noise", "independent", "common", "none"),
        _bool("source.beats"),
        _float("source.mode_overlap", "[0, 1]"),
        _float("source.optical_span_hz", "(0, inf)", "Hz"),
        _float("source.beam_quality", "[1, inf)"),
        _float("source.gain_residual", "[0, 1)"),
        _float("source.drift_per_root_s", "[0, inf)", "1/sqrt(s)"),
        _float("modulator.extinction_ratio", "(1, inf]"),
        _float("modulator.transmission", "(0, 1]"),
        _float("modulator.symbol_energy_j", "[0, inf)", "J"),
        _choice("modulator.response", "linear", "curved", "compensated"),
        _float("modulator.curvature", "[-1, 1]"),
        _float("modulator.skew", "[-1, 1]"),
        _bool("modulator.settling"),
        _float("modulator.bandwidth_hz", "(0, inf)", "Hz"),
        _float("optics.transmission", "(0, 1]"),
        _float("optics.crosstalk_per_neighbour", "[0, 0.25)"),
        _float("optics.crosstalk_residual", "[0, 0.25)"),
        _float("optics.rail_leakage", "[0, 0.5)"),
        _float("optics.numerical_aperture", "(0, 1]"),
        _bool("optics.crosstalk"),
        _int("panel.outputs", "[1, 65536]"),
        _int("panel.bits", "[2, 12]"),
        _float("panel.extinction_ratio", "(1, inf]"),
        _float("panel.transmission", "(0, 1]"),
        _choice("panel.response", "linear", "curved", "compensated"),
        _float("panel.curvature", "[-1, 1]"),
        _float("panel.skew", "[-1, 1]"),
        _float("panel.element_residual", "[0, 1)"),
        _float("panel.rail_residual", "[0, 1)"),
        _bool("panel.fixed_pattern"),
        _float("panel.pixel_capacitance_f", "[0, inf)", "F"),
        _float("panel.pixel_swing_v", "[0, inf)", "V"),
        _float("panel.refresh_rate_hz", "[0, inf)", "Hz"),
        _float("panel.drive_power_w", "[0, inf)", "W"),
        _float("panel.reload_time_s", "[0, inf)", "s"),
        _float("panel.absorbed_power_max_w", "(0, inf)", "W"),
        _bool("panel.ideal"),
        _float("photodetector.quantum_efficiency", "(0, 1]"),
        _float("photodetector.dark_current_a", "[0, inf)", "A"),
        _float("photodetector.bias_v", "[0, inf)", "V"),
        _float("photodetector.capacitance_f_per_m2", "[0, inf)", "F/m^2"),
        _bool("photodetector.saturates"),
        _float("photodetector.saturation_current_a", "(0, inf)", "A"),
        _bool("photodetector.shot_noise"),
        _choice(RECEIVER_KIND, *RECEIVERS),
        *_ALL_RECEIVERS,
        _bool("readout.saturates"),
        _bool("readout.pass_mismatch"),
        _float("readout.pass_residual", "[0, 1)"),
        _bool("readout.fixed_pattern"),
        _float("readout.gain_residual", "[0, 1)"),
        _float("readout.offset_residual", "[0, 1)"),
        _float("readout.drift_per_root_s", "[0, inf)", "1/sqrt(s)"),
        _bool("readout.crosstalk"),
        _float("readout.crosstalk_per_neighbour", "[0, 0.4)"),
        _float("readout.crosstalk_residual", "[0, 0.4)"),
        _int("adc.bits", "[2, 12]"),
        _float("adc.enob_loss", "[0, 11]"),
        _choice("adc.energy_model", "largest", "murmann", "schreier", "andrulis", "walden"),
        _float("adc.technology_m", "[1e-9, 1e-6]", "m"),
        _float("adc.walden_fom_j", "(0, inf)", "J"),
        _bool("adc.ideal"),
        _choice("ranging.statistic", "sigmas", "percentile", "fraction"),
        _choice("ranging.per", "output", "tile"),
        _float("ranging.sigmas", "(0, inf)"),
        _float("ranging.percentile", "(0, 100)", "%"),
        _float("ranging.margin", "(0, inf)"),
        _float("ranging.fraction", "(0, 1]"),
        _float("digital.op_energy_j", "[0, inf)", "J"),
        _float("digital.mac_energy_j", "[0, inf)", "J"),
        _float("memory.near_energy_j_per_byte", "[0, inf)", "J/byte"),
        _float("memory.far_energy_j_per_byte", "[0, inf)", "J/byte"),
        _float("memory.output_byte", "(0, inf)", "byte"),
        _float("memory.partial_byte", "(0, inf)", "byte"),
        _float("system.control_power_w", "[0, inf)", "W"),
        _float("system.host_power_w", "[0, inf)", "W"),
        _float("system.power_supply_efficiency", "(0, 1]"),
        _float("system.utilisation", "(0, 1]"),
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
