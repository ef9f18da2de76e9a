"""Ranges of a whole model from one call of it, however it is called."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from calibration.ranges import calibrate_ranges
from models.encoder.load import load_encoder
from photonics.layers import Ranges, opticalize
from tests.models.encoder import tiny_encoders as tiny
from tests.photonics.layers.small_models import filled, rounded

ROW = [2, 5, 6, 8, 10, 49, 3]


class TwoWays(nnx.Module):
    """A layer that one way of calling does not reach."""

    def __init__(self, rngs: nnx.Rngs):
        self.first, self.second = (nnx.Linear(8, 5, rngs=rngs) for _ in range(2))

    def __call__(self, x, y):
        return self.first(x) + self.second(y)

    def part(self, x, y):
        return self.first(y) + self.second(x)


def ranges(model: Any) -> list[np.ndarray]:
    state = nnx.to_flat_state(nnx.state(model, Ranges))
    return [np.asarray(leaf) for leaf in jax.tree.leaves([variable.get_value() for _, variable in state])]


def test_the_call_that_is_meant_sets_the_ranges():
    x, y = (jnp.asarray(np.random.default_rng(i).standard_normal((40, 8)), jnp.float32) for i in range(2))
    models = []
    for inputs, call in (((x, y), None), ((y, x), lambda model, *given: model.part(*given)), ((x, x), None)):
        model = filled(TwoWays)
        opticalize(model, rounded(), rngs=nnx.Rngs(noise=0))
        calibrate_ranges(model, *inputs, call=call)
        models.append(ranges(model))
    for one, other in zip(models[0], models[1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(np.max(np.abs(one - other)) > 0 for one, other in zip(models[0], models[2], strict=True))


def test_rows_filled_up_with_themselves_range_as_rows_alone(tmp_path):
    """What stands behind the end of a row in a calibration goes through the layers; text is like text."""
    stored = load_encoder(tiny.write_encoder(tmp_path), head=False).source

    def calibrated(row: list[int]) -> np.ndarray:
        model: Any = load_encoder(stored, head=False).model
        opticalize(model, rounded(), rngs=nnx.Rngs(noise=0))
        inputs = jnp.asarray([row], jnp.int32), jnp.asarray([len(ROW)], jnp.int32)
        calibrate_ranges(model, *inputs, call=lambda called, *given: called.embed(*given))
        return np.concatenate([leaf.ravel() for leaf in ranges(model)])

    alone = calibrated(ROW)
    itself, padding = (
        np.median(np.abs(calibrated(row) / alone - 1)) for row in (list(np.resize(ROW, 28)), ROW + [0] * 21)
    )
    assert itself < 0.15
    assert padding > 1.3 * itself
