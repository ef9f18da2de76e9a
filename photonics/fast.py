"""The fast path: the optical product from closed-form moments, in as few matrix products as the encoding allows.

For one conversion of one panel, with the light m_p of its passes and the light T of its rails (`Encoding.exposures`,
`photonics.transmissions`), in units of the gain g = e_p (1 - e_m)(1 - e_T), e_p electrons per path:

    drive      U = sum_p sign_p m_p / (1 - e_m),      V = signed light of the panel / (1 - e_T)
    signal     A = sum_k U_k V_kn = X @ (s v) + pedestals that the machine knows
    light      L = sum_k D_k P_kn,    D = sum_p m_p,   P = sum of T over the rails
    variance   [ 2 beta (e_p L + dark) + readout ] / g^2  +  FS_pp^2/12 (4^-ENOB - 4^-b)
    sources    m_p -> m_p (1 + eps)                    one draw per source and pass, or per pass of a common laser
    output     z = ADC(A + noise) - pedestals,   summed over conversions, digits and tiles with their factors

The Gaussian stands for Poisson counts (`photonics.gradients.gaussian_counts`); `photonics.reference` counts. The light
L that sets the variance is taken before source noise: its relative error is RIN B, below 1e-5. Where a photodiode or a
receiver answers to each light by itself, `photonics.one_by_one` takes over.
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array

from photonics import one_by_one
from photonics.draws import standard_normal, stream, sum_of_bits
from photonics.encoding import Exposure, digit_levels, there
from photonics.gradients import gaussian_counts, standard_deviation
from photonics.loaded_panel import LoadedPanel, exact_codes, split_rows
from photonics.products import bits_of, exact_product, float32_product, light_product
from photonics.stage import Scalar
from photonics.transmissions import each_panel

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine

# Kinds of noise within one conversion; each has a stream of its own.
_DETECTION, _SOURCES, _CONVERTER = 0, 1, 2


# Compiled here, because called eagerly every small operation would be compiled by itself.
@jax.jit
def matmul(engine: "FreeSpaceEngine", key: Array, x: Array, panel: LoadedPanel) -> Array:
    """y (rows..., n) from x (rows..., k) and a loaded panel (k, n), float32; see `Engine.matmul`."""
    leading = x.shape[:-1]
    tiles, scale = _drives(engine, x, panel)
    arrays = {
        "difference": panel.difference,
        "total": panel.total,
        # A loop over panels would widen slices of bfloat16.
        "difference_bits": bits_of(panel.difference) if panel.panels > 1 else None,
        "total_bits": bits_of(panel.total) if panel.panels > 1 else None,
        "rails": panel.rails,
        "column": panel.column,
        "errors": panel.errors,
        "scale": panel.scale,
        "full_scale": panel.full_scale,
        "unit": jnp.broadcast_to(panel.unit, (panel.panels,)),
    }

    def one(total: Array, inputs: tuple[Array | None, dict, Array]) -> tuple[Array, None]:
        drive, own, index = inputs
        if drive is None:
            drive = tiles[index % panel.tiles]
        return total + _panel(engine, stream(key, index), drive, own, leading), None

    # Digits of a tile on further panels see the drives of the same tile again.
    inputs = (tiles if panel.slices == 1 else None, arrays, jnp.arange(panel.panels))
    start = jnp.zeros((tiles.shape[1], panel.n), jnp.float32)
    if panel.panels == 1:
        total, _ = one(start, jax.tree.map(lambda leaf: leaf[0], inputs))
    else:
        total, _ = jax.lax.scan(one, start, inputs)
    return total.reshape(*leading, panel.n) * scale


def _drives(engine: "FreeSpaceEngine", x: Array, panel: LoadedPanel) -> tuple[Array, Array]:
    """Signed drives (tiles, m, rows) that x (..., k) becomes, and the scale (..., 1) or () that undoes it.

    A token that is all zero is worth nothing: its conversions hold noise alone and are not used.
    """
    rotated = engine.encoding.rotate_activations(x.astype(jnp.float32))
    token = engine.encoding.activation_scale == "token"
    scale = engine.encoding.activation_scales(rotated) if token else panel.activation_scale
    # One reciprocal per token, because a division for every activation would cost more than the rounding.
    drive = engine.dac.drive(rotated * (1.0 / scale)).reshape(-1, panel.k)
    worth = jnp.where(there(rotated, -1), scale, 0.0) if token else scale
    return split_rows(drive, panel.tiles, panel.rows), worth


def detected_electrons(engine: "FreeSpaceEngine", x: Array, panel: LoadedPanel) -> Array:
    """See `Engine.detected_electrons`; the sum over tokens and outputs needs no matrix product."""
    drives, _ = _drives(engine, x, panel)
    per_row = sum(jnp.sum(light, axis=1) for lights in engine.lights(drives, x.shape[:-1]) for light in lights)
    taken = jnp.sum(panel.total.reshape(panel.slices, panel.tiles, panel.rows, panel.n), axis=(0, 3), dtype=jnp.float32)
    light = jnp.sum(per_row * taken)
    passes = engine.encoding.sign_passes * engine.encoding.activation_slices
    idle = passes * engine.idle_light(panel.rows) * drives.shape[1] * panel.n * panel.panels
    return engine.encoding.repetitions * engine.electrons_per_path() * (light + idle)


def _panel(engine: "FreeSpaceEngine", key: Array, drive: Array, panel: dict, leading: tuple[int, ...]) -> Array:
    """One panel: drives (m, rows) in [-1, 1] to (m, n) in units of x_hat w, averaged over repetitions."""
    exposures, lights = engine.exposures(drive), engine.lights(drive, leading)

    def once(key: Array) -> Array:
        total = jnp.zeros((drive.shape[0], panel["scale"].shape[-1]), jnp.float32)
        for number, (exposure, light) in enumerate(zip(exposures, lights, strict=True)):
            code = _conversion(engine, stream(key, number), exposure, light, panel, leading)
            total = total + exposure.factor / engine.encoding.weight_factor * code
        return total

    repetitions = engine.encoding.repetitions
    if repetitions == 1:
        total = once(key)
    else:
        start = jnp.zeros((drive.shape[0], panel["scale"].shape[-1]), jnp.float32)
        total = jax.lax.fori_loop(0, repetitions, lambda r, total: total + once(stream(key, r)), start) / repetitions
    return total * panel["scale"]


def _conversion(
    engine: "FreeSpaceEngine",
    key: Array,
    exposure: Exposure,
    lights: tuple[Array, ...],
    panel: dict,
    leading: tuple[int, ...],
) -> Array:
    """One conversion (m, n): what the converter gives for the light of its passes, without the known pedestal."""
    carried = _carries_pedestal(engine, panel["errors"])
    known = _known(engine, exposure, panel, exposure.base) if carried else 0.0
    if engine.answers_one_by_one():
        analog = one_by_one.signal(engine, key, exposure, lights, panel, leading)
        variance = jnp.zeros(())
    else:
        analog = _signal(engine, stream(key, _SOURCES), exposure, lights, panel, leading) + known
        variance = variance_of_signal(engine, lights, panel["total"], panel["total_bits"])
    full_scale, errors = panel["full_scale"], panel["errors"]
    shape = (*leading, analog.shape[-1])
    if engine.readout.crosstalk:
        normal = standard_normal(stream(key, _DETECTION), shape).reshape(analog.shape)
        analog = each_panel(engine.readout.mix, gaussian_counts(analog, variance, normal), engine.panel.outputs)
        variance = jnp.zeros(())
    if "gain" in errors:
        analog = analog * (1.0 + errors["gain"]) + errors["offset"] * full_scale
        variance = variance * jnp.square(1.0 + errors["gain"])
    if not engine.adc.ideal:
        variance = variance + engine.adc.noise_variance(full_scale)
    late = engine.readout.crosstalk or engine.answers_one_by_one()
    normal = standard_normal(stream(key, _CONVERTER if late else _DETECTION), shape).reshape(analog.shape)
    code = _digital(engine, gaussian_counts(analog, variance, normal), full_scale)
    if engine.readout.crosstalk:
        code = each_panel(engine.readout.unmix, code, engine.panel.outputs)
    if carried:
        known = _recorded(engine, _known(engine, exposure, panel, engine.recorded_base()), errors)
    return code - known


def _carries_pedestal(engine: "FreeSpaceEngine", errors: dict[str, Array]) -> bool:
    """Whether there is a pedestal and anything that acts on it; carried for nothing it would cost the signal digits."""
    there = engine.has_pedestal() or engine.encoding.weight_sign == "offset"
    bent = engine.modulator.response != "linear" or "gain" in errors or engine.readout.crosstalk
    return there and (bent or not engine.adc.ideal or engine.answers_one_by_one())


def _recorded(engine: "FreeSpaceEngine", known: Array, errors: dict[str, Array]) -> Array:
    """A pedestal (m, n) as the machine has recorded it, through its own electronics; offsets are errors of that."""
    if engine.readout.crosstalk:
        known = each_panel(engine.readout.mix, known, engine.panel.outputs)
    if "gain" in errors:
        known = known * (1.0 + errors["gain"])
    return each_panel(engine.readout.unmix, known, engine.panel.outputs) if engine.readout.crosstalk else known


def _digital(engine: "FreeSpaceEngine", analog: Array, full_scale: Array) -> Array:
    """Codes times lsb, in the unit of the signal; a unipolar converter counts from the lower end of its range."""
    if engine.adc.ideal:
        return analog
    middle = full_scale if engine.unipolar() else 0.0
    return engine.adc.convert(analog - middle, full_scale) + middle


def _known(engine: "FreeSpaceEngine", exposure: Exposure, panel: dict, base: Scalar) -> Array:
    """The part of A (m, n) that follows from operands and calibration, with `base` under the drive."""
    by_token = engine.weight_pedestal() * jnp.sum(jnp.asarray(exposure.meant), axis=-1, keepdims=True)
    rows = jnp.asarray(exposure.meant).shape[-1]
    return by_token + base * panel["column"] + engine.constant_signal(rows)


def _signal(
    engine: "FreeSpaceEngine",
    key: Array,
    exposure: Exposure,
    lights: tuple[Array, ...],
    panel: dict,
    leading: tuple[int, ...],
) -> Array:
    """A without the known pedestal, before noise of the detection: (m, n)."""
    meant = jnp.asarray(exposure.meant)
    if exact_codes(engine):
        levels = digit_levels(engine.dac.levels(), engine.encoding.activation_slices)
        levels = levels if engine.encoding.activation_sign == "passes" else 2 * levels
        product = exact_product(meant * levels, panel["difference"], panel["difference_bits"]) * (
            panel["unit"] / levels
        )
        return product * engine.encoding.weight_factor
    drive = meant
    if not engine.shows_codes():
        light = sum(sign * light for sign, light in zip(exposure.signs, lights, strict=True))
        drive = light / (1.0 - engine.modulator.floor()) - exposure.base
    if engine.source.noise != "none":
        drive = with_source_noise(engine, key, jnp.asarray(drive), exposure.signs, lights, leading)
    product = float32_product(drive, panel["difference"].astype(jnp.float32)) * (
        panel["unit"] * engine.encoding.weight_factor
    )
    if engine.encoding.weight_sign == "rails":
        return product
    return product + engine.weight_pedestal() * jnp.sum(drive - meant, axis=-1, keepdims=True)


def with_source_noise(
    engine: "FreeSpaceEngine",
    key: Array,
    drive: Array,
    signs: tuple[float, ...],
    lights: tuple[Array, ...],
    leading: tuple[int, ...],
) -> Array:
    """Drives (m, rows) with the fluctuation of the sources, the passes of one conversion together.

    Independent sources: the eps of different passes are independent and reach all outputs through the same row of the
    panel, so their sum is one draw per source. A common laser: one eps per pass for all sources.
    """
    bandwidth_hz = engine.receiver.noise_bandwidth_hz(engine.operating_point)
    of_drive = engine.source.relative_variance(bandwidth_hz) / jnp.square(1.0 - engine.modulator.floor())
    if engine.source.noise == "independent":
        # Every output sums all sources, so nearly normal draws give a normal sum. A source without drive and floor is
        # dark in all passes.
        draw = sum_of_bits(key, (*leading, lights[0].shape[-1])).reshape(lights[0].shape)
        return gaussian_counts(drive, of_drive * sum(jnp.square(light) for light in lights), draw)
    normal = standard_normal(key, (*leading, len(lights))).reshape(-1, len(lights))
    light = sum(sign * lights[p] * normal[:, p : p + 1] for p, sign in enumerate(signs))
    return drive + standard_deviation(of_drive) * light


def variance_of_signal(
    engine: "FreeSpaceEngine", lights: tuple[Array, ...], total: Array, bits: Array | None = None
) -> Scalar:
    """Shot and readout noise ahead of the ADC, in units of (U V)^2: (m, n), or a scalar without shot noise.

    `total` (rows, n) is the light of all rails, `bits` the same as `photonics.products.bits_of` gives it.
    """
    passes = len(lights)
    readout = passes * engine.readout_variance() / engine.gain_electrons() / engine.gain_electrons()
    if not engine.photodetector.shot_noise:
        return readout
    light = light_product(jnp.asarray(sum(lights)), total, bits) + passes * engine.idle_light(lights[0].shape[-1])
    per_light, dark = engine.shot_variance_per_light()
    return per_light * light + (passes * dark + readout)
