"""The fast path: the optical product from closed-form moments, in two matrix products per fan-in tile.

For the signed codes x_hat, v of one tile, e_p electrons per path and the floors e_m, e_T of modulator and panel:

    signal     z   = sum_k x_hat_k v_kn                                  after dividing by g = e_p (1-e_m)(1-e_T)
    light      L   = sum_k D_k P_kn,     D = m(x+) + m(x-),  P = T(w+) + T(w-)       both passes, both rails
    variance   V   = [ 2 beta (e_p L + 4 dark) + 2 readout ] / g^2  +  FS_pp^2/12 (4^-ENOB - 4^-b)
    sources    x_hat_k -> x_hat_k + eps_k sqrt(m(x+)^2 + m(x-)^2)/(1-e_m)            one draw per source
    output     y   = s_x s_w ADC(z + sqrt(V) N(0,1))

The Gaussian stands for Poisson counts (`photonics.gradients.gaussian_counts`); `photonics.reference` counts.
The light L that sets the variance is taken before source noise: its relative error is RIN B, below 1e-5.
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array

from photonics.draws import standard_normal, stream, sum_of_bytes
from photonics.gradients import gaussian_counts, standard_deviation
from photonics.loaded_panel import LoadedPanel, exact_codes, split_rows
from photonics.stage import Scalar

if TYPE_CHECKING:
    from photonics.engine import Engine

# Kinds of noise within one tile; each has a stream of its own.
_DETECTION, _SOURCES = 0, 1


# Compiled here, because called eagerly every small operation would be compiled by itself.
@jax.jit
def matmul(engine: "Engine", key: Array, x: Array, panel: LoadedPanel) -> Array:
    """y (rows..., n) from x (rows..., k) and a loaded panel (k, n), float32; see `Engine.matmul`."""
    leading = x.shape[:-1]
    tiles, scale = _drives(engine, x, panel)

    def tile(total: Array, inputs: tuple[Array, dict[str, Array], Array]) -> tuple[Array, None]:
        drive_tile, panel_tile, index = inputs
        return total + _tile(engine, stream(key, index), drive_tile, panel_tile, leading), None

    arrays = (tiles, _by_tile(panel), jnp.arange(panel.tiles))
    start = jnp.zeros((tiles.shape[1], panel.n), jnp.float32)
    if panel.tiles == 1:
        total, _ = tile(start, jax.tree.map(lambda leaf: leaf[0], arrays))
    else:
        total, _ = jax.lax.scan(tile, start, arrays)
    return total.reshape(*leading, panel.n) * scale


def _drives(engine: "Engine", x: Array, panel: LoadedPanel) -> tuple[Array, Array]:
    """Signed drives (tiles, m, rows) that x (..., k) becomes, and the scale (..., 1) or () that undoes it."""
    rotated = engine.encoding.rotate_activations(x.astype(jnp.float32))
    token = engine.encoding.activation_scale == "token"
    scale = engine.encoding.activation_scales(rotated) if token else panel.activation_scale
    drive = engine.dac.drive(rotated / scale).reshape(-1, panel.k)
    return split_rows(drive, panel.tiles, panel.rows), scale


def detected_electrons(engine: "Engine", x: Array, panel: LoadedPanel) -> Array:
    """See `Engine.detected_electrons`; the sum over tokens and outputs needs no matrix product."""
    drives, _ = _drives(engine, x, panel)
    positive, negative = _pass_light(engine, drives)
    per_row = jnp.sum(positive + negative, axis=1)
    light = jnp.sum(per_row * jnp.sum(panel.total, axis=2, dtype=jnp.float32))
    idle = engine.unused_light(panel.rows) * drives.shape[1] * panel.n * panel.tiles
    return engine.electrons_per_path() * (light + idle)


def _by_tile(panel: LoadedPanel) -> dict[str, Array]:
    unit = jnp.broadcast_to(panel.unit, (panel.tiles,))
    return {
        "difference": panel.difference,
        "total": panel.total,
        "scale": panel.scale,
        "full_scale": panel.full_scale,
        "unit": unit,
    }


def _tile(engine: "Engine", key: Array, drive: Array, panel: dict[str, Array], leading: tuple[int, ...]) -> Array:
    """One fan-in tile: drives (m, rows) in [-1, 1] to (m, n) in units of x_hat w."""
    signal = _signal(engine, key, drive, panel, leading)
    normal = standard_normal(stream(key, _DETECTION), (*leading, signal.shape[-1])).reshape(signal.shape)
    variance = variance_of_signal(engine, drive, panel["total"]) + _converter_variance(engine, panel["full_scale"])
    noisy = gaussian_counts(signal, variance, normal)
    codes = noisy if engine.adc.ideal else engine.adc.convert(noisy, panel["full_scale"])
    return codes * panel["scale"]


def _signal(engine: "Engine", key: Array, drive: Array, panel: dict[str, Array], leading: tuple[int, ...]) -> Array:
    if exact_codes(engine):
        levels = engine.dac.levels()
        return exact_product(drive * levels, panel["difference"]) * (panel["unit"] / levels)
    if engine.source.noise != "none":
        drive = drive + source_noise(engine, stream(key, _SOURCES), drive, leading)
    return (drive @ panel["difference"]) * panel["unit"]


def source_noise(engine: "Engine", key: Array, drive: Array, leading: tuple[int, ...]) -> Array:
    """Fluctuation of the sources as an error of the drives (m, rows), both passes together.

    Independent sources: eps_k of the two passes are independent and reach all outputs through the same row of the
    panel, so their sum is one draw per source. A common laser: one eps per pass for all sources.
    """
    bandwidth_hz = engine.receiver.noise_bandwidth_hz(engine.operating_point)
    deviation = standard_deviation(engine.source.relative_variance(bandwidth_hz))
    positive, negative = _pass_light(engine, drive)
    if engine.source.noise == "independent":
        # Every output sums all sources, so nearly normal draws give a normal sum. A source without drive and floor is
        # dark in both passes.
        draw = sum_of_bytes(key, (*leading, drive.shape[-1])).reshape(drive.shape)
        light = standard_deviation(jnp.square(positive) + jnp.square(negative)) * draw
    else:
        normal = standard_normal(key, (*leading, 2)).reshape(-1, 2)
        light = positive * normal[:, :1] - negative * normal[:, 1:]
    return deviation * light / (1.0 - engine.modulator.floor())


def variance_of_signal(engine: "Engine", drive: Array, total: Array) -> Scalar:
    """Shot and readout noise ahead of the ADC, in units of (x_hat v)^2: (m, n), or a scalar without shot noise."""
    readout = engine.readout_variance() / engine.gain_electrons() / engine.gain_electrons()
    if not engine.photodetector.shot_noise:
        return readout
    positive, negative = _pass_light(engine, drive)
    light = _product_bfloat16(positive + negative, total) + engine.unused_light(drive.shape[-1])
    per_light, dark = engine.shot_variance_per_light()
    return per_light * light + (dark + readout)


def _pass_light(engine: "Engine", drive: Array) -> tuple[Array, Array]:
    """Relative light of each source in the positive and in the negative pass, (m, rows) each."""
    return engine.modulator.transmit(jnp.maximum(drive, 0.0)), engine.modulator.transmit(jnp.maximum(-drive, 0.0))


def _converter_variance(engine: "Engine", full_scale: Array) -> Array | float:
    return 0.0 if engine.adc.ideal else engine.adc.noise_variance(full_scale)


def _product_bfloat16(a: Array, b: Array) -> Array:
    return jnp.matmul(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16), preferred_element_type=jnp.float32)


@jax.custom_vjp
def exact_product(codes: Array, weights: Array) -> Array:
    """Product of integer codes (m, k) float32 and (k, n) bfloat16: exact, at the speed of bfloat16.

    Integers up to 256 are exact in bfloat16 and their products are summed in float32, so up to 2^24 nothing is
    lost. The backward pass runs in float32, because cotangents are no integers.
    """
    return _product_bfloat16(codes, weights)


def _exact_forward(codes: Array, weights: Array) -> tuple[Array, tuple[Array, Array]]:
    return _product_bfloat16(codes, weights), (codes, weights)


def _exact_backward(residuals: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    codes, weights = residuals
    wide = weights.astype(jnp.float32)
    return cotangent @ wide.T, (codes.T @ cotangent).astype(weights.dtype)


exact_product.defvjp(_exact_forward, _exact_backward)
