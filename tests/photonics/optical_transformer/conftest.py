"""Small engines of the family, so that tests are quick."""

from collections.abc import Callable
from typing import Any

import pytest

import photonics
from photonics.optical_transformer.engine import OpticalTransformerEngine

SMALL = {"panel.inputs": 32, "panel.outputs": 16}
# Everything that spoils a product switched off.
IDEAL = {
    "dac.ideal": True,
    "quantiser.ideal": True,
    "adc.ideal": True,
    "receiver.shot_noise": False,
    "encoding.activation_percentile": 100.0,
}


@pytest.fixture(scope="session")
def full() -> OpticalTransformerEngine:
    """The catalogue engine `optical-transformers`."""
    engine = photonics.load_engine("optical-transformers")
    assert isinstance(engine, OpticalTransformerEngine)
    return engine


@pytest.fixture(scope="session")
def small(full: OpticalTransformerEngine) -> Callable[..., OpticalTransformerEngine]:
    """Builder of the same with 32 inputs and 16 outputs, to which a test adds what it is about."""

    def build(changes: dict[str, Any] | None = None) -> OpticalTransformerEngine:
        return full.replace(**{**SMALL, **(changes or {})})

    return build


@pytest.fixture(scope="session")
def bare(full: OpticalTransformerEngine) -> Callable[..., OpticalTransformerEngine]:
    """Builder of the ideal limit in the same size."""

    def build(changes: dict[str, Any] | None = None) -> OpticalTransformerEngine:
        return full.replace(**{**SMALL, **IDEAL, **(changes or {})})

    return build
