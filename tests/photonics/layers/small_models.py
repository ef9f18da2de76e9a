"""Small models and engines for the tests of optical layers: they compile in seconds and have every kind of seam."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx

import photonics
from models.transformer.stack import run_layers
from photonics.engine import Engine

# Without graph updates only keys, counters and records come back; one function for all tests, so that models of the
# same structure compile once.
run = nnx.jit(lambda model, *inputs: model(*inputs), graph_updates=False)


@functools.cache
def ideal() -> Engine:
    """The ideal limit."""
    return photonics.load_engine("ideal")


@functools.cache
def continuous() -> Engine:
    """Shot and receiver noise, floors, tiles, idle sources; no rounding, so that equal draws give equal results."""
    return ideal().replace(
        **{
            "source.count": 12,
            "panel.outputs": 12,
            "encoding.rotate": False,
            "modulator.extinction_ratio": 100.0,
            "panel.extinction_ratio": 50.0,
            "photodetector.shot_noise": True,
            "receiver.capacitance_f": 1e-14,
            "operating_point.laser_power_w": 1e-5,
        }
    )


@functools.cache
def rounded() -> Engine:
    """`continuous` with real converters and panels; ranges short enough to depend on a sample, not on weights alone."""
    coarse = {"dac.ideal": False, "panel.ideal": False, "adc.ideal": False, "ranging.sigmas": 3.0}
    return continuous().replace(**coarse)


@functools.cache
def real() -> Engine:
    """The catalogue engine with every effect, on a panel of 12 inputs and 10 outputs."""
    engine = photonics.load_engine("free-space-1024").at(laser_power_w=1e-4)
    return engine.replace(**{"source.count": 12, "panel.outputs": 10})


class Block(nnx.Module):
    """x + down(silu(up(norm(x)))) with named scopes, as the layers of a transformer have them."""

    def __init__(self, width: int, hidden: int, rngs: nnx.Rngs):
        self.norm = nnx.RMSNorm(width, rngs=rngs)
        self.up = nnx.Linear(width, hidden, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(hidden, width, use_bias=False, rngs=rngs)

    def __call__(self, x):
        with jax.named_scope("up"):
            hidden = nnx.silu(self.up(self.norm(x)))
        with jax.named_scope("down"):
            return x + self.down(hidden)


class Stack(nnx.Module):
    """Blocks stacked and scanned, and a head."""

    def __init__(self, layers: int, width: int, hidden: int, outputs: int, rngs: nnx.Rngs):
        self.layers = nnx.vmap(lambda rngs: Block(width, hidden, rngs), in_axes=0)(rngs.split(layers))
        self.head = nnx.Linear(width, outputs, rngs=rngs)

    def __call__(self, x):
        with jax.named_scope("layers"):
            x = run_layers(self.layers, x)
        with jax.named_scope("head"):
            return self.head(x)


class Mixed(nnx.Module):
    """Every kind of seam, in the layers of flax itself: (batch, time, 8) to (batch, time, 5)."""

    names = (*(f"attention/{name}" for name in ("query", "key", "value", "out")), "mix", "head")

    def __init__(self, rngs: nnx.Rngs):
        # Its projections are LinearGeneral: one axis to two, and two to one.
        self.attention = nnx.MultiHeadAttention(num_heads=2, in_features=8, decode=False, rngs=rngs)
        self.mix = nnx.Einsum("btd,hkd->bthk", (2, 4, 8), (2, 4), rngs=rngs)
        self.head = nnx.Linear(8, 5, rngs=rngs)

    def __call__(self, x):
        x = nnx.silu(x + self.attention(x))
        return self.head(nnx.silu(self.mix(x)).reshape(*x.shape[:-1], 8))


def filled(make: Callable[[nnx.Rngs], nnx.Module], seed: int = 0) -> Any:
    """The module of `make` with normal weights of standard deviation 0.4, without compiling any initialiser."""
    model = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    draw = np.random.default_rng(seed)
    for _, param in sorted(nnx.to_flat_state(nnx.state(model, nnx.Param))):
        param.set_value(jax.numpy.asarray(0.4 * draw.standard_normal(param.shape), "float32"))
    return model


def stack(layers: int = 3, width: int = 8, hidden: int = 14, outputs: int = 5, seed: int = 0) -> Any:
    """A filled `Stack`."""
    return filled(lambda rngs: Stack(layers, width, hidden, outputs, rngs), seed)


def noise_of(values: Any, exact: Any) -> np.ndarray:
    """Flat, centred, unit-variance deviation of noisy values from exact ones."""
    noise = np.asarray(values - exact, np.float64).ravel()
    return (noise - noise.mean()) / noise.std()
