"""Homodyne engines shared by the tests of the family; small ones, so that tests are quick."""

from collections.abc import Callable
from typing import Any

import pytest

import photonics
from photonics.homodyne.engine import HomodyneEngine
from tests.photonics.family_engines import exact

# Two tiles for a product of length 48, eight outputs side by side.
SMALL: dict[str, Any] = {"array.rows": 4, "array.columns": 8, "array.integration": 32, "encoding.rotate": False}


@pytest.fixture(scope="session")
def homodyne() -> HomodyneEngine:
    """The full engine `homodyne`."""
    return photonics.load_engine("homodyne")  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="session")
def small(homodyne: HomodyneEngine) -> Callable[..., HomodyneEngine]:
    """Builder of `homodyne` with 4 x 8 units and 32 symbols, to which a test makes changes."""

    def build(changes: dict[str, Any] | None = None) -> HomodyneEngine:
        return homodyne.replace(**{**SMALL, **(changes or {})})

    return build


@pytest.fixture(scope="session")
def bare(small: Callable[..., HomodyneEngine]) -> Callable[..., HomodyneEngine]:
    """The same without any effect that spoils a product, to which a test adds what it is about."""

    def build(changes: dict[str, Any] | None = None) -> HomodyneEngine:
        return exact(small()).replace(**(changes or {}))

    return build
