"""The fast path where detection is not one linear sum: each light on each photodiode taken by itself.

For every pass and rail, in electrons:

    mu    = e_p (m @ T + idle sources) + dark            mu -> mu / (1 + mu / n_sat)          photodiode
    var   = sum over rails of  2 beta mu + beats mu^2,   + readout
    n     = clip(mu+ - mu- + sqrt(var) N(0,1))                                                receiver
    A g   = sum over passes of  sign (1 + sign d / 2) n                                       mismatch of the passes

It costs passes x rails products instead of two.
"""

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array

from photonics.draws import standard_normal, stream, sum_of_bits
from photonics.encoding import Exposure
from photonics.gradients import gaussian_counts, standard_deviation

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine

# Streams of one conversion, after those of `photonics.fast`; one for each pass.
_SOURCES, _DETECTION = 8, 16


def signal(
    engine: "FreeSpaceEngine",
    key: Array,
    exposure: Exposure,
    lights: tuple[Array, ...],
    panel: dict,
    leading: tuple[int, ...],
) -> Array:
    """What the converter sees (m, n), in units of U V, pedestals and the noise of detection included."""
    total = jnp.zeros(())
    for number, (sign, light) in enumerate(zip(exposure.signs, lights, strict=True)):
        light = light * (1.0 + _fluctuation(engine, stream(key, _SOURCES + number), light, leading))
        mean, variance = detected(engine, light, panel["rails"])
        normal = standard_normal(stream(key, _DETECTION + number), (*leading, mean.shape[-1])).reshape(mean.shape)
        seen = gaussian_counts(mean, variance + engine.readout_variance(), normal)
        seen = engine.readout.clip(seen, engine.receiver.limit_electrons(engine.operating_point))
        if "pass" in panel["errors"] and len(lights) == 2:
            seen = seen * (1.0 + sign * panel["errors"]["pass"] / 2.0)
        total = total + sign * seen
    return total / engine.gain_electrons()


def detected(engine: "FreeSpaceEngine", light: Array, rails: Array) -> tuple[Array, Array]:
    """Mean and variance (m, n) of the electrons of one pass, difference of the rails, without readout noise.

    `light` (m, rows) is the relative light of the sources, `rails` (rails, rows, n) what the panel passes.
    """
    at = engine.operating_point
    band_hz = engine.receiver.noise_bandwidth_hz(at)
    dark = engine.photodetector.dark_electrons(at)
    idle = engine.idle_light(light.shape[-1]) / engine.encoding.rails
    mean, variance = jnp.zeros(()), jnp.zeros(())
    for rail, sign in zip(rails, (1.0, -1.0), strict=False):
        electrons = engine.electrons_per_path() * (light @ rail + idle) + dark
        electrons = engine.photodetector.saturated(electrons, at)
        mean = mean + sign * electrons
        variance = variance + engine.source.beat_variance(band_hz) * jnp.square(electrons)
        if engine.photodetector.shot_noise:
            variance = variance + 2.0 * engine.noise_band() * electrons
    return mean, variance


def _fluctuation(engine: "FreeSpaceEngine", key: Array, light: Array, leading: tuple[int, ...]) -> Array:
    """Relative fluctuation of the sources in one pass, (m, rows), (m, 1) or nothing."""
    if engine.source.noise == "none":
        return jnp.zeros(())
    bandwidth_hz = engine.receiver.noise_bandwidth_hz(engine.operating_point)
    deviation = standard_deviation(engine.source.relative_variance(bandwidth_hz))
    if engine.source.noise == "common":
        return deviation * standard_normal(key, (*leading, 1)).reshape(-1, 1)
    return deviation * sum_of_bits(key, (*leading, light.shape[-1])).reshape(light.shape)
