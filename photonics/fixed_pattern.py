"""What makes one fabricated engine differ from the next: pattern errors, drawn once for each instance.

An instance is a whole number or a typed PRNG key; the same instance is the same glass and the same electronics,
whatever is loaded and whoever asks. Each tile of a weight matrix has an engine of its own, hence errors of its own,
sources included.
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array

from photonics.draws import standard_normal, stream
from photonics.gradients import standard_deviation
from photonics.stage import Scalar

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine

# Instances that are named by a number descend from this seed.
_FABRICATION_SEED = 850
# One stream for each kind of error.
_PIXELS, _RAILS, _SOURCES, _GAINS, _OFFSETS, _PASSES = (0, 1), 2, (3, 4), (5, 6), 7, 8

Instance = int | Array


def instance_key(instance: Instance) -> Array:
    """The key of an instance: itself, if it is one."""
    if hasattr(instance, "dtype") and jnp.issubdtype(instance.dtype, jax.dtypes.prng_key):  # pyright: ignore
        return instance  # pyright: ignore
    return jax.random.fold_in(jax.random.key(_FABRICATION_SEED), instance)


def disturb(engine: "FreeSpaceEngine", rails: tuple[Array, ...], instance: Instance) -> tuple[Array, ...]:
    """Transmissions (tiles, rows, n) of each rail with the errors of pixels, rails and sources in them.

        T (1 + pixel) (1 +- rail / 2) (1 + source)          all normal, deviations of the stages

    The light of a source multiplies every pixel of its row, so its error stands here too.
    """
    if not engine.panel.fixed_pattern:
        return rails
    key = instance_key(instance)
    tiles, rows, n = rails[0].shape
    imbalance = engine.panel.rail_residual / 2 * standard_normal(stream(key, _RAILS), (tiles, 1, n))
    drift = engine.source.drift_per_root_s
    outputs = engine.panel.outputs
    shape = (tiles, rows, -(-n // outputs))
    source = _drifted(engine, key, _SOURCES, engine.source.gain_residual, drift, shape)
    source = source if shape[2] == 1 else jnp.repeat(source, outputs, axis=2)[:, :, :n]
    disturbed = []
    for rail, stream_number, sign in zip(rails, _PIXELS, (1.0, -1.0), strict=False):
        pixel = 1.0 + engine.panel.element_residual * standard_normal(stream(key, stream_number), rail.shape)
        balance = 1.0 + sign * imbalance if len(rails) == 2 else 1.0
        disturbed.append(rail * pixel * balance * (1.0 + source))
    return tuple(disturbed)


def readout_errors(engine: "FreeSpaceEngine", shape: tuple[int, int], instance: Instance) -> dict[str, Array]:
    """Errors of the electronics behind the outputs, (tiles, n) each: relative "gain", "offset", "pass" mismatch."""
    readout, key = engine.readout, instance_key(instance)
    errors: dict[str, Array] = {}
    if readout.fixed_pattern:
        errors["gain"] = _drifted(engine, key, _GAINS, readout.gain_residual, readout.drift_per_root_s, shape)
        errors["offset"] = readout.offset_residual * standard_normal(stream(key, _OFFSETS), shape)
    if readout.pass_mismatch:
        errors["pass"] = readout.pass_residual * standard_normal(stream(key, _PASSES), shape)
    return errors


def _drifted(
    engine: "FreeSpaceEngine",
    key: Array,
    streams: tuple[int, int],
    residual: Scalar,
    drift: Scalar,
    shape: tuple[int, ...],
) -> Array:
    """An error left by calibration and a random walk since then, independent of it."""
    at_first, since = (standard_normal(stream(key, number), shape) for number in streams)
    return residual * at_first + drift * standard_deviation(jnp.asarray(engine.operating_point.age_s)) * since
