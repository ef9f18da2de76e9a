"""From emitted light to what the converter sees: electrons on the photodiodes, their noise, the electronics behind."""

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics.gradients import gaussian_counts
from photonics.stage import Scalar, Signal

if TYPE_CHECKING:
    from photonics.analog_optical_computer.engine import AnalogOpticalComputerEngine


def electrons(engine: "AnalogOpticalComputerEngine", plus: Signal, minus: Signal, tile: dict) -> tuple[Signal, Signal]:
    """Mean photoelectrons of one symbol on the photodiodes of both rails (m, n), dark current left out.

        N_r = e (base_r + mu p_r) / (1 + mu),       p_r = m_r @ G_r,  base_r = sum over sources of G_r

    `plus`, `minus` are p_r; e the electrons of one source at full drive on one open path.
    """
    path, source = engine.electrons_per_path(), engine.source
    bias, swing = source.bias(), source.swing()
    return path * (bias * tile["base_plus"] + swing * plus), path * (bias * tile["base_minus"] + swing * minus)


def above_bias(
    engine: "AnalogOpticalComputerEngine", plus: Signal, minus: Signal, tile: dict, counts: tuple[Signal, Signal]
) -> Signal:
    """Signal electrons (m, n): difference of the rails, less what they carry at the bias.

    Without saturation of the photodiodes this is e mu / (1 + mu) (p_+ - p_-), written so that the
    pedestal does not cost any digits.
    """
    detector, at = engine.photodetector, engine.operating_point
    if not detector.saturates:
        return engine.electrons_per_path() * engine.source.swing() * (plus - minus)
    at_bias = engine.electrons_per_path() * engine.source.bias()
    rails = zip(counts, (tile["base_plus"], tile["base_minus"]), strict=True)
    levels = [detector.saturated(count, at) - detector.saturated(at_bias * base, at) for count, base in rails]
    return levels[0] - levels[1]


def variance(engine: "AnalogOpticalComputerEngine", counts: tuple[Signal, Signal]) -> Signal:
    """Variance of the signal (m, n) [electrons^2]: shot noise of all light, dark currents, two receivers.

    2 beta sum over rails of (N_r + dark) (dS/dN)^2 + 2 readout,        S the saturation of a photodiode
    """
    detector, at = engine.photodetector, engine.operating_point
    total = 2.0 * engine.readout_variance()
    if not detector.shot_noise:
        return jnp.zeros_like(counts[0]) + total
    spread = 2.0 * engine.noise_band()
    for count in counts:
        held = (detector.saturated(count, at) / count) ** 4 if detector.saturates else 1.0
        total = total + spread * (count + detector.dark_electrons(at)) * held
    return total


def behind(engine: "AnalogOpticalComputerEngine", received: Array, tile: dict) -> Array:
    """What the converter sees (m, n) of received signals in normalised products: loop gain, saturation, offset."""
    full_scale, saturation = tile["full_scale"], engine.saturation
    amplified = received * tile["loop_gain"]
    if saturation.present:
        volts_per_unit = saturation.full_scale_v / full_scale
        amplified = saturation.saturated(amplified * volts_per_unit) / volts_per_unit
    return amplified + tile["offset"]


def received(
    engine: "AnalogOpticalComputerEngine", plus: Array, minus: Array, tile: dict[str, Array], normal: Array
) -> Array:
    """Normalised products (m, n) at the receivers with their noise; `normal` are its standard normal draws."""
    counts, unit = electrons(engine, plus, minus, tile), engine.signal_electrons()
    signal = above_bias(engine, plus, minus, tile, counts) / unit + tile["constant"]
    return gaussian_counts(signal, variance(engine, counts) / unit / unit, normal)


def counted(
    engine: "AnalogOpticalComputerEngine",
    random: np.random.Generator,
    emitted: tuple[np.ndarray, np.ndarray],
    tile: dict[str, np.ndarray],
) -> np.ndarray:
    """The same normalised products (m, n) with photons counted on each photodiode, float64.

    A receiver that does not integrate over the whole symbol sees the variance 2 beta mu of the mean mu: counts about
    their mean are scaled by sqrt(2 beta).
    """
    detector, at = engine.photodetector, engine.operating_point
    projected = [light @ np.asarray(tile[name], float) for light, name in zip(emitted, ("plus", "minus"), strict=True)]
    means = electrons(engine, projected[0], projected[1], tile)
    dark, wide = float(detector.dark_electrons(at)), np.sqrt(2.0 * float(engine.noise_band()))
    rails = []
    for mean in means:
        light = np.asarray(mean, float) + dark
        count = light + wide * (random.poisson(light) - light) if detector.shot_noise else light
        rails.append(np.asarray(detector.saturated(count - dark, at), float))
    at_bias = float(engine.electrons_per_path() * engine.source.bias())
    bases = [at_bias * np.asarray(tile[name], float) for name in ("base_plus", "base_minus")]
    for rail, base in zip(rails, bases, strict=True):
        rail -= np.asarray(detector.saturated(base, at), float)
        rail += random.normal(0.0, np.sqrt(float(engine.readout_variance())), rail.shape)
    return (rails[0] - rails[1]) / float(engine.signal_electrons()) + np.asarray(tile["constant"], float)


def adc_noise(engine: "AnalogOpticalComputerEngine", full_scale: Signal) -> Scalar | Signal:
    """Variance of converter noise beyond rounding, in the square of the unit of `full_scale`."""
    return 0.0 if engine.adc.ideal else engine.adc.noise_variance(full_scale)
