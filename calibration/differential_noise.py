"""Noise of every layer measured once and then drawn from its histogram: training without simulating the engine.

    e = (y_light - y) / (max|x| max_k|w_kn|)        on a sample, every layer on exact inputs
    y' = y + F^-1(u) max|x| max_k|w_kn|              u uniform, F the distribution of e in that layer

A step costs a plain product and a draw per output instead of an engine. Errors are taken relative to the largest
activation of the token and the largest weight of the column, to which engines scale both operands; so noise follows
the weights as they move. What is lost: how noise depends on the signal (shot noise), what outputs of one token or one
machine have in common, clipping as a slope, and any other laser power or machine than those of the measurement.

Basumallik et al., Adaptive Block Floating-Point for Analog Deep Learning Hardware, 2022 (arXiv 2205.06287), section on
differential noise finetuning; there the histogram is of the difference itself, in units of the output.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from photonics.draws import stream
from photonics.layers.opticalize import optical_seams
from photonics.layers.seams import Seam, find_seams

QUANTILES = 257
"""Points of a distribution function, evenly spaced in probability from 0 to 1."""

Histograms = dict[str, Array]
"""Quantiles (QUANTILES,) of e, (layers, QUANTILES) of a stack, by its name as "layers/mlp/down"."""


class Histogram(nnx.Variable):
    """Quantiles of a layer's relative error: measured, not trained."""


class HistogramNoise(nnx.Module):
    """Drop-in for `jax.lax.dot_general` in one layer: the exact product and a draw from a histogram."""

    def __init__(self, quantiles: Array) -> None:
        self.quantiles = Histogram(quantiles)
        lead = quantiles.shape[:-1]
        self.keys = nnx.RngKey(jax.random.split(jax.random.key(0), lead) if lead else jax.random.key(0))

    def __call__(self, lhs: Array, rhs: Array, dimension_numbers: Any, **options: Any) -> Array:
        """The product of activations lhs (..., k) and weights rhs (k, n), with noise."""
        y = jax.lax.dot_general(lhs, rhs, dimension_numbers, **options)
        place = jax.random.uniform(self.keys.get_value(), y.shape) * (QUANTILES - 1)
        below = jnp.minimum(place.astype(jnp.int32), QUANTILES - 2)
        quantiles = self.quantiles.get_value()
        drawn = quantiles[below] + (place - below) * (quantiles[below + 1] - quantiles[below])
        return y + drawn * _scale(lhs, rhs)


class _Difference(nnx.Module):
    """Stands around an optical product, keeps the quantiles of its relative error, and returns the exact product."""

    def __init__(self, dot: nnx.Module, lead: tuple[int, ...]) -> None:
        self.dot: Any = nnx.data(dot)
        # An Intermediate is what a scanned stack slices and returns.
        self.seen = nnx.Intermediate(jnp.zeros((*lead, QUANTILES)))

    def __call__(self, lhs: Array, rhs: Array, dimension_numbers: Any, **options: Any) -> Array:
        y = jax.lax.dot_general(lhs, rhs, dimension_numbers, **options)
        error = (self.dot(lhs, rhs, dimension_numbers, **options) - y) / jnp.maximum(_scale(lhs, rhs), 1e-30)
        self.seen.set_value(jnp.quantile(error.reshape(-1), jnp.linspace(0.0, 1.0, QUANTILES)))
        return y


def measure(model: nnx.Module, call: Callable[[Any], Any]) -> Histograms:
    """The histograms of an opticalized, calibrated model over one call on a sample, with the noise keys it has.

    The model is not changed. ValueError for a model without optical layers, and for layers that are an `nnx.Einsum`.
    """
    copy = nnx.clone(model)
    recorders = {}
    for seam in optical_seams(copy):
        _check_linear(seam)
        recorders[seam.stack_name] = _Difference(seam.dot(), () if seam.layers is None else (seam.layers,))
        seam.module.dot_general = nnx.data(recorders[seam.stack_name])
    if not recorders:
        raise ValueError("the model has no optical layers whose noise could be measured")

    def run(called: Any) -> None:
        call(called)

    nnx.jit(run, graph_updates=False)(copy)
    return {name: recorder.seen.get_value() for name, recorder in recorders.items()}


def install(model: nnx.Module, histograms: Mapping[str, Array]) -> None:
    """Put the noise of `measure` into a digital model, in place.

    ValueError for histograms of layers that it does not have.
    """
    seams = {seam.stack_name: seam for seam in find_seams(model)}
    if not histograms.keys() <= seams.keys():
        raise ValueError(f"there are no layers {', '.join(sorted(histograms.keys() - seams.keys()))} in this model")
    for name, quantiles in histograms.items():
        _check_linear(seams[name])
        seams[name].module.dot_general = nnx.data(HistogramNoise(quantiles))


def reseed(model: nnx.Module, key: Array) -> None:
    """Give every layer with histogram noise a fresh key of its own, in place; other layers are left alone."""
    for seam in find_seams(model):
        noise = getattr(seam.module, "dot_general", None)
        if isinstance(noise, HistogramNoise):
            own = stream(key, zlib.crc32(seam.stack_name.encode()))
            noise.keys.set_value(own if seam.layers is None else jax.random.split(own, seam.layers))


def _scale(x: Array, w: Array) -> Array:
    """max|x| max_k|w_kn|, (..., n); a constant for derivatives, as the scale of a converter is."""
    largest = jnp.max(jnp.abs(x), axis=-1, keepdims=True) * jnp.max(jnp.abs(w), axis=0)
    return jax.lax.stop_gradient(largest)


def _check_linear(seam: Seam) -> None:
    if isinstance(seam.module, nnx.Einsum):
        raise ValueError(f"{seam.names[0]} is an einsum, whose noise is not measured")
