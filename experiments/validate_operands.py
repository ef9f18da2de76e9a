"""Random operands, and products of them through an engine, for the quantities of `exalight validate`."""

import dataclasses
import functools
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from photonics.engine import Engine

_X, _W, _NOISE, _SAMPLE = range(4)


@dataclasses.dataclass(frozen=True)
class Product:
    """One product through an engine, beside the exact one.

    Attributes:
        engine: the engine, at the laser power that was asked for.
        panel: its loaded weights.
        x: (vectors, inputs) activations.
        w: (inputs, outputs) weights.
        exact: (vectors, outputs) the exact product, float64.
        found: (vectors, outputs) what the engine gave, float64.
    """

    engine: "Engine"
    panel: object
    x: np.ndarray
    w: np.ndarray
    exact: np.ndarray
    found: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Found minus exact, (vectors, outputs)."""
        return self.found - self.exact


def drawn(key: jax.Array, shape: tuple[int, ...], distribution: str) -> jax.Array:
    """Values of a named distribution: normal, laplace, uniform in -1..1, positive in 0..1, signs -1 and 1."""
    if distribution == "signs":
        return jax.random.rademacher(key, shape, jnp.float32)
    if distribution == "laplace":
        return jax.random.laplace(key, shape)
    if distribution == "uniform":
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
    return jax.random.uniform(key, shape) if distribution == "positive" else jax.random.normal(key, shape)


def peaked(value: jax.Array, axis: int, place: int, crest_factor: float | None) -> jax.Array:
    """The same values with one of each vector along `axis` at the peak: crest_factor times the rms of all.

    Scales follow the peak, so the others use 1 / crest_factor of the range. Activations and weights have their peaks at
    different places, so that no product is large. Unchanged without a crest factor, and where there is one value only.
    """
    if crest_factor is None or value.shape[axis] < 2:
        return value
    peak = crest_factor * jnp.sqrt(jnp.mean(jnp.square(value), axis=axis, keepdims=True))
    here = jnp.arange(value.shape[axis]) == place
    here = here[:, None] if axis == 0 else here
    return jnp.where(here, jnp.sign(value) * peak, jnp.clip(value, -peak, peak))


def product(
    engine: "Engine",
    *,
    inputs: int | None,
    outputs: int,
    vectors: int,
    activations: str,
    weights: str,
    path: str,
    seed: int,
    instance: int = 0,
    crest_factor: float | None = None,
    photons_per_mac: float | None = None,
) -> Product:
    """A product of random operands; converters are ranged on vectors of the same law that are not measured.

    With `photons_per_mac` the laser power is set so that the detectors see so many photoelectrons per MAC: these are
    proportional to the light wherever dark current is not counted as light.
    """
    keys = jax.random.split(jax.random.key(seed), 4)
    k = engine.inputs if inputs is None else inputs
    x = peaked(drawn(keys[_X], (vectors, k), activations), 1, 0, crest_factor)
    sample = peaked(drawn(keys[_SAMPLE], (min(vectors, 256), k), activations), 1, 0, crest_factor)
    w = peaked(drawn(keys[_W], (k, outputs), weights), 0, 1, crest_factor)
    panel = engine.load_panel(w, sample=sample, instance=instance)
    if photons_per_mac is not None:
        there = float(engine.detected_electrons(x, panel)) / (x.size * outputs)
        engine = engine.at(laser_power_w=float(engine.operating_point.laser_power_w) * photons_per_mac / there)
        panel = engine.load_panel(w, sample=sample, instance=instance)
    if path == "reference":
        found = engine.matmul_reference(keys[_NOISE], x, w, sample=sample, instance=instance)
    else:
        found = engine.matmul(keys[_NOISE], x, panel)
    exact = np.asarray(x, np.float64) @ np.asarray(w, np.float64)
    return Product(engine, panel, np.asarray(x), np.asarray(w), exact, np.asarray(found, np.float64))


# Statistics of the same product are asked for one after the other.
cached_product = functools.lru_cache(maxsize=1)(product)


def photons_per_mac(done: Product) -> float:
    """Photoelectrons per multiply-accumulate of a product, all rails and passes."""
    return float(done.engine.detected_electrons(jnp.asarray(done.x), done.panel)) / (done.x.size * done.w.shape[1])
