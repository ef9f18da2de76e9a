"""A weight matrix as it stands on the panels: encoded, pre-distorted, with the errors of the glass in it."""

import math
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array

from photonics.draws import standard_normal, stream
from photonics.gradients import straight_through
from photonics.stage import stage, static

if TYPE_CHECKING:
    from photonics.engine import Engine
    from photonics.optics import Optics

# Seed of the fixed patterns; `instance` tells one piece of glass from the next.
_FABRICATION_SEED = 850
# bfloat16 holds every integer up to 256, so signed codes of up to 9 bits are exact in it.
_EXACT_BITS = 9


@stage
class LoadedPanel:
    """Weights (k, n) on ceil(k / fan-in) panels in a row, `rows` inputs each; encode once, multiply often.

    Attributes:
        difference: (tiles, rows, n) (T+ - T-) / (1 - e) / unit; integer codes in bfloat16 where nothing disturbs them,
            float32 otherwise.
        unit: () weight of one step of `difference`.
        total: (tiles, rows, n) light T+ + T- that both rails take, bfloat16: it only sets a variance.
        scale: (tiles, n) weight that a normalised weight of 1 stands for.
        full_scale: (tiles, n) half range of the ADC in units of sum_k x_hat v (see `photonics.ranging`).
        activation_scale: () full drive in units of x, for static activation scales; 1 otherwise.
        k: length of the vectors.
        n: outputs.
    """

    difference: Array
    unit: Array
    total: Array
    scale: Array
    full_scale: Array
    activation_scale: Array
    k: int = static()
    n: int = static()

    @property
    def tiles(self) -> int:
        """Panels in a row along the contraction."""
        return self.difference.shape[0]

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


def tiling(k: int, fan_in: int) -> tuple[int, int]:
    """(tiles, rows): as few tiles of at most `fan_in` rows as k needs, equally filled."""
    tiles = max(1, math.ceil(k / fan_in))
    return tiles, math.ceil(k / tiles)


def split_rows(x: Array, tiles: int, rows: int) -> Array:
    """x (m, k) as (tiles, m, rows), zeros appended where k does not fill the tiles."""
    x = jnp.pad(x, ((0, 0), (0, tiles * rows - x.shape[1])))
    return x.reshape(x.shape[0], tiles, rows).swapaxes(0, 1)


def transmissions(engine: "Engine", w: Array, instance: int | Array) -> tuple[Array, Array, Array, Array]:
    """The light path of weights w (k, n): (T+, T-, v, scale) of shapes (tiles, rows, n) x 3 and (tiles, n).

    T+ and T- are what each rail passes, errors and crosstalk included; v are the normalised weights meant, and
    w = v * scale. Order: rotation, column scale, pre-distortion for crosstalk, rounding to the panel's levels,
    extinction floor, pixel errors, imbalance of the rails, crosstalk.
    """
    panel, optics = engine.panel, engine.optics
    tiles, rows = tiling(w.shape[0], engine.source.count)
    rotated = engine.encoding.rotate_weights(w)
    tiled = jnp.pad(rotated, ((0, tiles * rows - w.shape[0]), (0, 0))).reshape(tiles, rows, -1)
    scale = engine.encoding.weight_scales(tiled)
    meant = tiled / scale
    if optics.crosstalk:
        shown, spent = _predistort(optics, meant, panel.outputs)
        meant, scale = meant / spent, scale * spent
    else:
        shown = meant
    codes = panel.quantise(shown)
    rails = (panel.transmit(jnp.maximum(codes, 0.0)), panel.transmit(jnp.maximum(-codes, 0.0)))
    if panel.fixed_pattern:
        rails = _disturb(engine, rails, instance)
    if optics.crosstalk:
        rails = tuple(_from_panel(optics.mix(_by_panel(t, panel.outputs)), w.shape[1]) for t in rails)
    return rails[0], rails[1], meant, scale[:, 0]


# Compiled here for the same reason as `photonics.fast.matmul`.
@jax.jit
def load_panel(
    engine: "Engine",
    w: Array,
    sample: Array | None,
    instance: int | Array,
    ranges: tuple[Array, Array] | None,
) -> LoadedPanel:
    """See `Engine.load_panel`."""
    if w.ndim != 2:
        raise ValueError(f"weights must have shape (k, n), not {w.shape}")
    w = w.astype(jnp.float32)
    if w.size == 0:
        return _empty(engine, *w.shape)
    plus, minus, meant, scale = transmissions(engine, w, instance)
    swing = (plus - minus) / (1.0 - engine.panel.floor())
    if exact_codes(engine):
        unit = jnp.asarray(1.0 / engine.panel.levels(), jnp.float32)
        # The swing is codes / Q up to float32 rounding; bfloat16 needs the integers themselves.
        swing = straight_through(swing / unit, jnp.round(swing / unit)).astype(jnp.bfloat16)
    else:
        unit = jnp.ones((), jnp.float32)
    full_scale, activation_scale = _ranges(engine, sample, meant) if ranges is None else ranges
    return LoadedPanel(
        difference=swing,
        unit=unit,
        total=(plus + minus).astype(jnp.bfloat16),
        scale=scale,
        full_scale=jax.lax.stop_gradient(full_scale),
        activation_scale=activation_scale,
        k=w.shape[0],
        n=w.shape[1],
    )


