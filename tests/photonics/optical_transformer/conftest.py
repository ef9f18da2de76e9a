"""Small engines of the family, so that tests are quick."""

from collections.abc import Callable
from typing import Any

import pytest

import photonics
from photonics.optical_transformer.engine import OpticalTransformerEngine
from tests.photonics.family_engines import exact

SMALL = {"panel.inputs": 32, "panel.outputs": 16}


@pytest.fixture(scope="session")
def full() -> OpticalTransformerEngine:
    """The catalogue engine `optical-transformers`."""
    return photonics.load_engine("optical-transformers")  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="session")
def small(full: OpticalTransformerEngine) -> Callable[..., OpticalTransformerEngine]:
    """Builder of the same with 32 inputs and 16 outputs, to which a test adds what it is about."""

    def build(changes: dict[str, Any] | None = None) -> OpticalTransformerEngine:
        return full.replace(**{**SMALL, **(changes or {})})

    return build


@pytest.fixture(scope="session")
def bare(small: Callable[..., OpticalTransformerEngine]) -> Callable[..., OpticalTransformerEngine]:
    """Builder of the ideal limit in the same size."""

    def build(changes: dict[str, Any] | None = None) -> OpticalTransformerEngine:
        return exact(small()).replace(**(changes or {}))

    return build
