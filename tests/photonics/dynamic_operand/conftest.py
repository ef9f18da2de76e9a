"""Engines shared by the tests of the dynamic-operand family."""

from collections.abc import Callable
from typing import Any

import pytest

import photonics
from photonics.dynamic_operand.engine import DynamicOperandEngine
from tests.photonics.family_engines import exact


@pytest.fixture(scope="session")
def dota() -> DynamicOperandEngine:
    """DOTA-B with 4 bits."""
    return photonics.load_engine("lightening-dota-b")  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="session")
def dota_8bit() -> DynamicOperandEngine:
    """DOTA-B with 8 bits."""
    return photonics.load_engine("lightening-dota-b-8bit")  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="session")
def bare(dota: DynamicOperandEngine) -> Callable[..., DynamicOperandEngine]:
    """Builder of DOTA-B without any error, to which a test adds what it is about."""

    def build(changes: dict[str, Any] | None = None) -> DynamicOperandEngine:
        return exact(dota).replace(**(changes or {}))

    return build
