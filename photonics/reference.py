"""The reference path: the light of one product followed stage by stage, with photons counted on the host.

Slow and readable, in float64. Nothing here is closed-form: every pass is shown, every rail detects it, the
photoelectrons are Poisson counts, the receiver adds its noise to each pass, electronics mix and clip, and what is
gathered is converted. Counts come from numpy, whose Poisson generator is sound at every mean (`jax.random.poisson` is
not above 3e5).
"""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np

from photonics.encoding import Exposure, there
from photonics.fixed_pattern import Instance
from photonics.loaded_panel import LoadedPanel, split_rows
from photonics.transmissions import transmissions

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine


def matmul(
    engine: "FreeSpaceEngine", key: jax.Array, x: np.ndarray, w: jax.Array, panel: LoadedPanel, instance: Instance
) -> jax.Array:
    """y (..., n) from x (..., k), w (k, n); `panel` lends ranges and errors. See `Engine.matmul_reference`."""
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel().tolist())
    light = transmissions(engine, w, instance)
    rails = [np.asarray(rail, np.float64) for rail in light.rails]
    scale = np.asarray(light.scale, np.float64)
    rotated = engine.encoding.rotate_activations(jnp.asarray(x, jnp.float32))
    token = engine.encoding.activation_scale == "token"
    x_scale = engine.encoding.activation_scales(rotated) if token else panel.activation_scale
    drives = split_rows(engine.dac.drive(rotated / x_scale).reshape(-1, x.shape[-1]), panel.tiles, panel.rows)

    y = np.zeros((drives.shape[1], panel.n))
    for number in range(panel.panels):
        drive = drives[number % panel.tiles]
        on_panel = [rail[number] for rail in rails]
        own = {name: np.asarray(error[number], np.float64) for name, error in panel.errors.items()}
        constant = np.asarray(panel.column[number], np.float64), np.asarray(panel.full_scale[number], np.float64)
        gathered = np.zeros_like(y)
        for _ in range(engine.encoding.repetitions):
            shown = zip(engine.exposures(drive), engine.lights(drive, x.shape[:-1]), strict=True)
            for exposure, lights in shown:
                value = _conversion(engine, random, exposure, lights, on_panel, own, *constant)
                gathered += exposure.factor / engine.encoding.weight_factor * value
        y += gathered / engine.encoding.repetitions * scale[number]
    # A token that is all zero is worth nothing.
    worth = jnp.where(there(rotated, -1), x_scale, 0.0) if token else x_scale
    y = y.reshape(*x.shape[:-1], panel.n) * np.asarray(worth, np.float64)
    return jnp.asarray(y, x.dtype)


def _conversion(
    engine: "FreeSpaceEngine",
    random: np.random.Generator,
    exposure: Exposure,
    lights: tuple[jax.Array, ...],
    rails: list[np.ndarray],
    errors: dict[str, np.ndarray],
    column: np.ndarray,
    full_scale: np.ndarray,
) -> np.ndarray:
    """One conversion (m, n) in units of U V, its known pedestal subtracted."""
    limit = float(engine.receiver.limit_electrons(engine.operating_point))
    electrons = np.zeros((lights[0].shape[0], column.shape[-1]))
    for sign, light in zip(exposure.signs, lights, strict=True):
        shown = _fluctuate(engine, random, np.asarray(light, np.float64))
        counts = [_detect(engine, random, shown, rail) for rail in rails]
        seen = (counts[0] - counts[1] if len(counts) == 2 else counts[0]) + _read_out(engine, random, electrons.shape)
        if engine.readout.saturates:
            seen = np.clip(seen, -limit, limit)
        # A single pass has no other to differ from.
        mismatch = errors["pass"] if "pass" in errors and len(lights) == 2 else np.zeros(1)
        electrons += sign * (1.0 + sign * mismatch / 2.0) * seen
    signal = electrons / float(engine.gain_electrons())
    if engine.readout.crosstalk:
        signal = _neighbours(engine, signal, corrected=False)
    if "gain" in errors:
        signal = signal * (1.0 + errors["gain"]) + errors["offset"] * full_scale
    code = _convert(engine, random, signal, full_scale)
    if engine.readout.crosstalk:
        code = _neighbours(engine, code, corrected=True)
    return code - _recorded(engine, exposure, errors, column)


