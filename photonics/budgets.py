"""Budgets of an engine as data: where the light goes, where the noise comes from, which value each parameter has."""

import dataclasses
import inspect
import math
import re
from typing import TYPE_CHECKING, Any

from photonics import operands
from photonics.receiver import INTEGRATE_AND_DUMP
from photonics.units import db_from_ratio

if TYPE_CHECKING:
    from photonics.engine import Engine

_UNITS = {
    "j_per_byte": "J/byte",
    "per_hz": "1/Hz",
    "w": "W",
    "a": "A",
    "v": "V",
    "hz": "Hz",
    "s": "s",
    "j": "J",
    "m": "m",
    "k": "K",
    "ohm": "ohm",
    "siemens": "S",
    "f": "F",
    "byte": "byte",
    "percentile": "%",
}


@dataclasses.dataclass(frozen=True)
class LinkStep:
    """One step of the light: what it loses [dB] and the power of one source's light that is left on one path [W]."""

    name: str
    loss_db: float
    power_w: float


@dataclasses.dataclass(frozen=True)
class NoiseTerm:
    """Variance of one conversion by origin [electrons^2], and its share of the whole."""

    origin: str
    variance_electrons2: float
    share: float


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One value of an engine: dotted path, value, unit ("" for counts, ratios and choices), meaning."""

    path: str
    value: Any
    unit: str
    meaning: str


def link_budget(engine: "Engine") -> list[LinkStep]:
    """The light of one source at full drive on its way to one detector, every pixel open."""
    left_w = float(engine.operating_point.laser_power_w)
    steps = [LinkStep("one source", 0.0, left_w)]
    for name, passed in (
        ("modulator", engine.modulator.transmission),
        ("lenses, fan-out and fan-in", engine.optics.transmission),
        ("panel, pixel open", engine.panel.transmission),
        (f"shared by {engine.columns()} columns", 1.0 / engine.columns()),
    ):
        left_w *= float(passed)
        steps.append(LinkStep(name, -db_from_ratio(float(passed)), left_w))
    return steps


def noise_budget(engine: "Engine") -> list[NoiseTerm]:
    """Noise of one conversion for a full tile of typical operands, largest first.

    Typical operands are those of `photonics.operands`. Static errors (rounding, pixels, rails, crosstalk) count with
    the variance that they have over outputs. Left out: the range that pre-distortion for crosstalk spends, some
    per cent of the signal.
    """
    count = engine.source.count
    rms2, magnitude = operands.mean_square(count), operands.mean_magnitude(count)
    floor_m, floor_t = float(engine.modulator.floor()), float(engine.panel.floor())
    path, gain = float(engine.electrons_per_path()), float(engine.gain_electrons())
    at, shot = engine.operating_point, engine.photodetector.shot_noise
    # Light D P per input: useful, and through the floor of either stage or both (design of the encoding).
    useful = (1 - floor_m) * (1 - floor_t) * magnitude**2
    floors = 2 * floor_t * (1 - floor_m) * magnitude + 2 * floor_m * (1 - floor_t) * magnitude + 4 * floor_m * floor_t
    spread = 2.0 * INTEGRATE_AND_DUMP
    intensity = float(engine.source.relative_variance(engine.receiver.noise_bandwidth_hz(at)))
    full_scale = _typical_full_scale(engine, count, rms2, magnitude) * gain
    dark = engine.encoding.passes * engine.encoding.rails * float(engine.photodetector.dark_electrons(at))
    # A common laser moves all sources of a pass together; of balanced rails only the difference is left.
    fluctuating = 0.0 if engine.source.noise == "none" else _sum_of_squares(floor_m, rms2, magnitude)
    terms = {
        "shot noise of the signal light": shot * spread * path * count * useful,
        "shot noise of the extinction floors": shot * spread * path * count * floors,
        "shot noise of the dark current": shot * spread * dark,
        "receiver": float(engine.readout_variance()),
        "source intensity": intensity * count * path**2 * fluctuating * rms2 * (1 - floor_t) ** 2,
        "ADC rounding": 0.0 if engine.adc.ideal else (full_scale / engine.adc.levels()) ** 2 / 12,
        "ADC noise beyond rounding": 0.0 if engine.adc.ideal else float(engine.adc.noise_variance(full_scale)),
        **_static_errors(engine, rms2, magnitude),
    }
    total = sum(terms.values()) or 1.0
    rows = [NoiseTerm(origin, float(variance), float(variance) / total) for origin, variance in terms.items()]
    return sorted(rows, key=lambda row: -row.variance_electrons2)


def _static_errors(engine: "Engine", rms2: float, magnitude: float) -> dict[str, float]:
    """Variance over outputs of what does not change from symbol to symbol [electrons^2]."""
    count, floor_t = engine.source.count, float(engine.panel.floor())
    signal = count * rms2 * float(engine.gain_electrons()) ** 2
    # A pixel error scales T+ or T-, an imbalance of the rails T+ + T-, one for each output.
    swing = count * rms2 * (float(engine.electrons_per_path()) * (1 - float(engine.modulator.floor()))) ** 2
    rail_sum = 4 * floor_t**2 + 4 * floor_t * (1 - floor_t) * magnitude + (1 - floor_t) ** 2 * rms2
    pixels, rails = float(engine.panel.element_residual), float(engine.panel.rail_residual) / 2
    there = engine.panel.fixed_pattern
    # An output loses two shares to its neighbours and gains one of each: 4 + 1 + 1.
    leak = 6 * float(engine.optics.crosstalk_residual) ** 2
    return {
        "activation rounding": 0.0 if engine.dac.ideal else signal / engine.dac.levels() ** 2 / 12,
        "weight rounding": 0.0 if engine.panel.ideal else signal / engine.panel.levels() ** 2 / 12,
        "pixel residuals": there * pixels**2 * swing * _sum_of_squares(floor_t, rms2, magnitude),
        "rail imbalance": there * rails**2 * swing * rail_sum,
        "crosstalk residual": engine.optics.crosstalk * leak * signal * rms2,
    }


def _sum_of_squares(floor: float, rms2: float, magnitude: float) -> float:
    """Mean of a^2 + b^2 for the two lights a = floor + (1 - floor) |u| and b = floor that show a signed u."""
    return 2 * floor**2 + 2 * floor * (1 - floor) * magnitude + (1 - floor) ** 2 * rms2


def typical_signal_electrons(engine: "Engine") -> float:
    """Rms difference signal of one conversion for the operands of `noise_budget` [electrons]."""
    rms2 = operands.mean_square(engine.source.count)
    return float(engine.gain_electrons()) * math.sqrt(engine.source.count) * rms2


def parameters(engine: "Engine") -> list[Parameter]:
    """Every value of an engine with its unit and meaning, in the order of the light."""
    rows = []
    for field in dataclasses.fields(engine):
        part = getattr(engine, field.name)
        if not dataclasses.is_dataclass(part):
            continue
        meanings = _attribute_docs(type(part))
        for inner in dataclasses.fields(part):
            path = f"{field.name}.{inner.name}"
            value = getattr(part, inner.name)
            rows.append(Parameter(path, value, unit_of(inner.name), meanings.get(inner.name, "")))
    return rows


def unit_of(name: str) -> str:
    """Unit that a parameter's name ends in, "" for counts, ratios and choices."""
    return next((unit for suffix, unit in _UNITS.items() if f"_{name}".endswith(f"_{suffix}")), "")


def _typical_full_scale(engine: "Engine", count: int, rms2: float, magnitude: float) -> float:
    ranging, rms = engine.ranging, math.sqrt(count) * rms2
    largest = count * magnitude
    if ranging.statistic == "fraction":
        return float(ranging.fraction) * largest
    if ranging.statistic == "sigmas":
        return min(float(ranging.sigmas) * rms, largest)
    from scipy.stats import norm

    return min(float(ranging.margin) * float(norm.ppf((1 + float(ranging.percentile) / 100) / 2)) * rms, largest)


def _attribute_docs(cls: type) -> dict[str, str]:
    """What the `Attributes:` section of a stage says about each field, on one line."""
    _, _, section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        start = re.match(r" {4}(\w+): (.*)", line)
        if start:
            name = start.group(1)
            found[name] = start.group(2)
        elif name and line.startswith(" " * 8):
            found[name] += " " + line.strip()
    return found
