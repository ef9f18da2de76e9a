"""Where the errors of one output come from: variances by origin, for a full tile of typical operands."""

from typing import TYPE_CHECKING

import numpy as np

from photonics import operands
from photonics.analog_optical_computer.amplitude_panel import distorted
from photonics.noise_budget import NoiseTerm, ranked
from photonics.stage import Scalar

if TYPE_CHECKING:
    from photonics.analog_optical_computer.engine import AnalogOpticalComputerEngine


def noise_budget(engine: "AnalogOpticalComputerEngine") -> list[NoiseTerm]:
    """Variance of one output of a full tile, largest first [electrons^2 of the signal].

    What does not change from symbol to symbol counts with the variance that it has over outputs and instances. Sums
    over sources are their number times the mean over `operands.typical`. Left out: saturation; products of two errors.
    """
    return ranked({**_moving(engine), **_rounding_and_response(engine), **_patterns(engine)})


def mean_transmission(engine: "AnalogOpticalComputerEngine", dark_only: bool = False) -> Scalar:
    """Mean of T h over the pixels of both rails for typical weights, or of the dark light alone in it."""
    weights = operands.typical(engine.inputs)
    total: Scalar = 0.0
    rails = zip((1.0, -1.0), engine.panel.coefficients(), engine.output.gains(), strict=True)
    for sign, (quadratic, linear, dark), gain in rails:
        opening = np.maximum(sign * weights, 0.0) * (not dark_only)
        # Moments of the openings first, so that coefficients may be traced.
        mean = distorted(1.0, quadratic * float(np.mean(opening**2)), linear * float(np.mean(opening)), dark)
        total = total + mean * gain / 2.0
    return total


def _moving(engine: "AnalogOpticalComputerEngine") -> dict[str, float]:
    """What changes from symbol to symbol [electrons^2]."""
    detector, adc = engine.photodetector, engine.adc
    spread = 2.0 * float(engine.noise_band()) * detector.shot_noise
    # Both rails: the light of a column is that of all sources at their bias.
    light = 2.0 * engine.inputs * float(engine.electrons_per_path()) * float(engine.source.bias())
    floor = light * float(mean_transmission(engine, dark_only=True))
    full_scale = engine.typical_full_scale_electrons()
    return {
        "shot noise of open pixels": spread * (light * float(mean_transmission(engine)) - floor),
        "shot noise of dark pixels": spread * floor,
        "shot noise of the dark current": spread * 2.0 * float(detector.dark_electrons(engine.operating_point)),
        "receivers": 2.0 * float(engine.readout_variance()),
        "ADC rounding": 0.0 if adc.ideal else (full_scale / adc.levels()) ** 2 / 12,
        "ADC noise beyond rounding": 0.0 if adc.ideal else float(adc.noise_variance(full_scale)),
    }


def _rounding_and_response(engine: "AnalogOpticalComputerEngine") -> dict[str, float]:
    """Errors of the operands themselves [electrons^2]."""
    count, square = engine.inputs, float(engine.signal_electrons()) ** 2
    rms2, vector = operands.mean_square(count), operands.typical(count)
    parts = list(zip(engine.source.rail_slopes(), engine.panel.swings(), engine.output.gains(), strict=True))
    unit = float(engine.unit())
    emitted = [np.asarray(light, float) for light in engine.source.emitted(vector)]
    # A weight takes the light of one rail or of the other.
    drive_error = 0.0
    for light, (_, swing, gain) in zip(emitted, parts, strict=True):
        drive_error += float(np.mean((light * float(swing * gain) / unit - vector) ** 2)) / 2.0
    weight = np.zeros(count)
    for sign, coefficients, (slope, _, gain) in zip((1.0, -1.0), engine.panel.coefficients(), parts, strict=True):
        transmission = distorted(np.maximum(sign * vector, 0.0), *(float(part) for part in coefficients))
        weight += sign * transmission * float(slope * gain) / unit
    rounding = count * rms2 * square / 12.0
    return {
        "activation rounding": 0.0 if engine.dac.ideal else rounding / engine.dac.levels() ** 2,
        "weight rounding": 0.0 if engine.panel.ideal else rounding / engine.panel.levels() ** 2,
        "source response": count * rms2 * drive_error * square,
        "panel response": count * rms2 * float(np.mean((weight - vector) ** 2)) * square,
    }


def _patterns(engine: "AnalogOpticalComputerEngine") -> dict[str, float]:
    """Errors that tell one machine from another, and what lands on wrong detectors [electrons^2]."""
    fan_in, panel, output, crosstalk = engine.fan_in, engine.panel, engine.output, engine.crosstalk
    count, square, unit = engine.inputs, float(engine.signal_electrons()) ** 2, float(engine.unit())
    rms2 = operands.mean_square(count)
    signal = count * rms2**2 * square

    def both(common: float, difference: float) -> float:
        return float(common) ** 2 + (float(difference) / 2.0) ** 2

    gains = both(float(output.gain_spread), float(output.rail_gain_spread)) + float(output.loop_gain_spread) ** 2
    pixels = (
        panel.pixel_errors * (float(panel.element_residual) / unit) ** 2 * 2.0 * float(mean_transmission(engine)) ** 2
    )
    # Of an exponential share s: <s^2> = 2 <s>^2, and an output has two neighbours.
    crossed = crosstalk.present * 4.0 * float(crosstalk.per_neighbour) ** 2
    dark = sum((float(part[2]) / float(engine.source.full_unit()) / unit) ** 2 for part in panel.coefficients())
    offset = float(output.offset_v) / float(engine.saturation.full_scale_v) * engine.typical_full_scale_electrons()
    return {
        "source profile": both(float(fan_in.profile_spread), float(fan_in.rail_spread)) * signal,
        "column profile": both(float(panel.column_spread), float(panel.rail_spread)) * signal,
        "pixel residuals": pixels * count * rms2 * square,
        "output gains": gains * signal,
        "output offsets": offset**2,
        "rail leakage": engine.leakage.present * 2.0 * (float(engine.leakage.spread) / unit) ** 2 * rms2 * square,
        "photodiode crosstalk": crossed * signal,
        # The constant has the variance of the shares alone, <s>^2 each, because the rails differ.
        "dark subtraction of the crosstalk": crosstalk.dark_subtraction * crossed / 2.0 * dark * square,
    }
