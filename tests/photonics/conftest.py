"""Engines and products shared by the tests of the optical path; small ones, so that tests are quick."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import pytest

import photonics
from photonics.free_space import FreeSpaceEngine

# Fan-in and fan-out of the small engines: a product of length 24 fills one tile in part, one of 48 two tiles.
SMALL = {"source.count": 32, "panel.outputs": 16}


@pytest.fixture(scope="session")
def catalogue() -> FreeSpaceEngine:
    """The full engine `free-space-1024`."""
    return photonics.load_engine("free-space-1024")


@pytest.fixture(scope="session")
def small(catalogue: FreeSpaceEngine) -> Callable[..., FreeSpaceEngine]:
    """Builder of `free-space-1024` with 32 sources and 16 outputs: `small({"adc.bits": 8})` changes a value."""

    def build(changes: dict[str, Any] | None = None) -> FreeSpaceEngine:
        return catalogue.replace(**{**SMALL, **(changes or {})})

    return build


@pytest.fixture(scope="session")
def bare() -> Callable[..., FreeSpaceEngine]:
    """Builder of the ideal engine in the same size, not rotating, to which a test adds what it is about."""
    engine = photonics.load_engine("ideal", ["encoding.rotate=false"])

    def build(changes: dict[str, Any] | None = None) -> FreeSpaceEngine:
        return engine.replace(**{**SMALL, **(changes or {})})

    return build


@pytest.fixture(scope="session")
def quickly() -> Callable[..., Any]:
    """`jax.jit` that compiles fast and runs slowly, for large programs that run few times."""
    return functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@pytest.fixture
def uncompiled() -> Iterator[None]:
    """Every operation by itself: quicker where many engines of different structure multiply the same shapes once."""
    with jax.disable_jit():
        yield


@pytest.fixture(scope="session")
def product() -> Callable[..., jax.Array]:
    """`engine.matmul(key, x, w)` compiled once per structure of engine and shape of operands."""
    return jax.jit(lambda engine, key, x, w: engine.matmul(key, x, w))


@pytest.fixture(scope="session")
def loaded() -> Callable[..., Any]:
    """`engine.load_panel(w, sample=...)`, compiled."""
    return jax.jit(lambda engine, w, sample=None, instance=0: engine.load_panel(w, sample=sample, instance=instance))
