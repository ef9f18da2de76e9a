"""Models made of flax's own layers, written without a thought of light, computed with light."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from photonics.layers import calibrate, load_panels, opticalize, reseed
from tests.photonics.layers.small_models import continuous, ideal, run

X = jnp.asarray(np.random.default_rng(0).standard_normal((4, 6, 8)), jnp.float32)
KEYS = jax.random.split(jax.random.key(5), 4)


def perceptron(rngs: nnx.Rngs) -> nnx.Module:
    """Linear layers with biases among functions, a norm and a dropout."""
    return nnx.Sequential(
        nnx.Linear(8, 14, rngs=rngs),
        nnx.gelu,
        nnx.LayerNorm(14, rngs=rngs),
        nnx.Dropout(0.5, deterministic=True, rngs=rngs),
        nnx.Linear(14, 3, rngs=rngs),
    )


class Convolutional(nnx.Module):
    """A convolution, which has no seam, a norm with running averages, and a head."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(8, 8, (3,), rngs=rngs)
        self.norm = nnx.BatchNorm(8, use_running_average=True, rngs=rngs)
        self.head = nnx.Linear(8, 3, rngs=rngs)

    def __call__(self, x):
        return self.head(nnx.relu(self.norm(self.conv(x))).mean(axis=1))


class Recurrent(nnx.Module):
    """One cell, called once per step."""

    def __init__(self, rngs: nnx.Rngs):
        self.cell = nnx.GRUCell(8, 8, rngs=rngs)

    def __call__(self, x):
        state = jnp.zeros((x.shape[0], 8))
        for step in range(x.shape[1]):
            state, _ = self.cell(state, x[:, step])
        return state


class Scanned(nnx.Module):
    """A cell inside flax's own loop over time."""

    def __init__(self, rngs: nnx.Rngs):
        self.rnn = nnx.RNN(nnx.LSTMCell(8, 8, rngs=rngs))

    def __call__(self, x):
        return self.rnn(x)


MODELS: dict[str, tuple[Callable[[nnx.Rngs], nnx.Module], set[str], set[str]]] = {
    "perceptron": (perceptron, {"layers/0", "layers/4"}, set()),
    "convolutional": (Convolutional, {"head"}, {"conv (Conv)"}),
    "recurrent": (Recurrent, {"cell/dense_h", "cell/dense_i"}, set()),
    "scanned": (Scanned, {f"rnn/cell/{a}{b}" for a in "ih" for b in ("f_", "g", "i", "o")}, set()),
}


@pytest.mark.parametrize("name", MODELS)
def test_any_model_in_the_ideal_limit_equals_the_plain_model(name):
    make, replaced, unreachable = MODELS[name]
    exact = run(make(nnx.Rngs(0)), X)
    model: Any = make(nnx.Rngs(0))
    report = opticalize(model, ideal(), rngs=nnx.Rngs(noise=0))
    assert {path.replace("/hf", "/hf_") for path in report.replaced} == replaced
    assert set(report.unreachable) == unreachable
    # float32 sums in another order and a rotation: 1e-6 of numbers of order one
    np.testing.assert_allclose(run(model, X), exact, atol=1e-5)
    if name != "scanned":  # a loop that carries its cell cannot bring a sample's ranges out of it
        calibrate(model, lambda called: called(X))
    load_panels(model)
    np.testing.assert_allclose(run(model, X), exact, atol=1e-5)


@pytest.mark.parametrize("name", ["perceptron", "convolutional", "recurrent"])
def test_the_comparison_can_fail(name):
    make, *_ = MODELS[name]
    model: Any = make(nnx.Rngs(0))
    opticalize(model, continuous(), rngs=nnx.Rngs(noise=0))
    reseed(model, KEYS)
    assert np.max(np.abs(run(model, X) - run(make(nnx.Rngs(0)), X))) > 1e-3
