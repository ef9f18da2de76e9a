"""From a weight matrix to the light that each pixel passes: everything that happens to weights before light does."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jax import Array

from photonics.encoding import digit_levels, digits, there
from photonics.fixed_pattern import Instance, disturb
from photonics.gradients import largest_magnitude

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine
    from photonics.optics import Optics


class Transmissions(NamedTuple):
    """What stands on the panels of one weight matrix; panels are fan-in tiles, once for each digit of the weights.

    Attributes:
        rails: light that each rail passes (panels, rows, n), errors and crosstalk included.
        meant: normalised weights v in [-1, 1] that the panels stand for (panels, rows, n).
        scale: weight that a v of 1 is worth (panels, n): w = sum over digits of v * scale.
    """

    rails: tuple[Array, ...]
    meant: Array
    scale: Array


def tiling(k: int, fan_in: int) -> tuple[int, int]:
    """(tiles, rows): as few tiles of at most `fan_in` rows as k needs, equally filled."""
    tiles = max(1, math.ceil(k / fan_in))
    return tiles, math.ceil(k / tiles)


def transmissions(engine: "FreeSpaceEngine", w: Array, instance: Instance) -> Transmissions:
    """The light path of weights w (k, n).

    Order: rotation, column scale, pre-distortion for crosstalk, rounding to the panel's levels, digits, signs, response
    and floor of the pixels, errors of the instance, crosstalk and leakage.
    """
    panel, optics, encoding = engine.panel, engine.optics, engine.encoding
    tiles, rows = tiling(w.shape[0], engine.source.count)
    rotated = encoding.rotate_weights(w)
    tiled = jnp.pad(rotated, ((0, tiles * rows - w.shape[0]), (0, 0))).reshape(tiles, rows, -1)
    scale = encoding.weight_scales(tiled)
    meant = tiled / scale
    if optics.crosstalk:
        shown, spent = _predistort(optics, meant, panel.outputs)
        meant, scale = meant / spent, scale * spent
    else:
        shown = meant
    parts = digits(panel.quantise(shown), panel.levels(), encoding.weight_slices)
    codes = jnp.concatenate([digit for digit, _ in parts])
    levels = None if panel.ideal else pixel_levels(engine)
    rails = tuple(panel.transmit(opening, levels) for opening in encoding.openings(codes))
    rails = disturb(engine, rails, instance)
    if optics.crosstalk:
        # With an offset, columns beside the panel and those without a weight show the middle: the pedestal stays even.
        middle = panel.transmit(0.5) if encoding.weight_sign == "offset" else 0.0
        mixed = (optics.mix(by_panel(rail - middle, panel.outputs)) for rail in rails)
        rails = optics.leak(tuple(from_panel(light, w.shape[1]) + middle for light in mixed))
    # A column without weights is worth nothing, whatever noise its converter sees.
    scale = jnp.where(there(tiled, 1), scale, 0.0)
    scales = jnp.concatenate([scale[:, 0] * weight for _, weight in parts])
    # Digits are pre-distorted already; by how much only matters for the ranges of the converters.
    return Transmissions(rails, meant if encoding.weight_slices == 1 else codes, scales)


def pixel_levels(engine: "FreeSpaceEngine") -> int:
    """Largest code of one pixel."""
    digit = digit_levels(engine.panel.levels(), engine.encoding.weight_slices)
    return digit if engine.encoding.weight_sign == "rails" else 2 * digit


def _predistort(optics: "Optics", meant: Array, outputs: int) -> tuple[Array, Array]:
    """Weights (tiles, rows, n) as shown, whose mixture is `meant` / spent, and spent (tiles, 1, n).

    One factor for each panel keeps neighbouring columns in proportion; it is the range that the correction spends.
    """
    n = meant.shape[-1]
    corrected = each_panel(optics.predistort, meant, outputs)
    shown = by_panel(corrected, outputs)
    spent = jnp.maximum(largest_magnitude(largest_magnitude(shown, 3), 1), 1.0)
    spent = from_panel(jnp.broadcast_to(spent, shown[:, :1].shape), n)
    return corrected / spent, spent


def each_panel(operation: Callable[[Array], Array], value: Array, outputs: int) -> Array:
    """`operation` on the outputs (..., width) of each panel by itself, for all outputs (..., n)."""
    n = value.shape[-1]
    # The last panel holds fewer columns than the others, and nothing that carries a signal stands beside them.
    left = n % outputs if n > outputs else 0
    whole = from_panel(operation(by_panel(value[..., : n - left], outputs)), n - left)
    return jnp.concatenate([whole, operation(value[..., n - left :])], axis=-1) if left else whole


def by_panel(value: Array, outputs: int) -> Array:
    """(..., n) as (..., panels, outputs of one panel), dark columns appended."""
    n = value.shape[-1]
    width = min(n, outputs)
    panels = math.ceil(n / width) if n else 1
    value = jnp.pad(value, (*((0, 0) for _ in value.shape[:-1]), (0, panels * width - n)))
    return value.reshape(*value.shape[:-1], panels, width)


def from_panel(value: Array, n: int) -> Array:
    """Undo `by_panel` for n outputs."""
    return value.reshape(*value.shape[:-2], -1)[..., :n]