def _recorded(
    engine: "FreeSpaceEngine", exposure: Exposure, errors: dict[str, np.ndarray], column: np.ndarray
) -> np.ndarray | float:
    """The pedestal (m, n) that the machine has recorded, through its own electronics but for their offsets."""
    if not engine.has_pedestal() and engine.encoding.weight_sign == "rails":
        return 0.0
    meant = np.asarray(exposure.meant, np.float64)
    known = float(engine.weight_pedestal()) * meant.sum(axis=1, keepdims=True)
    known = known + float(engine.recorded_base()) * column + float(engine.constant_signal(meant.shape[1]))
    if engine.readout.crosstalk:
        known = _neighbours(engine, known, corrected=False)
    known = known * (1.0 + errors.get("gain", np.zeros(1)))
    return _neighbours(engine, known, corrected=True) if engine.readout.crosstalk else known


def _fluctuate(engine: "FreeSpaceEngine", random: np.random.Generator, light: np.ndarray) -> np.ndarray:
    """Relative light (m, rows) of the sources with their intensity noise."""
    bandwidth_hz = engine.receiver.noise_bandwidth_hz(engine.operating_point)
    deviation = np.sqrt(float(engine.source.relative_variance(bandwidth_hz)))
    if engine.source.noise == "independent":
        light = light * (1.0 + deviation * random.standard_normal(light.shape))
    elif engine.source.noise == "common":
        light = light * (1.0 + deviation * random.standard_normal((light.shape[0], 1)))
    return light


def _detect(engine: "FreeSpaceEngine", random: np.random.Generator, light: np.ndarray, rail: np.ndarray) -> np.ndarray:
    """Photoelectrons (m, n) of one rail in one pass."""
    at = engine.operating_point
    idle = (engine.source.count - rail.shape[0]) * float(engine.modulator.floor() * engine.panel.floor())
    mean = float(engine.electrons_per_path()) * (light @ rail + idle) + float(engine.photodetector.dark_electrons(at))
    mean = np.asarray(engine.photodetector.saturated(mean, at), np.float64)
    beats = float(engine.source.beat_variance(engine.receiver.noise_bandwidth_hz(at)))
    if engine.source.beats:
        mean = mean * (1.0 + np.sqrt(beats) * random.standard_normal(mean.shape))
    if not engine.photodetector.shot_noise:
        return mean
    # A strong downward fluctuation of the sources cannot make light negative. A receiver of noise bandwidth B counts
    # over a window of 1 / (2 B).
    window = 2.0 * float(engine.noise_band())
    return window * random.poisson(np.maximum(mean, 0.0) / window).astype(np.float64)


def _read_out(engine: "FreeSpaceEngine", random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Receiver noise of one pass [electrons]."""
    return np.sqrt(float(engine.readout_variance())) * random.standard_normal(shape)


def _neighbours(engine: "FreeSpaceEngine", value: np.ndarray, corrected: bool) -> np.ndarray:
    """Electrical crosstalk between the outputs of each panel, or its digital inversion, by a linear solver."""
    readout, outputs = engine.readout, engine.panel.outputs
    share = float(readout.crosstalk_per_neighbour) - (float(readout.crosstalk_residual) if corrected else 0.0)
    parts = []
    for start in range(0, value.shape[-1], outputs):
        part = value[:, start : start + outputs]
        width = part.shape[-1]
        matrix = np.eye(width) + share * (np.eye(width, k=1) + np.eye(width, k=-1))
        parts.append(np.linalg.solve(matrix, part.T).T if corrected else part @ matrix)
    return np.concatenate(parts, axis=-1)


def _convert(
    engine: "FreeSpaceEngine", random: np.random.Generator, signal: np.ndarray, full_scale: np.ndarray
) -> np.ndarray:
    """Codes times lsb (m, n): converter noise, clipping, rounding."""
    if engine.adc.ideal:
        return signal
    middle = full_scale if engine.unipolar() else 0.0
    noise = np.sqrt(np.asarray(engine.adc.noise_variance(jnp.asarray(full_scale, jnp.float32)), np.float64))
    noisy = np.clip(signal - middle + noise * random.standard_normal(signal.shape), -full_scale, full_scale)
    lsb = full_scale / engine.adc.levels()
    return np.round(noisy / lsb) * lsb + middle
