"""Full scales of the converters behind a weight matrix, from a sample of its inputs or from its weights alone."""

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array

from photonics import operands

if TYPE_CHECKING:
    from photonics.encoding import Exposure
    from photonics.free_space import FreeSpaceEngine


def ranges_of(engine: "FreeSpaceEngine", sample: Array | None, meant: Array) -> tuple[Array, Array]:
    """ADC half range (panels, n) and static activation scale () for normalised weights meant (panels, rows, n).

    One converter serves all exposures of its output, so they share the range of the widest. Raises ValueError where
    static activation scales are asked for without a sample (..., k).
    """
    encoding, one = engine.encoding, jnp.ones((), jnp.float32)
    tiles, rows = meant.shape[0] // encoding.weight_slices, meant.shape[1]
    if sample is None:
        if encoding.activation_scale == "static":
            raise ValueError("static activation scales need a calibration sample of shape (..., k)")
        return _from_weights(engine, meant), one
    x = encoding.rotate_activations(sample.reshape(-1, sample.shape[-1]).astype(jnp.float32))
    static_scale = encoding.static_activation_scale(x) if encoding.activation_scale == "static" else one
    scale = static_scale if encoding.activation_scale == "static" else encoding.activation_scales(x)
    drive = engine.dac.drive(jnp.clip(x / scale, -1.0, 1.0))
    drive = jnp.pad(drive, ((0, 0), (0, tiles * rows - x.shape[1]))).reshape(-1, tiles, rows).swapaxes(0, 1)
    drive = jnp.concatenate([drive] * encoding.weight_slices)
    largest, kind = _largest(engine, meant), _kind_of_signal(engine)
    signals = (_signal(engine, exposure, meant) for exposure in engine.exposures(drive))
    widest = jnp.stack([engine.ranging.from_sample(signal, largest, **kind) for signal in signals])
    return jnp.max(widest, axis=0), static_scale


def _kind_of_signal(engine: "FreeSpaceEngine") -> dict[str, bool]:
    return {"pedestal": engine.has_pedestal(), "unipolar": engine.unipolar()}


def _signal(engine: "FreeSpaceEngine", exposure: "Exposure", meant: Array) -> Array:
    """What the converter sees, sum_k U V (panels, tokens, n), without noise."""
    weights = engine.encoding.weight_factor * meant + engine.weight_pedestal()
    return (jnp.asarray(exposure.meant) + exposure.base) @ weights + engine.constant_signal(meant.shape[1])


def _largest(engine: "FreeSpaceEngine", meant: Array) -> Array:
    """The largest signal there can be (panels, n): every input at full drive with the sign of its weight."""
    weights = engine.encoding.weight_factor * meant + engine.weight_pedestal()
    base = engine.exposures(jnp.zeros((1, 1)))[0].base
    half = 0.5 if engine.encoding.activation_sign == "offset" else 1.0
    return (half + base) * jnp.sum(jnp.abs(weights), axis=1) + engine.constant_signal(meant.shape[1])


def _from_weights(engine: "FreeSpaceEngine", meant: Array) -> Array:
    """Ranges as if the inputs were typical operands: independent, with the mean and variance of each exposure."""
    weights = engine.encoding.weight_factor * meant + engine.weight_pedestal()
    typical = jnp.asarray(operands.typical(meant.shape[1]), jnp.float32)
    total, squares = jnp.sum(weights, axis=1), jnp.sum(jnp.square(weights), axis=1)
    means, variances = [], []
    for exposure in engine.exposures(typical):
        drive = jnp.asarray(exposure.meant)
        means.append((jnp.mean(drive) + exposure.base) * total + engine.constant_signal(meant.shape[1]))
        variances.append(jnp.var(drive) * squares)
    return engine.ranging.from_moments(
        jnp.stack(means), jnp.stack(variances), _largest(engine, meant), **_kind_of_signal(engine)
    )
