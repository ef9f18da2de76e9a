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
from photonics.layers.optical_dot import OpticalDot, value_of
from photonics.layers.seams import Seam, find_seams, named, stack_roots


class OpticalDataDot(OpticalDot):
    """Drop-in for `jax.lax.dot_general` where both sides are data: the right one is encoded at every call.

    Batch axes are allowed; each of their matrices is a load of its own, with draws of its own. The first batch axis of
    the left side is that of the sequences, which keys of shape (batch,) belong to. Operands are not rotated: rotation
    makes few tokens that are alike into rows that are alike, which no converter is ranged for.

    Converters are ranged for typical operands on the matrix that is loaded, times one factor from a calibration sample
    (`photonics.layers.calibrate`): shares of attention are not typical, since none of them is negative. A matrix is
    scaled and ranged as a whole, so a token feels, through scale and rounding, the keys that stand beside its own,
    later ones and padding included, as on a machine that loads them together.
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
        (left, right), (lhs_batch, rhs_batch) = dimension_numbers
        x, w = _matrices(lhs, left, lhs_batch, last=True), _matrices(rhs, right, rhs_batch, last=False)
        if self.mode == "calibrate":
            self.record.set_value([self._reach(hardware.get_value(), x, w) for hardware in self.hardware])
            return jax.lax.dot_general(lhs, rhs, dimension_numbers)
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
        options: list[Callable[..., tuple[Array, Array]]] = [_digital] if self.digital else []
        options += [self._optical(index) for index in range(len(self.hardware))]
        one = len(options) == 1
        y, electrons = options[0](keys, x, w) if one else jax.lax.switch(self.choice[...], options, keys, x, w)
        if self.mode == "measure":
            true = x @ w
            self.record.set_value(
                {
                    "signal": jnp.sum(jnp.square(true)),
                    "error": jnp.sum(jnp.square(y - true)),
                    "electrons": electrons,
                    "macs": jnp.float32(x.size) * w.shape[-1],
                }
            )
        return y

    def _optical(self, index: int) -> Callable[..., tuple[Array, Array]]:
        """The products (B, m, n) of one engine, and the photoelectrons that they took where they are measured."""
        engine, instance = _unrotated(self.hardware[index].get_value()), self.instance[...]
        reach = value_of(self.ranges[index])

        def one(key: Array, x: Array, w: Array) -> tuple[Array, Array]:
            panel = engine.load_panel(w, instance=instance)
            if reach is not None:
                ranges = panel.full_scale * reach, panel.activation_scale
                panel = engine.load_panel(w, instance=instance, ranges=ranges)
            electrons = engine.detected_electrons(x, panel) if self.mode == "measure" else jnp.zeros(())
            return engine.matmul(key, x, panel), electrons

        def all_of_them(keys: Array, x: Array, w: Array) -> tuple[Array, Array]:
            y, electrons = jax.vmap(one)(keys, x, w)
            return y, jnp.sum(electrons)

        return all_of_them

    def _reach(self, engine: Engine, x: Array, w: Array) -> Array:
        """Largest full scale that the sample asks for over the largest for typical operands on the same matrices."""
        engine, instance = _unrotated(engine), self.instance[...]

        def widest(x: Array, w: Array) -> tuple[Array, Array]:
            asked, typical = (engine.load_panel(w, sample=sample, instance=instance) for sample in (x, None))
            return jnp.max(asked.full_scale), jnp.max(typical.full_scale)

        asked, typical = (jnp.max(values) for values in jax.vmap(widest)(x, w))
        return asked / typical


def _unrotated(engine: Engine) -> Engine:
    return engine.replace(**{"encoding.rotate": False}) if engine.can_rotate else engine


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


def _digital(keys: Array, x: Array, w: Array) -> tuple[Array, Array]:
    del keys
    return x @ w, jnp.zeros(())
