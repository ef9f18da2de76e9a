"""A small engine and an ideal one of every family, for the tests that hold for all of them."""

import functools
from typing import Any, TypeVar

import photonics
from photonics.catalogue import engine_names, read_engine_file
from photonics.engine import Engine

E = TypeVar("E", bound=Engine)
BY_FAMILY = {
    family: [name for name in engine_names() if read_engine_file(name).family == family]
    for family in dict.fromkeys(read_engine_file(name).family for name in engine_names())
}
FREE_SPACE = BY_FAMILY["free-space"]

# Name in the catalogue, a small size, and what makes the engine exact.
_ENGINES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "free-space": ("free-space-1024", {"source.count": 12, "panel.outputs": 10}, {}),
    "analog-optical-computer": (
        "aoc-2025",
        {"source.count": 12, "panel.outputs": 10},
        {
            "dac.ideal": True,
            "panel.ideal": True,
            "adc.ideal": True,
            "source.response": "linear",
            "panel.response": "linear",
            "panel.plus_dark": 0.0,
            "panel.minus_dark": 0.0,
            "panel.pixel_errors": False,
            "panel.column_spread": 0.0,
            "panel.rail_spread": 0.0,
            "leakage.present": False,
            "crosstalk.present": False,
            "crosstalk.dark_subtraction": False,
            "saturation.present": False,
            "photodetector.shot_noise": False,
            "receiver.feedback_resistance_ohm": 1e24,
            "receiver.transconductance_siemens": 1e24,
            "fan_in.profile_spread": 0.0,
            "fan_in.rail_spread": 0.0,
            "output.gain_spread": 0.0,
            "output.rail_gain_spread": 0.0,
            "output.loop_gain_spread": 0.0,
            "output.offset_v": 0.0,
            "output.plus_gain": 1.0,
            "output.minus_gain": 1.0,
        },
    ),
    "block-floating-point": (
        "lightmatter-2025",
        {"core.inputs": 12, "core.outputs": 10},
        {
            "dac.ideal": True,
            "weights.ideal": True,
            "adc.ideal": True,
            "channels.fixed_pattern": False,
            "photodetector.shot_noise": False,
            "receiver.feedback_resistance_ohm": 1e24,
            "receiver.transconductance_siemens": 1e24,
        },
    ),
    "residue": (
        "residue-2024",
        {"core.inputs": 12, "core.outputs": 10},
        {
            "readout.shot_noise": False,
            "readout.fixed_pattern": False,
            "receiver.capacitance_f": 0.0,
            "core.segment_error_rad": 0.0,
            "adc.ideal": True,
            "dac.ideal": True,
        },
    ),
    "homodyne": (
        "homodyne",
        # As much light for a unit as in the full array.
        {
            "array.rows": 4,
            "array.columns": 10,
            "array.integration": 12,
            "encoding.rotate": False,
            "operating_point.laser_power_w": 2.4e-3,
        },
        {"pair.shot_noise": False, "integrator.noise": False},
    ),
    "dynamic-operand": (
        "lightening-dota-b",
        {},
        {
            "dac.ideal": True,
            "adc.ideal": True,
            "operand_noise.magnitude_deviation": 0.0,
            "operand_noise.phase_deviation_rad": 0.0,
            "operand_noise.output_deviation": 0.0,
            "dispersion.present": False,
            "detection.shot_noise": False,
            "detection.noise_resistance_ohm": float("inf"),
        },
    ),
    "optical-transformer": (
        "optical-transformers",
        {"panel.inputs": 12, "panel.outputs": 10},
        {
            "dac.ideal": True,
            "quantiser.ideal": True,
            "adc.ideal": True,
            "receiver.shot_noise": False,
            "encoding.activation_percentile": 100.0,
        },
    ),
}
FAMILIES = tuple(_ENGINES)
# What makes an engine of a family exact, beside its `removals`.
EXACT = {family: changes for family, (_, _, changes) in _ENGINES.items()}
# What sets the fan-in, where it can be set.
_FAN_IN = {
    "free-space": "source.count",
    "analog-optical-computer": "source.count",
    "block-floating-point": "core.inputs",
    "residue": "core.inputs",
    "homodyne": "array.integration",
    "optical-transformer": "panel.inputs",
}
# Light at which draws are felt behind every converter, over that of the small engine.
_DIM = {"residue": 4e-3}


@functools.cache
def small(family: str) -> Engine:
    """The family's engine of the catalogue with few inputs and outputs, all its flaws in place."""
    name, size, _ = _ENGINES[family]
    return photonics.load_engine(name).replace(**size)


def exact(engine: E) -> E:
    """The engine, of a family that works tile by tile, without anything that keeps its product from being exact."""
    removed = {path: value for _, changes in engine.removals() for path, value in changes.items()}
    return engine.replace(**{**removed, **EXACT[engine.family]})


@functools.cache
def ideal(family: str) -> Engine:
    """The small engine without anything that keeps a product from being exact."""
    if family == "free-space":
        return photonics.load_engine("ideal").replace(**{**_ENGINES[family][1], "encoding.rotate": False})
    return exact(small(family))


def noisy(family: str) -> Engine:
    """The small engine at a tenth of its light or less, where draws are felt behind every converter."""
    engine = small(family)
    return engine.at(laser_power_w=engine.operating_point.laser_power_w * _DIM.get(family, 0.1))


def long(family: str) -> Engine:
    """The small engine with a fan-in of 64, for laws of many inputs."""
    path = _FAN_IN.get(family)
    return small(family).replace(**{path: 64}) if path else small(family)
