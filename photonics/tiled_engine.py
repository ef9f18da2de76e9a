"""Engines that multiply tile by tile with a law of their own: what they have in common, and what a family fills in.

    y = sum over tiles of  s_x  s_w  convert( analog(drive(x / s_x), encode(w)) )

A family states the law of one tile twice: `analog` from closed-form moments (JAX, differentiable) and `counted` stage
by stage (numpy). Everything around it is here: rotating and cutting the contraction, scales, keys, sums, ranges.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics import tiled_explanation
from photonics.budgets import LinkStep
from photonics.draws import standard_normal, stream
from photonics.encoding import there
from photonics.engine import Engine
from photonics.fixed_pattern import Instance
from photonics.loaded_panel import split_rows
from photonics.loaded_tiles import Encoded, LoadedTiles, no_tiles
from photonics.rotation import rotate, rotate_weights
from photonics.stage import Scalar, Signal
from photonics.transmissions import tiling
from photonics.units import db_from_ratio

if TYPE_CHECKING:
    from photonics.explanation import Explanation
    from photonics.work import Work


class TiledEngine(Engine):
    """The template; see the module. Shapes: m tokens, rows <= fan-in inputs of a tile, n outputs of the matrix."""

    # What a family fills in --------------------------------------------------------------------------------------

    @abstractmethod
    def encode(self, w: Array, instance: Instance) -> Encoded:
        """Weights (tiles, rows, n), unused rows 0, as the tiles hold them, errors of the instance included."""

    @abstractmethod
    def activation_scale(self, x: Array) -> Array:
        """Digital scale of activations (tiles, m, rows): (tiles, m, 1), or (1, m, 1) where tiles share it; above 0."""

    @abstractmethod
    def drive(self, normalised: Array) -> Array:
        """Drives that the converters show for x / scale, any shape; straight-through."""

    @abstractmethod
    def analog(
        self, key: Array, drive: Array, full_scale: Array, tile: dict[str, Array], leading: Sequence[int]
    ) -> Array:
        """What the ADC sees (m, n) for drives (m, rows), noise and errors included, in normalised products.

        `full_scale` (n,) is the half range of the ADC, which the noise of the converter itself may follow. `leading`
        are the axes that the m tokens had, see `token_draws`. A family may put axes of its own in front of m, as for
        products that are converted apart; its `convert` takes them away again.
        """

    @abstractmethod
    def counted(
        self, random: np.random.Generator, drive: np.ndarray, full_scale: Signal, tile: dict[str, np.ndarray]
    ) -> np.ndarray:
        """The same (m, n), followed stage by stage in float64."""

    @abstractmethod
    def convert(self, analog: Array, full_scale: Array, tile: dict[str, Array]) -> Array:
        """Codes of the ADC times lsb (m, n), and what is corrected digitally."""

    @abstractmethod
    def full_scale_of(self, drive: Array | None, values: dict[str, Array]) -> Array:
        """Half range of the ADC (tiles, n), in units of the normalised product.

        Fixed by design; or from statistics of sample drives (tiles, m, rows), or of typical operands without any, and
        then without a gradient, because ranges are calibrated and not learnt.
        """

    @abstractmethod
    def electrons(self, drive: Array, tile: dict[str, Array]) -> Array:
        """Photoelectrons on all detectors for drives (m, rows), shape ()."""

    @abstractmethod
    def way_of_light(self) -> tuple[str, Sequence[tuple[str, Scalar]]]:
        """Name of one source, and what each step from there to one detector is called and lets through, in order."""

    @abstractmethod
    def typical_full_scale_electrons(self) -> float:
        """Half range of one converter for typical operands [electrons of the signal]."""

    def adc_levels(self) -> int | None:
        """Largest code of the ADC; None where it is ideal."""
        adc: Any = getattr(self, "adc", None)
        return None if adc is None or adc.ideal else adc.levels()

    # The product ---------------------------------------------------------------------------------------------------

    def _load_panel(
        self, w: Array, sample: Array | None, instance: Instance, ranges: tuple[Array, Array] | None
    ) -> LoadedTiles:
        return _load(self, w, sample, instance, ranges)

    def _matmul(self, key: Array, x: Array, panel: LoadedTiles) -> Array:
        return _matmul(self, key, x, panel)

    def _detected_electrons(self, x: Array, panel: LoadedTiles) -> Array:
        drives, _ = _drives(self, x, panel.k, panel.tiles, panel.rows)
        tiles = range(panel.tiles)
        return sum((self.electrons(drives[tile], panel.of_tile(tile)) for tile in tiles), start=jnp.zeros(()))

    def _matmul_reference(self, key: Array, x: Array, w: Array, panel: LoadedTiles, instance: Instance) -> Array:
        del w, instance
        random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
        drives, scale = (np.asarray(part, np.float64) for part in _drives(self, x, panel.k, panel.tiles, panel.rows))
        y = np.zeros((drives.shape[1], panel.n))
        for tile in range(panel.tiles):
            own, full_scale = panel.of_tile(tile), panel.full_scale[tile]
            held = {name: np.asarray(value) for name, value in own.items()}
            analog = self.counted(random, drives[tile], np.asarray(full_scale), held)
            code = np.asarray(self.convert(jnp.asarray(analog, jnp.float32), full_scale, own), np.float64)
            y += code * np.asarray(panel.scale[tile], np.float64) * scale[tile]
        return jnp.asarray(y.reshape(*x.shape[:-1], panel.n), x.dtype)

    # What there is to know -----------------------------------------------------------------------------------------

    def link_budget(self) -> list[LinkStep]:
        """Where the light of one source at full drive goes, on its way to one detector: see `way_of_light`."""
        source, way = self.way_of_light()
        left_w = float(self.operating_point.laser_power_w)
        steps = [LinkStep(source, 0.0, left_w)]
        for name, passed in way:
            left_w *= float(passed)
            steps.append(LinkStep(name, -db_from_ratio(float(passed)), left_w))
        return steps

    def explain(
        self,
        work: "Work | None" = None,
        *,
        sample: Array | None = None,
        w: Any = None,
        chosen: Sequence[str] = (),
    ) -> "Explanation":
        """See `Engine.explain` and `photonics.tiled_explanation`; the use of the range is not measured here."""
        del sample, w
        return tiled_explanation.explain(self, work=work, chosen=chosen)


class StreamingEngine(TiledEngine):
    """A tiled engine that streams both operands: nothing is held, hence nothing is written."""

    @property
    def holds_weights(self) -> bool:
        """False: weights are streamed as activations are."""
        return False

    @property
    def reload_time_s(self) -> Scalar:
        """0: there is nothing to write [s]."""
        return 0.0


def token_draws(key: Array, leading: Sequence[int], columns: int) -> Array:
    """Standard normal draws (m, columns) that belong to the tokens of axes `leading`, whatever batch they stand in."""
    return standard_normal(key, (*leading, columns)).reshape(-1, columns)


# Compiled here, because called eagerly every small operation would be compiled by itself.
@jax.jit
def _load(
    engine: TiledEngine, w: Array, sample: Array | None, instance: Instance, ranges: tuple[Array, Array] | None
) -> LoadedTiles:
    k, n = w.shape
    if w.size == 0:
        return no_tiles(k, n)
    tiles, rows = tiling(k, engine.inputs)
    w = w.astype(jnp.float32)
    w = rotate_weights(w) if engine.rotates else w
    tiled = jnp.pad(w, ((0, tiles * rows - k), (0, 0))).reshape(tiles, rows, n)
    held = there(tiled, 1)
    tiled = jnp.where(held, tiled, 0.0)
    encoded, one = engine.encode(tiled, instance), jnp.ones((), jnp.float32)
    if ranges is not None:
        full_scale, activation_scale = ranges
    else:
        drive = None
        if sample is not None:
            drive, _ = _drives(engine, sample, k, tiles, rows)
        full_scale, activation_scale = engine.full_scale_of(drive, encoded.values), one
    return LoadedTiles(
        values=encoded.values,
        # A column without weights is worth nothing either, whatever noise its converter sees.
        scale=jnp.where(held[:, 0], encoded.scale, 0.0),
        full_scale=jnp.broadcast_to(full_scale, (tiles, n)),
        activation_scale=activation_scale,
        k=k,
        n=n,
        rows=rows,
    )


def _drives(engine: TiledEngine, x: Array, k: int, tiles: int, rows: int) -> tuple[Array, Array]:
    """Drives (tiles, m, rows) of x (..., k), rotated if the engine rotates, and what a full one is worth (tiles, m, 1).

    The part of a token that is all zero is worth nothing: its conversions hold noise alone and are not used.
    """
    x = x.astype(jnp.float32).reshape(-1, k)
    parts = split_rows(rotate(x) if engine.rotates else x, tiles, rows)
    lit = there(parts, -1)
    parts = jnp.where(lit, parts, 0.0)
    scale = engine.activation_scale(parts)
    return engine.drive(parts / scale), jnp.where(lit, scale, 0.0)


@jax.jit
def _matmul(engine: TiledEngine, key: Array, x: Array, panel: LoadedTiles) -> Array:
    leading = x.shape[:-1]
    drives, scale = _drives(engine, x, panel.k, panel.tiles, panel.rows)

    def one(total: Array, inputs: tuple) -> tuple[Array, None]:
        index, drive, own_scale, values, weight_scale, full_scale = inputs
        analog = engine.analog(stream(key, index), drive, full_scale, values, leading)
        code = engine.convert(analog, full_scale, values)
        return total + code * weight_scale * own_scale, None

    inputs = (jnp.arange(panel.tiles), drives, scale, panel.values, panel.scale, panel.full_scale)
    start = jnp.zeros((drives.shape[1], panel.n), jnp.float32)
    if panel.tiles == 1:
        total, _ = one(start, jax.tree.map(lambda leaf: leaf[0], inputs))
    else:
        total, _ = jax.lax.scan(one, start, inputs)
    return total.reshape(*leading, panel.n)