def _empty(engine: "Engine", k: int, n: int) -> LoadedPanel:
    tiles, rows = tiling(k, engine.source.count)
    light = jnp.zeros((tiles, rows, n), jnp.bfloat16)
    one, ones = jnp.ones(()), jnp.ones((tiles, n))
    return LoadedPanel(
        difference=light, unit=one, total=light, scale=ones, full_scale=ones, activation_scale=one, k=k, n=n
    )


def _ranges(engine: "Engine", sample: Array | None, meant: Array) -> tuple[Array, Array]:
    """ADC full scale (tiles, n) and static activation scale () for normalised weights (tiles, rows, n)."""
    encoding, largest = engine.encoding, jnp.sum(jnp.abs(meant), axis=1)
    static_scale = jnp.ones((), jnp.float32)
    if sample is None:
        if encoding.activation_scale == "static":
            raise ValueError("static activation scales need a calibration sample of shape (..., k)")
        return engine.ranging.from_weights(meant, largest), static_scale
    x = encoding.rotate_activations(sample.reshape(-1, sample.shape[-1]).astype(jnp.float32))
    if encoding.activation_scale == "static":
        static_scale = encoding.static_activation_scale(x)
        drive = x / static_scale
    else:
        drive = x / encoding.activation_scales(x)
    signal = split_rows(jnp.clip(drive, -1.0, 1.0), meant.shape[0], meant.shape[1]) @ meant
    return engine.ranging.from_sample(signal, largest), static_scale


def exact_codes(engine: "Engine") -> bool:
    """Whether the panel shows pure integer codes that bfloat16 holds and that multiply drives without noise."""
    panel = engine.panel
    undisturbed = not (panel.fixed_pattern or engine.optics.crosstalk or panel.ideal or engine.dac.ideal)
    coarse = panel.bits <= _EXACT_BITS and engine.dac.bits <= _EXACT_BITS
    return undisturbed and coarse and engine.source.noise == "none"


def _disturb(engine: "Engine", rails: tuple[Array, Array], instance: int | Array) -> tuple[Array, ...]:
    key = jax.random.fold_in(jax.random.key(_FABRICATION_SEED), instance)
    shape = rails[0].shape
    imbalance = engine.panel.rail_residual / 2 * standard_normal(stream(key, 2), (shape[0], 1, shape[2]))
    disturbed = []
    for rail, number, sign in zip(rails, (0, 1), (1.0, -1.0), strict=True):
        pixel = 1.0 + engine.panel.element_residual * standard_normal(stream(key, number), shape)
        disturbed.append(rail * pixel * (1.0 + sign * imbalance))
    return tuple(disturbed)


def _predistort(optics: "Optics", meant: Array, outputs: int) -> tuple[Array, Array]:
    """Weights (tiles, rows, n) as shown, whose mixture is `meant` / spent, and spent (tiles, 1, n).

    One factor for each panel keeps neighbouring columns in proportion; it is the range that the correction spends.
    """
    n = meant.shape[-1]
    corrected = _from_panel(optics.predistort(_by_panel(meant, outputs)), n)
    left = n % outputs if n > outputs else 0
    if left:
        # The last panel holds fewer columns than the others, and nothing is shown beside them.
        corrected = corrected.at[..., n - left :].set(optics.predistort(meant[..., n - left :]))
    magnitude = jnp.abs(_by_panel(corrected, outputs))
    spent = jnp.maximum(jnp.max(magnitude, axis=(1, 3), keepdims=True), 1.0)
    spent = _from_panel(jnp.broadcast_to(spent, magnitude[:, :1].shape), n)
    return corrected / spent, spent


def _by_panel(value: Array, outputs: int) -> Array:
    """(tiles, rows, n) as (tiles, rows, panels, outputs of one panel), dark columns appended."""
    tiles, rows, n = value.shape
    width = min(n, outputs)
    panels = math.ceil(n / width) if n else 1
    value = jnp.pad(value, ((0, 0), (0, 0), (0, panels * width - n)))
    return value.reshape(tiles, rows, panels, width)


def _from_panel(value: Array, n: int) -> Array:
    return value.reshape(*value.shape[:2], -1)[:, :, :n]
