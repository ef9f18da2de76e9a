"""A weight matrix as it stands on the panels: encoded, pre-distorted, with the errors of one instance in it."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array

from photonics.encoding import digit_levels
from photonics.fixed_pattern import Instance, readout_errors
from photonics.gradients import straight_through
from photonics.ranges import ranges_of
from photonics.stage import stage, static
from photonics.transmissions import tiling, transmissions

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine

# bfloat16 holds every integer up to 256, so signed codes of up to 9 bits are exact in it.
_EXACT_LEVELS = 255


@stage
class LoadedPanel:
    """Weights (k, n) on panels in a row, `rows` inputs each; encode once, multiply often.

    There are ceil(k / fan-in) tiles, and for each of them `slices` panels, one per digit of the weights: panel p holds
    tile p % tiles.

    Attributes:
        difference: (panels, rows, n) signed weight v that the light stands for, over `unit`: (T+ - T-) / (1 - e) on
            rails, 2 (T - e) / (1 - e) - 1 with an offset; integer codes in bfloat16 where nothing disturbs them,
            float32 otherwise.
        unit: () weight of one step of `difference`.
        total: (panels, rows, n) light that all rails take, bfloat16: it only sets a variance.
        rails: (panels, rails, rows, n) light of each rail, where photodiodes answer to it one by one; None elsewhere.
        column: (panels, n) sum over rows of the weight as light, pedestal of an offset included.
        errors: errors of the electronics, see `photonics.fixed_pattern.readout_errors`.
        scale: (panels, n) weight that a normalised weight of 1 stands for.
        full_scale: (panels, n) half range of the ADC in units of sum_k U V (see `photonics.ranging`); it has a gradient
            only where it was given.
        activation_scale: () full drive in units of x, for static activation scales; 1 otherwise.
        k: length of the vectors.
        n: outputs.
        slices: panels for each tile.
    """

    difference: Array
    unit: Array
    total: Array
    rails: Array | None
    column: Array
    errors: dict[str, Array]
    scale: Array
    full_scale: Array
    activation_scale: Array
    k: int = static()
    n: int = static()
    slices: int = static()

    @property
    def panels(self) -> int:
        """Panels in a row, tiles times digits."""
        return self.difference.shape[0]

    @property
    def tiles(self) -> int:
        """Parts that the contraction is cut into."""
        return self.panels // self.slices

    @property
    def rows(self) -> int:
        """Inputs that one of these panels uses."""
        return self.difference.shape[1]


def packed(panel: LoadedPanel) -> LoadedPanel:
    """The same panel with every bfloat16 array held as its 16 bits, for storage in a stack that a loop slices.

    XLA on a CPU widens bfloat16 slices in a loop: it would copy the whole stack to float32 on every call.
    """
    return jax.tree.map(
        lambda leaf: jax.lax.bitcast_convert_type(leaf, jnp.uint16) if leaf.dtype == jnp.bfloat16 else leaf, panel
    )


def unpacked(panel: LoadedPanel) -> LoadedPanel:
    """Undo `packed`; a panel that is not packed is returned as it is."""
    return jax.tree.map(
        lambda leaf: jax.lax.bitcast_convert_type(leaf, jnp.bfloat16) if leaf.dtype == jnp.uint16 else leaf, panel
    )


def split_rows(x: Array, tiles: int, rows: int) -> Array:
    """x (m, k) as (tiles, m, rows), zeros appended where k does not fill the tiles."""
    x = jnp.pad(x, ((0, 0), (0, tiles * rows - x.shape[1])))
    return x.reshape(x.shape[0], tiles, rows).swapaxes(0, 1)


# Compiled here for the same reason as `photonics.fast.matmul`.
@jax.jit
def load_panel(
    engine: "FreeSpaceEngine",
    w: Array,
    sample: Array | None,
    instance: Instance,
    ranges: tuple[Array, Array] | None,
) -> LoadedPanel:
    """See `Engine.load_panel`."""
    if w.ndim != 2:
        raise ValueError(f"weights must have shape (k, n), not {w.shape}")
    w = w.astype(jnp.float32)
    if w.size == 0:
        return _empty(engine, *w.shape)
    light = transmissions(engine, w, instance)
    swing, total = _signed(engine, light.rails), sum(light.rails)
    if exact_codes(engine):
        unit = jnp.asarray(1.0 / digit_levels(engine.panel.levels(), engine.encoding.weight_slices), jnp.float32)
        # The swing is codes / Q up to float32 rounding; bfloat16 needs the integers themselves.
        swing = straight_through(swing / unit, jnp.round(swing / unit)).astype(jnp.bfloat16)
    else:
        unit = jnp.ones((), jnp.float32)
    column = jnp.sum(swing.astype(jnp.float32), axis=1) * unit * engine.encoding.weight_factor
    column = column + engine.weight_pedestal() * swing.shape[1]
    if ranges is None:
        measured, activation_scale = ranges_of(engine, sample, light.meant)
        # What a sample or the weights say is measured and not learnt; ranges that are given may be either.
        full_scale = jax.lax.stop_gradient(measured)
    else:
        full_scale, activation_scale = ranges
    return LoadedPanel(
        difference=swing,
        unit=unit,
        total=jnp.asarray(total).astype(jnp.bfloat16),
        rails=jnp.stack(light.rails, axis=1) if engine.answers_one_by_one() else None,
        column=column,
        errors=readout_errors(engine, (light.scale.shape[0], w.shape[1]), instance),
        scale=light.scale,
        full_scale=full_scale,
        activation_scale=activation_scale,
        k=w.shape[0],
        n=w.shape[1],
        slices=engine.encoding.weight_slices,
    )


def _signed(engine: "FreeSpaceEngine", rails: tuple[Array, ...]) -> Array:
    """The signed weight v that the light of the rails stands for."""
    floor = engine.panel.floor()
    if len(rails) == 2:
        return (rails[0] - rails[1]) / (1.0 - floor)
    return 2.0 * (rails[0] - floor) / (1.0 - floor) - 1.0


def _empty(engine: "FreeSpaceEngine", k: int, n: int) -> LoadedPanel:
    tiles, rows = tiling(k, engine.source.count)
    panels = tiles * engine.encoding.weight_slices
    light = jnp.zeros((panels, rows, n), jnp.bfloat16)
    one, ones = jnp.ones(()), jnp.ones((panels, n))
    return LoadedPanel(
        difference=light,
        unit=one,
        total=light,
        rails=None,
        column=ones,
        errors={},
        scale=ones,
        full_scale=ones,
        activation_scale=one,
        k=k,
        n=n,
        slices=engine.encoding.weight_slices,
    )


def exact_codes(engine: "FreeSpaceEngine") -> bool:
    """Whether the panel shows pure integer codes that bfloat16 holds and that multiply drives without noise."""
    panel, encoding = engine.panel, engine.encoding
    undisturbed = not (panel.fixed_pattern or engine.optics.crosstalk or panel.ideal or engine.dac.ideal)
    straight = panel.response == "linear" and engine.shows_codes()
    drive = digit_levels(engine.dac.levels(), encoding.activation_slices)
    pixel = digit_levels(panel.levels(), encoding.weight_slices)
    coarse = max(drive, pixel) <= _EXACT_LEVELS
    return undisturbed and straight and coarse and engine.source.noise == "none"
