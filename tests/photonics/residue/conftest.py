"""Residue engines shared by the tests of the family."""

import math
from collections.abc import Callable
from typing import Any

import pytest

import photonics
from photonics.residue.engine import ResidueEngine
from photonics.stage import Scalar

# A product of length 72 takes three tiles.
SMALL = {"core.inputs": 32, "core.outputs": 16}


@pytest.fixture(scope="session")
def full() -> ResidueEngine:
    """The catalogue engine `residue-2024`."""
    return photonics.load_engine("residue-2024")  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="session")
def small(full: ResidueEngine) -> Callable[..., ResidueEngine]:
    """Builder of the same with 32 inputs and 16 outputs, to which a test makes changes."""

    def build(changes: dict[str, Any] | None = None) -> ResidueEngine:
        return full.replace(**{**SMALL, **(changes or {})})

    return build


@pytest.fixture(scope="session")
def phase_noise() -> Callable[[ResidueEngine], Scalar]:
    """Variance of a phase with its offset and the noise of the converter [levels^2 of the largest modulus]."""

    def noise(engine: ResidueEngine) -> Scalar:
        largest = engine.encoding.all_moduli()[0]
        offset = engine.readout.offset_variance(engine.operating_point)
        return engine.level_variance(largest) + (largest / 2 / math.pi) ** 2 * offset

    return noise
