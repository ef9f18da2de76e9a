"""Budgets of an engine as data: where the light goes, and which value each parameter has."""

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING, Any

from photonics.units import db_from_ratio

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine

_UNITS = {
    "j_per_byte": "J/byte",
    "per_hz": "1/Hz",
    "rad_per_root_s": "rad/sqrt(s)",
    "per_root_s": "1/sqrt(s)",
    "f_per_m2": "F/m^2",
    "m2": "m^2",
    "rad": "rad",
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
class Parameter:
    """One value of an engine: dotted path, value, unit ("" for counts, ratios and choices), meaning."""

    path: str
    value: Any
    unit: str
    meaning: str


def link_budget(engine: "FreeSpaceEngine") -> list[LinkStep]:
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


def parameters(engine: Any) -> list[Parameter]:
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


def _attribute_docs(cls: type) -> dict[str, str]:
    """What the `Attributes:` section of a stage says about each field, on one line; fields may share an entry."""
    _, _, section = inspect.cleandoc(cls.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        start = re.match(r" {4}(\w+(?:, \w+)*): (.*)", line)
        if start:
            names = start.group(1).split(", ")
            found |= dict.fromkeys(names, start.group(2))
        elif names and line.startswith(" " * 8):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found
