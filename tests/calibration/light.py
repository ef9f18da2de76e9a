"""A tiny model with light under it, ranges set, for tests of what is trained."""

import jax
from flax import nnx

from models.transformer.model import Transformer
from photonics.catalogue import apply_overrides, build_engine, read_engine_file
from photonics.free_space import FreeSpaceEngine
from photonics.layers import calibrate, opticalize
from tests.models.transformer.tiny_folder import TINY, tiny_model

TOKENS = jax.random.randint(jax.random.key(3), (2, 7), 0, TINY.vocabulary)
SAMPLE = jax.random.randint(jax.random.key(4), (2, 12), 0, TINY.vocabulary)
SMALL = ("source.count=32", "panel.outputs=64", "encoding.rotate=true", "operating_point.laser_power_w=0.003")


def engine(*overrides: str) -> FreeSpaceEngine:
    """An engine of the size of the tiny model, dim enough that its noise is felt."""
    built = build_engine(apply_overrides(read_engine_file("free-space-1024"), [*SMALL, *overrides]))
    assert isinstance(built, FreeSpaceEngine)
    return built


def lit(*overrides: str) -> tuple[Transformer, FreeSpaceEngine]:
    """A calibrated model and the engine under it."""
    model, under = tiny_model(TINY), engine(*overrides)
    opticalize(model, under, rngs=nnx.Rngs(noise=0))
    calibrate(model, lambda called: called(SAMPLE))
    return model, under
