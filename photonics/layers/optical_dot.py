"""The seam itself: an nnx module that stands where a layer had `jax.lax.dot_general`, and the Variables it holds.

Hardware, loaded panels and ADC ranges are Variables of their own kinds and none is an `nnx.Param`: they are traced and
differentiable, and no optimiser trains them by accident. In a scanned stack everything carries the leading layer axis.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from photonics import dot_general as products
from photonics.draws import stream
from photonics.engine import Engine
from photonics.loaded_panel import LoadedPanel, unpacked
from photonics.rules import Assignment


class Hardware(nnx.Variable):
    """Values of an engine: swept and calibrated, differentiable with `nnx.DiffState(0, Hardware)`, not trained."""


class Panel(nnx.Variable):
    """A `LoadedPanel`: weights as they stand on the panels. While it is there the layer's kernel is not read."""


class Ranges(nnx.Variable):
    """(full_scale, activation_scale) from a calibration sample, for one engine of a seam."""


class Place(nnx.Variable):
    """Integers of a layer: which of the seam's engines computes it, and which piece of glass it has."""


class OpticalDot(nnx.Module):
    """Drop-in for `jax.lax.dot_general` in one layer, or in one place of a stack of layers.

    Every call takes fresh noise: the call counter is folded into the layer's key. Gradients reach activations,
    weights (unless panels are loaded) and hardware.
    """

    def __init__(self, assignment: Assignment, instance: Array, keys: Array, stacked: bool):
        lead = instance.shape
        self.hardware = nnx.List([Hardware(engine) for engine in assignment.engines])
        choice = jnp.asarray(assignment.choice if stacked else assignment.choice[0])
        self.choice: Any = nnx.data(Place(choice) if len(assignment.engines) + assignment.digital > 1 else None)
        self.instance = Place(instance)
        self.ranges: Any = nnx.List([nnx.data(None) for _ in assignment.engines])
        self.panels: Any = nnx.List([nnx.data(None) for _ in assignment.engines])
        self.keys = nnx.RngKey(keys)
        self.count = nnx.RngCount(jnp.zeros(lead, jnp.uint32))
        self.record: Any = nnx.data(None)
        self.digital = assignment.digital
        self.mode = "compute"

    def __call__(
        self,
        lhs: Array,
        rhs: Array,
        dimension_numbers: Any,
        precision: Any = None,
        preferred_element_type: Any = None,
        out_sharding: Any = None,
    ) -> Array:
        """The product of activations lhs and weights rhs, as `jax.lax.dot_general` without batch axes."""
        del precision, out_sharding
        y = products.contract(self.product, lhs, rhs, dimension_numbers)
        return y if preferred_element_type is None else y.astype(preferred_element_type)

    def product(self, x: Array, w: Array) -> Array:
        """x (..., k) times w (k, n) on the engine of this layer."""
        if self.mode == "calibrate":
            self.record.set_value([self._calibrate(i, x, w) for i in range(len(self.hardware))])
            return products.exact(x, w)
        key = stream(self.keys.get_value(), self.count[...])
        self.count[...] = self.count[...] + 1
        panels = [self._panel(i, w) for i in range(len(self.hardware))]
        engines = [hardware.get_value() for hardware in self.hardware]
        options: list[Callable[..., tuple[Array, Array]]] = [_digital] if self.digital else []
        options += [_optical(engine, i, self.mode) for i, engine in enumerate(engines)]
        if len(options) == 1:
            y, electrons = options[0](key, x, w, panels)
        else:
            y, electrons = jax.lax.switch(self.choice[...], options, key, x, w, panels)
        if self.mode == "measure":
            true = products.exact(x, w)
            self.record.set_value(
                {
                    "signal": jnp.sum(jnp.square(true)),
                    "error": jnp.sum(jnp.square(y - true)),
                    "electrons": electrons,
                    "macs": jnp.float32(x.size) * w.shape[1],
                }
            )
        return _in_memory(y, engines[0])

    def einsum(self, equation: str, lhs: Array, rhs: Array, **options: Any) -> Array:
        """Drop-in for `jnp.einsum` of activations and weights."""
        return products.einsum(lambda a, b, numbers: self(a, b, numbers, **options), equation, lhs, rhs)

    def _panel(self, index: int, w: Array) -> LoadedPanel:
        if self.panels[index] is not None:
            return unpacked(self.panels[index].get_value())
        engine, ranges = self.hardware[index].get_value(), value_of(self.ranges[index])
        return engine.load_panel(w, instance=self.instance[...], ranges=ranges)

    def _calibrate(self, index: int, x: Array, w: Array) -> tuple[Array, Array]:
        panel = self.hardware[index].get_value().load_panel(w, sample=x, instance=self.instance[...])
        return panel.full_scale, panel.activation_scale


class OpticalEinsum(nnx.Module):
    """Drop-in for `jnp.einsum` in a layer (the `einsum_op` of `nnx.Einsum`) around an `OpticalDot`."""

    def __init__(self, dot: OpticalDot):
        self.dot = dot

    def __call__(self, equation: str, lhs: Array, rhs: Array, precision: Any = None, **options: Any) -> Array:
        """The einsum of activations lhs and weights rhs, e.g. "btd,dhk->bthk"."""
        del precision
        return self.dot.einsum(equation, lhs, rhs, **options)


def _optical(engine: Engine, index: int, mode: str) -> Callable[..., tuple[Array, Array]]:
    def product(key: Array, x: Array, w: Array, panels: list[LoadedPanel]) -> tuple[Array, Array]:
        del w
        y = engine.matmul(key, x, panels[index])
        electrons = engine.detected_electrons(x, panels[index]) if mode == "measure" else jnp.zeros(())
        return y, electrons

    return product


def _in_memory(y: Array, engine: Engine) -> Array:
    """y, written to memory before anyone reads it.

    A compiler would rather fuse noise and converters into what follows, and there make every draw several times
    (rotary embeddings) or one by one (argmax). It cannot see through a condition that only the run decides; the one
    here always holds, because an engine without a symbol rate computes nothing.
    """
    runs = jnp.asarray(engine.operating_point.symbol_rate_hz) > 0
    return jax.lax.cond(runs, lambda y: y, lambda y: jnp.full_like(y, jnp.nan), y)


def _digital(key: Array, x: Array, w: Array, panels: list[LoadedPanel]) -> tuple[Array, Array]:
    del key, panels
    return products.exact(x, w), jnp.zeros(())


def value_of(variable: nnx.Variable | None) -> Any:
    """The value that an optional Variable holds, or None."""
    return None if variable is None else variable.get_value()
