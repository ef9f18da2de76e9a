"""Where the noise of an engine comes from: the variance of one tile's output by origin, for typical operands.

Averages over the operands of `photonics.operands.typical` replace sums over real ones: with light m of the sources and
T of the pixels as vectors of such operands, a sum over k of products is K times the product of two means.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from photonics import operands
from photonics.encoding import Exposure, digits
from photonics.transmissions import pixel_levels

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine


@dataclasses.dataclass(frozen=True)
class NoiseTerm:
    """Variance of one output by origin [electrons^2 of the signal], and its share of the whole."""

    origin: str
    variance_electrons2: float
    share: float


@dataclasses.dataclass(frozen=True)
class TypicalConversion:
    """One conversion of one panel, with typical operands.

    Attributes:
        exposure: what is shown, for a vector (K,) of typical drives.
        lights: relative light (K,) of the sources in each pass.
        rails: transmission (K,) of the pixels of each rail.
        weight: what one unit of its signal is worth in x_hat v.
        digit: which digit of the weights the panel holds, lowest first; each has converters of its own.
    """

    exposure: Exposure
    lights: list[np.ndarray]
    rails: list[np.ndarray]
    weight: float
    digit: int


def noise_budget(engine: "FreeSpaceEngine") -> list[NoiseTerm]:
    """Variance of one output of a full tile, largest first, referred to the signal x_hat v in electrons.

    Digits, passes and repetitions are summed with their weights. Static errors (rounding, pixels, rails, gains,
    crosstalk) count with the variance that they have over outputs; they do not average out over repetitions. Origins
    that this engine does not have are not listed. Left out: the range that pre-distortion for crosstalk spends, some
    per cent of the signal; what saturation and settling take from it.
    """
    terms: dict[str, float] = {}
    for conversion in conversions(engine):
        for origin, variance in _moving(engine, conversion).items():
            share = conversion.weight**2 / engine.encoding.repetitions
            terms[origin] = terms.get(origin, 0.0) + variance * share
    return ranked(terms | _static_errors(engine))


def ranked(terms: Mapping[str, float]) -> list[NoiseTerm]:
    """Variances by origin [electrons^2] as terms with their shares, largest first; origins without any are left out."""
    total = sum(terms.values()) or 1.0
    rows = [NoiseTerm(origin, float(v), float(v / total)) for origin, v in terms.items() if v > 0]
    return sorted(rows, key=lambda row: -row.variance_electrons2)


def typical_signal_electrons(engine: "FreeSpaceEngine") -> float:
    """Rms signal x_hat v of one output for the operands of `noise_budget` [electrons]."""
    rms2 = operands.mean_square(engine.source.count)
    return float(engine.gain_electrons()) * math.sqrt(engine.source.count) * rms2


def typical_full_scale(engine: "FreeSpaceEngine", digit: int = 0) -> float:
    """Half range of the converters of one digit of the weights for the operands of `noise_budget`, in units of U V."""
    ranging, unipolar, rows = engine.ranging, engine.unipolar(), engine.source.count
    means, variances, largest, constant = [], [], 0.0, float(engine.constant_signal(rows))
    full_drive = 0.5 if engine.encoding.activation_sign == "offset" else 1.0
    for conversion in (one for one in conversions(engine) if one.digit == digit):
        drive, weight = np.asarray(conversion.exposure.meant), weight_light(engine, conversion)
        base = float(conversion.exposure.base)
        # Weights of balanced rails sum to zero only in the mean over outputs.
        total = _mean_magnitude(weight.mean() * rows, weight.std() * math.sqrt(rows))
        means.append((drive.mean() + base) * total + constant)
        variances.append(drive.var() * np.mean(weight**2) * rows)
        largest = max(largest, (full_drive + base) * np.abs(weight).mean() * rows + constant)
    scale = ranging.from_moments(
        jnp.asarray(means, jnp.float32)[:, None],
        jnp.asarray(variances, jnp.float32)[:, None],
        jnp.asarray([largest], jnp.float32),
        pedestal=engine.has_pedestal(),
        unipolar=unipolar,
    )
    return float(scale[0])


def _mean_magnitude(mean: float, deviation: float) -> float:
    """Mean of |z| of a normal z."""
    if deviation == 0.0:
        return abs(mean)
    ratio = mean / deviation / math.sqrt(2.0)
    return deviation * math.sqrt(2.0 / math.pi) * math.exp(-(ratio**2)) + mean * math.erf(ratio)


def conversions(engine: "FreeSpaceEngine") -> list[TypicalConversion]:
    """Every conversion of one output and tile: digits of both operands, passes that are converted alone."""
    encoding, vector = engine.encoding, jnp.asarray(operands.typical(engine.source.count), jnp.float32)
    levels = None if engine.panel.ideal else pixel_levels(engine)
    shown = list(zip(engine.exposures(vector), engine.lights(vector[None], (1,)), strict=True))
    found = []
    for digit, (value, worth) in enumerate(digits(vector, engine.panel.levels(), encoding.weight_slices)):
        openings = encoding.openings(jnp.asarray(value))
        rails = [np.asarray(engine.panel.transmit(part, levels), float) for part in openings]
        for exposure, passes in shown:
            weight = exposure.factor * worth / encoding.weight_factor
            lights = [np.asarray(light[0], float) for light in passes]
            found.append(TypicalConversion(exposure, lights, rails, weight, digit))
    return found


def weight_light(engine: "FreeSpaceEngine", typical: TypicalConversion) -> np.ndarray:
    """Weights as light, V (K,)."""
    plus = typical.rails[0]
    return (plus - typical.rails[1] if len(typical.rails) == 2 else plus) / (1.0 - float(engine.panel.floor()))


def _moving(engine: "FreeSpaceEngine", typical: TypicalConversion) -> dict[str, float]:
    """Variance of one conversion by origin [electrons^2], what changes from symbol to symbol."""
    at, count = engine.operating_point, engine.source.count
    floor_m, floor_t = float(engine.modulator.floor()), float(engine.panel.floor())
    path, gain = float(engine.electrons_per_path()), float(engine.gain_electrons())
    passes, rails = len(typical.lights), len(typical.rails)
    spread = 2.0 * float(engine.noise_band()) * engine.photodetector.shot_noise
    light = sum(part.mean() for part in typical.lights) * sum(part.mean() for part in typical.rails)
    open_m = sum(part.mean() - floor_m for part in typical.lights)
    open_t = sum(part.mean() - floor_t for part in typical.rails)
    dark = passes * rails * float(engine.photodetector.dark_electrons(at))
    full_scale = typical_full_scale(engine, typical.digit) * gain
    intensity = float(engine.source.relative_variance(engine.receiver.noise_bandwidth_hz(at)))
    beats = float(engine.source.beat_variance(engine.receiver.noise_bandwidth_hz(at)))
    on_diodes = sum((path * count * m.mean() * t.mean()) ** 2 for m in typical.lights for t in typical.rails)
    adc = engine.adc
    return {
        "shot noise of the signal light": spread * path * count * open_m * open_t,
        "shot noise of the extinction floors": spread * path * count * (light - open_m * open_t),
        "shot noise of the dark current": spread * dark,
        "receiver": passes * float(engine.readout_variance()),
        "source intensity": intensity * _fluctuating(engine, typical) * path**2,
        "beats between sources": beats * on_diodes,
        "ADC rounding": 0.0 if adc.ideal else (full_scale / adc.levels()) ** 2 / 12,
        "ADC noise beyond rounding": 0.0 if adc.ideal else float(adc.noise_variance(full_scale)),
    }


def _fluctuating(engine: "FreeSpaceEngine", typical: TypicalConversion) -> float:
    """Square of the light that one relative fluctuation of the sources moves, paths^2."""
    if engine.source.noise == "none":
        return 0.0
    count = engine.source.count
    weight = weight_light(engine, typical) * (1.0 - float(engine.panel.floor()))
    total = 0.0
    for light in typical.lights:
        total += count * np.mean(light**2) * np.mean(weight**2)
        if engine.source.noise == "common":
            # All sources move together, so what the rails do not balance adds up in step.
            total += (count**2 - count) * (light.mean() * weight.mean()) ** 2
    return float(total)


def _static_errors(engine: "FreeSpaceEngine") -> dict[str, float]:
    """Variance over outputs of what does not change from symbol to symbol [electrons^2]."""
    encoding, readout, panel = engine.encoding, engine.readout, engine.panel
    count, gain = engine.source.count, float(engine.gain_electrons())
    rms2, age_s = operands.mean_square(count), float(engine.operating_point.age_s)
    signal = count * rms2 * gain**2
    unit = (1.0 - float(panel.floor())) * encoding.weight_factor
    sources = float(engine.source.gain_residual) ** 2 + float(engine.source.drift_per_root_s) ** 2 * age_s
    gains = float(readout.gain_residual) ** 2 + float(readout.drift_per_root_s) ** 2 * age_s
    vector = jnp.asarray(operands.typical(count), jnp.float32)
    # Sums over the digits of the weights, whose panels have errors of their own.
    pixels = imbalances = profiles = weights = offsets = passed = 0.0
    for digit, (value, worth) in enumerate(digits(vector, panel.levels(), encoding.weight_slices)):
        rails = [np.asarray(panel.transmit(part), float) for part in encoding.openings(jnp.asarray(value))]
        weight = rails[0] - rails[1] if len(rails) == 2 else rails[0]
        # A pixel error scales each T by itself, an imbalance of the rails T+ + T-, a source the whole row.
        pixels += worth**2 * sum(np.mean(t**2) for t in rails)
        imbalances += worth**2 * np.mean(sum(rails) ** 2) * (len(rails) == 2)
        profiles += worth**2 * np.mean(weight**2)
        weights += worth**2 * np.mean(np.asarray(value, float) ** 2)
        offsets += (worth * typical_full_scale(engine, digit)) ** 2
        passed += worth**2 * _passes_together(engine, weight / (1.0 - float(panel.floor())))
    there, swing = panel.fixed_pattern, signal / unit**2
    # The conversions of an output share its offset, which their factors may cancel.
    factor = sum(exposure.factor for exposure in engine.exposures(vector)) / encoding.weight_factor
    # An output loses two shares to its neighbours and gains one of each: 4 + 1 + 1; wires add without losing: 1 + 1.
    optical, electrical = 6 * float(engine.optics.crosstalk_residual) ** 2, 2 * float(readout.crosstalk_residual) ** 2
    terms = {
        "activation rounding": 0.0 if engine.dac.ideal else signal / engine.dac.levels() ** 2 / 12,
        "weight rounding": 0.0 if panel.ideal else signal / panel.levels() ** 2 / 12,
        "activation response": _activation_response(engine),
        "weight response": signal * _weight_response(engine),
        "pixel residuals": there * float(panel.element_residual) ** 2 * swing * pixels,
        "rail imbalance": there * (float(panel.rail_residual) / 2) ** 2 * swing * imbalances,
        "source profile": there * sources * swing * profiles,
        "output gains": readout.fixed_pattern * gains * signal * weights,
        "output offsets": readout.fixed_pattern * (float(readout.offset_residual) * gain * factor) ** 2 * offsets,
        "mismatch of passes": readout.pass_mismatch * (float(readout.pass_residual) / 2 * gain) ** 2 * passed,
        "crosstalk residual": engine.optics.crosstalk * optical * signal * weights,
        "electrical crosstalk residual": readout.crosstalk * electrical * signal * weights,
    }
    return {origin: float(variance) for origin, variance in terms.items()}


def _passes_together(engine: "FreeSpaceEngine", weight: np.ndarray) -> float:
    """Square of the signal, in units of (x_hat v)^2, that passes give which are added instead of subtracted."""
    if engine.encoding.passes_per_conversion == 1:
        return 0.0
    count, vector = engine.source.count, jnp.asarray(operands.typical(engine.source.count), jnp.float32)
    shown = zip(engine.exposures(vector), engine.lights(vector[None], (1,)), strict=True)
    both = np.zeros(count)
    for exposure, lights in shown:
        both += exposure.factor * sum(np.asarray(light[0], float) for light in lights)
    both = both / (1.0 - float(engine.modulator.floor())) / engine.encoding.weight_factor
    # The pedestal of offset weights adds up in step.
    apart, in_step = np.mean(both**2) * np.mean(weight**2), (both.mean() * weight.mean()) ** 2
    return float(count * apart + (count**2 - count) * in_step)


def _activation_response(engine: "FreeSpaceEngine") -> float:
    """Variance of one output from drives that are not straight, recorded pedestals subtracted; rounding left out."""
    modulator, count = engine.modulator, engine.source.count
    if modulator.response == "linear":
        return 0.0
    vector = jnp.asarray(operands.typical(count), jnp.float32)
    shown = zip(engine.exposures(vector), engine.lights(vector[None], (1,)), strict=True)
    error = np.zeros(count)
    for exposure, lights in shown:
        light = sum(sign * light[0] for sign, light in zip(exposure.signs, lights, strict=True))
        drive = light / (1.0 - modulator.floor()) - engine.recorded_base()
        error += exposure.factor * np.asarray(drive - exposure.meant, float)
    own = count * np.mean(error**2) * operands.mean_square(count)
    if engine.encoding.weight_sign == "offset":
        # Every output shows the same sum of the errors on its pedestal.
        pedestal = float(engine.weight_pedestal()) / engine.encoding.weight_factor
        own += pedestal**2 * (count * np.mean(error**2) + (count**2 - count) * error.mean() ** 2)
    return float(own) * float(engine.gain_electrons()) ** 2


def _weight_response(engine: "FreeSpaceEngine") -> float:
    """Mean square error of a weight in [-1, 1] from pixels that are not straight; rounding left out."""
    panel, encoding = engine.panel, engine.encoding
    if panel.response == "linear":
        return 0.0
    vector, total = jnp.asarray(operands.typical(engine.source.count), jnp.float32), 0.0
    levels = None if panel.ideal else pixel_levels(engine)
    for value, worth in digits(vector, panel.levels(), encoding.weight_slices):
        for part in encoding.openings(jnp.asarray(value)):
            error = (panel.transmit(part, levels) - panel.floor()) / (1.0 - panel.floor()) - part
            total += (worth / encoding.weight_factor) ** 2 * float(jnp.mean(jnp.square(error)))
    return total
