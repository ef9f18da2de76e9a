"""Products of activations with activations, as attention has them, on an engine fast enough to take both operands."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from photonics.draws import stream
from photonics.engine import Engine
from photonics.layers.optical_dot import OpticalDot
from photonics.layers.seams import Seam, find_seams, named, stack_roots


class OpticalDataDot(OpticalDot):
    """Drop-in for `jax.lax.dot_general` where both sides are data: the right one is encoded at every call.

    Batch axes are allowed; each of their matrices is a load of its own, with draws of its own. The first batch axis of
    the left side is that of the sequences, which keys of shape (batch,) belong to. Converters are ranged for typical
    operands, because there is nothing that stays to be calibrated.
    """

    def __call__(
        self,
        lhs: Array,
        rhs: Array,
        dimension_numbers: Any,
        precision: Any = None,
        preferred_element_type: Any = None,
        out_sharding: Any = None,
    ) -> Array:
        """The product of two arrays of activations, as `jax.lax.dot_general`."""
        del precision, preferred_element_type, out_sharding
        if self.mode == "calibrate":
            return jax.lax.dot_general(lhs, rhs, dimension_numbers)
        (left, right), (lhs_batch, rhs_batch) = dimension_numbers
        x, w = _matrices(lhs, left, lhs_batch, last=True), _matrices(rhs, right, rhs_batch, last=False)
        batch = tuple(lhs.shape[axis] for axis in lhs_batch)
        y = self._products(batch, x, w)
        free = [size for axis, size in enumerate(lhs.shape) if axis not in (*left, *lhs_batch)]
        free += [size for axis, size in enumerate(rhs.shape) if axis not in (*right, *rhs_batch)]
        return y.reshape(*batch, *free)

    def _products(self, batch: tuple[int, ...], x: Array, w: Array) -> Array:
        """x (B, m, k) times w (B, k, n), B all batch axes together."""
        key = stream(self.keys.get_value(), self.count[...])
        self.count[...] = self.count[...] + 1
        keys = _keys_of_matrices(key, batch)
        options: list[Callable[..., Array]] = [_digital] if self.digital else []
        options += [self._optical(hardware.get_value()) for hardware in self.hardware]
        y = options[0](keys, x, w) if len(options) == 1 else jax.lax.switch(self.choice[...], options, keys, x, w)
        if self.mode == "measure":
            true = x @ w
            self.record.set_value(
                {
                    "signal": jnp.sum(jnp.square(true)),
                    "error": jnp.sum(jnp.square(y - true)),
                    "electrons": jnp.zeros(()),
                    "macs": jnp.float32(x.size) * w.shape[-1],
                }
            )
        return y

    def _optical(self, engine: Engine) -> Callable[..., Array]:
        instance = self.instance[...]

        def one(key: Array, x: Array, w: Array) -> Array:
            return engine.matmul(key, x, engine.load_panel(w, instance=instance))

        return jax.vmap(one)


def find_data_products(model: nnx.Module) -> list[Seam]:
    """Modules of a model that multiply data with data through a seam, ordered by path, named as layers are.

    Told by an attribute `dot_general`, and `multiplies = False` because they have no weights.
    """
    seams, found = find_seams(model), []
    roots = stack_roots(model, seams)
    for path, module in nnx.iter_modules(model):
        if hasattr(module, "dot_general") and not getattr(module, "multiplies", True):
            layers, names = named(path, roots)
            found.append(Seam(module, path, layers, names))
    return sorted(found, key=lambda seam: tuple(map(str, seam.path)))


def _matrices(operand: Array, contracted: Sequence[int], batch: Sequence[int], *, last: bool) -> Array:
    """(B, free, k) with the contraction last, or (B, k, free) with it first."""
    free = [axis for axis in range(operand.ndim) if axis not in (*contracted, *batch)]
    order = (*batch, *free, *contracted) if last else (*batch, *contracted, *free)
    count, k = (math.prod(operand.shape[axis] for axis in axes) for axes in (batch, contracted))
    moved = operand.transpose(order)
    return moved.reshape(count, -1, k) if last else moved.reshape(count, k, -1)


def _keys_of_matrices(key: Array, batch: tuple[int, ...]) -> Array:
    """One key for each matrix of all batch axes together: that of its sequence, with the other indices folded in."""
    if key.ndim == 0:
        return jax.vmap(lambda number: stream(key, number))(jnp.arange(math.prod(batch)))
    if not batch or key.shape[0] != batch[0]:
        raise ValueError(f"keys of shape {key.shape} do not lead the batch axes {batch}: give one key per sequence")
    others = math.prod(batch[1:])
    return jax.vmap(lambda own: jax.vmap(lambda number: stream(own, number))(jnp.arange(others)))(key).reshape(-1)


def _digital(keys: Array, x: Array, w: Array) -> Array:
    del keys
    return x @ w
