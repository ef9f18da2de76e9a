"""What a file of the family `analog-optical-computer` states. No JAX."""

from collections.abc import Mapping
from typing import Any

from photonics.effective_bits import check_effective_bits
from photonics.families_schema import Family, shared
from photonics.schema import (
    RECEIVER_KIND,
    RECEIVERS,
    Decibel,
    Row,
    Value,
    bool_row,
    choice_row,
    float_row,
    int_row,
    receiver_paths,
)

_RAILS = ("plus", "minus")
_KNEES = ("fold_from_v", "low_knee_v", "straight_from_v", "straight_to_v", "high_knee_v", "fold_to_v")
_COEFFICIENTS = (
    "low_constant",
    "low_inverse",
    "low_quadratic",
    "low_linear",
    "low_offset",
    "high_quartic",
    "high_cubic",
    "high_quadratic",
    "high_linear",
    "high_offset",
    "high_phase",
    "high_constant",
)
_ALL_RECEIVERS = tuple(path for kind in RECEIVERS for path in receiver_paths(kind))


def _led() -> tuple[Row, ...]:
    """Coefficients of the response of the sources: the slope is above 0, the rest may have any sign."""
    intervals = {"cubic": "(-1e3, 1e3)", "quadratic": "(-1e3, 1e3)", "linear": "(0, inf)", "offset": "(-1e3, 1e3)"}
    return tuple(
        float_row(f"source.{rail}_{name}", interval) for rail in _RAILS for name, interval in intervals.items()
    )


def _panel() -> tuple[Row, ...]:
    intervals = {"quadratic": "(-1, 1)", "linear": "(0, 2)", "dark": "[0, 1)"}
    return tuple(float_row(f"panel.{rail}_{name}", interval) for rail in _RAILS for name, interval in intervals.items())


def check(values: Mapping[str, Value]) -> None:
    """Raise ValueError where values that are right one by one do not fit together.

    The ADC keeps at least one effective bit and lies inside the front of what has been built; light never falls below
    none; a pixel that opens passes more light, and not more than all; the pieces of the saturation stand in order.
    """
    number: Mapping[str, Any] = values
    check_effective_bits(number, number["operating_point.symbol_rate_hz"])
    if number.get("receiver.filter") == "one-pole":
        raise ValueError("receiver.filter is one-pole; it should be integrate, because symbols do not leak here")
    _check_sources(number)
    for rail in _RAILS:
        quadratic, linear, dark = (number[f"panel.{rail}_{name}"] for name in ("quadratic", "linear", "dark"))
        if linear + 2.0 * min(quadratic, 0.0) <= 0.0 or quadratic + linear + dark > 1.0 + 1e-9:
            raise ValueError(
                f"panel.{rail}_quadratic is {quadratic:g} and panel.{rail}_linear {linear:g}; a pixel should pass more "
                f"light the wider it opens, and with panel.{rail}_dark = {dark:g} not more than all"
            )
    knees = [number[f"saturation.{name}"] for name in _KNEES]
    if knees != sorted(knees):
        raise ValueError(f"saturation.{', saturation.'.join(_KNEES)} should rise in this order")


def _check_sources(number: Mapping[str, Any]) -> None:
    """No drive takes more light away than the bias has."""
    depth, full_v = number["source.modulation_depth"], number["source.full_drive_v"]
    slope = sum(number[f"source.{rail}_linear"] for rail in _RAILS) / 2.0
    for rail in _RAILS:
        a, b, c, d = (number[f"source.{rail}_{name}"] for name in ("cubic", "quadratic", "linear", "offset"))
        measured = number["source.response"] == "measured"
        steps = [full_v * step / 50.0 for step in range(-50, 51)]
        lowest = min(((a * z + b) * z + c) * z + d for z in steps) / (slope * full_v) if measured else -1.0
        if 1.0 + depth * lowest < 0.0:
            raise ValueError(
                f"source.modulation_depth is {depth:g}; it should be at most {-1.0 / lowest:.3f}, "
                "or there would be less than no light at the lowest drive"
            )


def _needed(values: Mapping[str, Value]) -> tuple[str, ...]:
    """Paths of all values but those of the other kind of receiver."""
    own = receiver_paths(str(values[RECEIVER_KIND])) if RECEIVER_KIND in values else ()
    # Both receivers have an output swing: each path once.
    return tuple(path for path in FAMILY.row_of if path not in _ALL_RECEIVERS or path in own)


