"""The reference path: the light of one product followed stage by stage, with photons counted on the host.

Slow and readable, in float64. Nothing here is closed-form: two passes are shown, two rails detect them, the
photoelectrons are Poisson counts, the receiver adds its noise to each pass, and the difference is converted.
Counts come from numpy, whose Poisson generator is sound at every mean (`jax.random.poisson` is not above 3e5).
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from photonics.loaded_panel import LoadedPanel, split_rows, transmissions

if TYPE_CHECKING:
    from photonics.engine import Engine


def matmul(
    engine: "Engine", key: jax.Array, x: np.ndarray, w: jax.Array, panel: LoadedPanel, instance: int
) -> jax.Array:
    """y (..., n) from x (..., k) and weights w (k, n); `panel` lends its ADC ranges. See `Engine.matmul_reference`."""
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
    rails_plus, rails_minus, _, scale = (np.asarray(a, np.float64) for a in transmissions(engine, w, instance))
    rotated = engine.encoding.rotate_activations(jnp.asarray(x, jnp.float32))
    token = engine.encoding.activation_scale == "token"
    x_scale = engine.encoding.activation_scales(rotated) if token else panel.activation_scale
    drives = split_rows(engine.dac.drive(rotated / x_scale).reshape(-1, x.shape[-1]), panel.tiles, panel.rows)

    y = np.zeros((drives.shape[1], panel.n))
    for tile, drive in enumerate(np.asarray(drives, np.float64)):
        electrons = np.zeros_like(y)
        for sign in (1.0, -1.0):
            light = _show(engine, random, np.maximum(sign * drive, 0.0))
            counts = [_detect(engine, random, light, rail) for rail in (rails_plus[tile], rails_minus[tile])]
            electrons += sign * (counts[0] - counts[1] + _read_out(engine, random, y.shape))
        signal = electrons / float(engine.gain_electrons())
        y += _convert(engine, random, signal, np.asarray(panel.full_scale[tile], np.float64)) * scale[tile]
    y = y.reshape(*x.shape[:-1], panel.n) * np.asarray(x_scale, np.float64)
    return jnp.asarray(y, x.dtype)


def _show(engine: "Engine", random: np.random.Generator, drive: np.ndarray) -> np.ndarray:
    """Relative light (m, rows) of the sources for unsigned drives, with their intensity noise."""
    light = np.asarray(engine.modulator.transmit(drive), np.float64)
    bandwidth_hz = engine.receiver.noise_bandwidth_hz(engine.operating_point)
    deviation = np.sqrt(float(engine.source.relative_variance(bandwidth_hz)))
    if engine.source.noise == "independent":
        light = light * (1.0 + deviation * random.standard_normal(light.shape))
    elif engine.source.noise == "common":
        light = light * (1.0 + deviation * random.standard_normal((light.shape[0], 1)))
    return light


def _detect(engine: "Engine", random: np.random.Generator, light: np.ndarray, rail: np.ndarray) -> np.ndarray:
    """Photoelectrons (m, n) of one rail in one pass."""
    idle = (engine.source.count - rail.shape[0]) * float(engine.modulator.floor() * engine.panel.floor())
    mean = float(engine.electrons_per_path()) * (light @ rail + idle)
    mean = mean + float(engine.photodetector.dark_electrons(engine.operating_point))
    # A strong downward fluctuation of the sources cannot make light negative.
    mean = np.maximum(mean, 0.0)
    return random.poisson(mean).astype(np.float64) if engine.photodetector.shot_noise else mean


def _read_out(engine: "Engine", random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Receiver noise of one pass [electrons]."""
    return np.sqrt(float(engine.receiver.readout_variance(engine.operating_point))) * random.standard_normal(shape)


def _convert(engine: "Engine", random: np.random.Generator, signal: np.ndarray, full_scale: np.ndarray) -> np.ndarray:
    """Codes times lsb (m, n): converter noise, clipping, rounding."""
    if engine.adc.ideal:
        return signal
    noise = np.sqrt(np.asarray(engine.adc.noise_variance(jnp.asarray(full_scale, jnp.float32)), np.float64))
    noisy = np.clip(signal + noise * random.standard_normal(signal.shape), -full_scale, full_scale)
    lsb = full_scale / engine.adc.levels()
    return np.round(noisy / lsb) * lsb
