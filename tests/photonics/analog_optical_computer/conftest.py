"""Engines of the family, and the golden vectors of its digital twin, shared by its tests."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import pytest

import photonics
from photonics.analog_optical_computer import pattern
from photonics.analog_optical_computer.engine import AnalogOpticalComputerEngine
from tests.photonics.family_engines import EXACT

GOLDEN = Path(__file__).parents[3] / "experiments" / "validation_data" / "aoc-golden.json"
SMALL = {"source.count": 12, "panel.outputs": 8}
# Everything that keeps a product from being exact, switched off, with a receiver that integrates.
_EXACT = {path: value for path, value in EXACT["analog-optical-computer"].items() if not path.startswith("receiver.")}
IDEAL = {**_EXACT, "receiver.capacitance_f": 0.0, "photodetector.capacitance_f_per_m2": 0.0}


@pytest.fixture(scope="session")
def golden() -> dict[str, Any]:
    """What their code gives, and the constants that it was given."""
    return json.loads(GOLDEN.read_text())


@functools.cache
def _loaded(name: str, integrating: bool) -> AnalogOpticalComputerEngine:
    capacitor = {"capacitance_f": 1e-14, "reset_v": 0.1, "amplifier_power_w": 3e-4, "output_swing_v": 0.4}
    overrides = ["receiver.kind=integrating", *(f"receiver.{key}={value}" for key, value in capacitor.items())]
    return photonics.load_engine(name, overrides if integrating else ())  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="session")
def drawn() -> Callable[..., pattern.Pattern]:
    """`pattern.drawn(engine, shape, instance)`, compiled."""
    return jax.jit(pattern.drawn, static_argnums=1)


@pytest.fixture(scope="session")
def small() -> Callable[..., AnalogOpticalComputerEngine]:
    """Builder of `aoc-2025` with 12 sources and 8 outputs: `small({"panel.bits": 8})` changes a value."""

    def build(changes: dict[str, Any] | None = None) -> AnalogOpticalComputerEngine:
        return _loaded("aoc-2025", False).replace(**{**SMALL, **(changes or {})})

    return build


@pytest.fixture(scope="session")
def bare() -> Callable[..., AnalogOpticalComputerEngine]:
    """Builder of the ideal engine of the same size, to which a test adds what it is about."""

    def build(changes: dict[str, Any] | None = None) -> AnalogOpticalComputerEngine:
        return _loaded("aoc-2025", True).replace(**{**SMALL, **IDEAL, **(changes or {})})

    return build