FAMILY = Family(
    name="analog-optical-computer",
    meaning="intensity: microLEDs about a bias, two amplitude panels by polarisation, two rows of photodiodes",
    fan_in=("source.count",),
    fan_out=("panel.outputs",),
    rows=(
        *shared("operating_point"),
        *shared("dac"),
        int_row("source.count", "[1, 65536]"),
        float_row("source.wavelength_m", "[1e-7, 1e-4]", "m"),
        choice_row("source.response", "measured", "linear"),
        float_row("source.full_drive_v", "(0, inf)", "V"),
        *_led(),
        float_row("source.modulation_depth", "(0, 1]"),
        float_row("source.wall_plug_efficiency", "(0, 1]"),
        float_row("source.emitter_area_m2", "(0, inf)", "m^2"),
        float_row("source.power_max_w", "(0, inf)", "W"),
        float_row("fan_in.transmission", "(0, 1]"),
        float_row("fan_in.source_aperture", "(0, 1]"),
        float_row("fan_in.detector_aperture", "(0, 1]"),
        float_row("fan_in.profile_spread", "[0, 1)"),
        float_row("fan_in.rail_spread", "[0, 1)"),
        int_row("panel.outputs", "[1, 65536]"),
        int_row("panel.bits", "[2, 12]"),
        float_row("panel.transmission", "(0, 1]"),
        choice_row("panel.response", "measured", "linear"),
        *_panel(),
        float_row("panel.column_spread", "[0, 1)"),
        float_row("panel.rail_spread", "[0, 1)"),
        float_row("panel.element_residual", "[0, 1)"),
        bool_row("panel.pixel_errors"),
        float_row("panel.pixel_capacitance_f", "[0, inf)", "F"),
        float_row("panel.pixel_swing_v", "[0, inf)", "V"),
        float_row("panel.refresh_rate_hz", "[0, inf)", "Hz"),
        float_row("panel.drive_power_w", "[0, inf)", "W"),
        float_row("panel.reload_time_s", "[0, inf)", "s"),
        bool_row("panel.ideal"),
        bool_row("leakage.present"),
        float_row("leakage.share", "[0, 0.5)"),
        float_row("leakage.spread", "[0, 0.5)"),
        bool_row("crosstalk.present"),
        float_row("crosstalk.per_neighbour", "[0, 0.25)"),
        bool_row("crosstalk.dark_subtraction"),
        *shared("photodetector"),
        choice_row(RECEIVER_KIND, *RECEIVERS),
        *(row for kind in RECEIVERS for row in shared(f"receiver.{kind}")),
        float_row("output.plus_gain", "(0, inf)"),
        float_row("output.minus_gain", "(0, inf)"),
        float_row("output.gain_spread", "[0, 1)"),
        float_row("output.rail_gain_spread", "[0, 1)"),
        float_row("output.loop_gain_spread", "[0, 1)"),
        float_row("output.offset_v", "[0, inf)", "V"),
        float_row("output.full_scale_sigmas", "(0, inf)"),
        bool_row("saturation.present"),
        float_row("saturation.full_scale_v", "(0, inf)", "V"),
        float_row("saturation.lowest_v", "(-1e3, 0)", "V"),
        float_row("saturation.highest_v", "(0, inf)", "V"),
        *(float_row(f"saturation.{name}", "(-1e3, 1e3)", "V") for name in _KNEES),
        *(float_row(f"saturation.{name}", "(-1e3, 1e3)") for name in _COEFFICIENTS),
        *shared("adc"),
        *shared("digital"),
        *shared("memory"),
        *shared("system"),
    ),
    stages={
        "operating_point": "photonics.stage:OperatingPoint",
        "dac": "photonics.dac:Dac",
        "source": "photonics.analog_optical_computer.microled:MicroLedArray",
        "fan_in": "photonics.analog_optical_computer.fan_in:FanIn",
        "panel": "photonics.analog_optical_computer.amplitude_panel:AmplitudePanel",
        "leakage": "photonics.analog_optical_computer.rail_leakage:RailLeakage",
        "crosstalk": "photonics.analog_optical_computer.crosstalk:DiodeCrosstalk",
        "photodetector": "photonics.photodetector:Photodetector",
        "receiver": "photonics.receiver:build_receiver",
        "output": "photonics.analog_optical_computer.output_stage:OutputStage",
        "saturation": "photonics.analog_optical_computer.saturation:Saturation",
        "adc": "photonics.adc:Adc",
        "digital": "photonics.digital:DigitalBackEnd",
        "memory": "photonics.memory:Memory",
        "system": "photonics.system:System",
    },
    engine="photonics.analog_optical_computer.engine:AnalogOpticalComputerEngine",
    decibels={
        "fan_in.insertion_loss_db": Decibel("fan_in.transmission", -1, "dB"),
        "panel.insertion_loss_db": Decibel("panel.transmission", -1, "dB"),
    },
    check=check,
    select=_needed,
)
