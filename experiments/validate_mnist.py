"""A perceptron for MNIST, trained for coarse operands and run through an engine with a given number of photons.

Wang et al., An optical neural network using less than 1 photon per multiplication, Nat. Commun. 13, 123 (2022):
784-100-100-10 with ReLU, activations of 4 bits, 32 weight levels, photons counted at the detectors.
"""

import functools
import math
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from experiments.validate_mnist_files import TEST, TRAIN, read_part
from photonics.gradients import straight_through

WIDTHS = (784, 100, 100, 10)
# Levels of a magnitude: 16 activations, zero included; 31 signed weights.
_LEVELS = 15
# The recipe of the paper: gradient descent with momentum, rounding after some epochs, rate halved on the way.
_RATE, _MOMENTUM, _EXACT_EPOCHS, _HALVINGS = 0.043, 0.87, 6, 4
_BATCH = 128

Weights = tuple[Array, ...]


class Data(NamedTuple):
    """Images (count, pixels) in 0..1 and labels (count,) of both parts."""

    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray


def load(folder: Path) -> Data:
    """The four files as arrays; RequestError as in `validate_mnist_files`."""
    arrays = []
    for part in (TRAIN, TEST):
        images, labels = read_part(folder, part)
        pixels = np.frombuffer(images.content, np.uint8).reshape(images.shape[0], -1)
        arrays += [pixels.astype(np.float32) / 255.0, np.frombuffer(labels.content, np.uint8).astype(np.int32)]
    return Data(*arrays)


def train(data: Data, *, epochs: int, seed: int, widths: tuple[int, ...] = WIDTHS) -> Weights:
    """Weights (inputs, outputs) of each layer, trained with the operands rounded as the engine rounds them.

    Straight-through rounding, that of activations random; the first epochs without. No biases: all of a layer is light.
    """
    key, own = jax.random.split(jax.random.key(seed))
    keys = jax.random.split(own, len(widths))
    weights = tuple(
        jax.random.normal(k, (a, b)) * math.sqrt(2.0 / a) for k, a, b in zip(keys, widths, widths[1:], strict=False)
    )
    batch = min(_BATCH, len(data.train_x))
    steps = len(data.train_x) // batch
    halving = max(epochs // (_HALVINGS + 1), 1) * steps
    rate = optax.exponential_decay(_RATE, transition_steps=halving, decay_rate=0.5, staircase=True)
    optimiser = optax.sgd(rate, momentum=_MOMENTUM)
    state, x, y = optimiser.init(weights), jnp.asarray(data.train_x), jnp.asarray(data.train_y)
    for epoch in range(epochs):
        order = jax.random.permutation(jax.random.fold_in(key, 2 * epoch), len(x))[: steps * batch]
        noise = jax.random.fold_in(key, 2 * epoch + 1)
        rounded = epoch >= min(_EXACT_EPOCHS, epochs - 1)
        weights, state = _epoch(optimiser, weights, state, x, y, order.reshape(steps, batch), noise, rounded)
    return weights


@functools.partial(jax.jit, static_argnums=(0, 7))
def _epoch(
    optimiser: Any, weights: Weights, state: Any, x: Array, y: Array, order: Array, key: Array, rounded: bool
) -> tuple[Weights, Any]:
    def loss(weights: Weights, key: Array, chosen: Array) -> Array:
        logits = forward(weights, x[chosen], key if rounded else None, rounded)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y[chosen]).mean()

    def step(carry: tuple[Weights, Any], inputs: tuple[Array, Array]) -> tuple[tuple[Weights, Any], None]:
        weights, state = carry
        number, chosen = inputs
        gradient = jax.grad(loss)(weights, jax.random.fold_in(key, number), chosen)
        updates, state = optimiser.update(gradient, state)
        moved: Any = optax.apply_updates(weights, updates)
        return (moved, state), None

    (weights, state), _ = jax.lax.scan(step, (weights, state), (jnp.arange(len(order)), order))
    return weights, state


def forward(weights: Weights, x: Array, key: Array | None, rounded: bool = True) -> Array:
    """Logits (m, 10) without photons; activations rounded at random where a key is given."""
    for number, w in enumerate(weights):
        if rounded:
            dither = None if key is None else jax.random.uniform(jax.random.fold_in(key, number), x.shape) - 0.5
            x, w = _rounded(x, 1, dither), _rounded(w, 0, None)
        x = x @ w
        if number < len(weights) - 1:
            x = jax.nn.relu(x)
    return x


def _rounded(value: Array, axis: int, dither: Array | None) -> Array:
    """Values rounded to `_LEVELS` steps of the largest magnitude along an axis, straight-through."""
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(value), axis=axis, keepdims=True))
    steps = value * (_LEVELS / jnp.where(largest > 0, largest, 1.0))
    if dither is not None:
        # Zero stays zero: a dark pixel sends no light.
        steps = steps + dither * (value != 0)
    return straight_through(value, jnp.clip(jnp.round(steps), -_LEVELS, _LEVELS) * largest / _LEVELS)


def accuracy(engine: Any, weights: Weights, x: Array, y: Array, photons_per_mac: float, seed: int) -> float:
    """Share of vectors (m, pixels) with the right largest output, every layer through the engine.

    As in the paper, the light of each vector is chosen so that photons per multiplication, with weights fully open, are
    the same for all; `photons_per_mac` is what of them is detected, on average over all multiplications.
    """
    panels = [engine.load_panel(w) for w in weights]
    open_photons = photons_per_mac / _detected_share(engine, weights, panels, x)
    for number, (w, panel) in enumerate(zip(weights, panels, strict=True)):
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), len(x))
        powers_w = _powers_w(engine, x, open_photons)
        x = _shown(engine, panel, powers_w, keys, x)
        if w.shape[1] != weights[-1].shape[1]:
            x = jax.nn.relu(x)
    return float(jnp.mean(jnp.argmax(x, axis=1) == y))


def _powers_w(engine: Any, x: Array, photons: float) -> Array:
    """Laser power for each vector (m,): electrons per path = photons over the mean of x / max x."""
    largest = jnp.max(x, axis=1)
    share = jnp.mean(x, axis=1) / jnp.where(largest > 0, largest, 1.0)
    per_w = engine.electrons_per_path() / engine.operating_point.laser_power_w
    # A vector without light shows none, whatever the laser does.
    return photons / per_w / jnp.where(share > 0, share, 1.0)


@jax.jit
def _shown(engine: Any, panel: Any, powers_w: Array, keys: Array, x: Array) -> Array:
    def one(power_w: Array, key: Array, row: Array) -> Array:
        return engine.at(laser_power_w=power_w).matmul(key, row[None], panel)[0]

    return jax.vmap(one)(powers_w, keys, x)


def _detected_share(engine: Any, weights: Weights, panels: list[Any], x: Array) -> float:
    """Photons detected over photons that open weights would pass, mean over all multiplications."""
    detected = macs = 0.0
    for number, (w, panel) in enumerate(zip(weights, panels, strict=True)):
        powers_w = _powers_w(engine, x, 1.0)
        each = jax.vmap(
            lambda power_w, row, panel=panel: engine.at(laser_power_w=power_w).detected_electrons(row, panel)
        )
        detected += float(jnp.sum(each(powers_w, x)))
        macs += x.shape[0] * w.size
        if number < len(weights) - 1:
            x = jax.nn.relu(forward((w,), x, None))
    return detected / macs
