"""The law of one tile of a homodyne engine, twice: closed-form moments in JAX, and photons counted on the host.

With E_x = x + i q_x, E_w = v + i q_v, Z_j = E_w,j conj(E_x,j), electrons a^2 and b^2 per symbol at full drive:

    photocounts        N_+ - N_- ~ Poisson - Poisson, mean 2 a b sum_j (1 + eps_j) Re[Z_j e^-i(phi + psi_j)] + imbalance
    shot variance      a^2 sum |E_w|^2 + b^2 sum |E_x|^2 + dark
    analog             (1 + gain)(N_+ - N_- - trim) + readout, clipped to the full well, over 2 a b
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics.draws import stream
from photonics.gradients import gaussian_counts, standard_deviation
from photonics.homodyne.fields import Field, interference
from photonics.homodyne.phase import turned
from photonics.homodyne.quantum_limit import quantum_limit
from photonics.stage import Signal
from photonics.tiled_engine import token_draws

if TYPE_CHECKING:
    from photonics.homodyne.engine import HomodyneEngine

# One stream for each kind of draw.
_COUNTS, _INTENSITY, _CONVERTER = 0, 1, 2


def held(tile: dict[str, Array]) -> Field:
    """The fields (rows, n) of the weights of one tile."""
    return Field(tile["signal"], tile["leak"] if "leak" in tile else jnp.zeros(()))


def fast(
    engine: "HomodyneEngine",
    key: Array,
    drive: Array,
    full_scale: Array,
    tile: dict[str, Array],
    leading: Sequence[int],
) -> Array:
    """What the converters see for drives (m, rows), their own noise included, by repetition: (R, m, n)."""

    def once(repetition: Array | int) -> Array:
        own = stream(key, repetition)
        signal = _once(engine, own, drive, tile, leading)
        if engine.adc.ideal:
            return signal
        deviation = standard_deviation(engine.adc.noise_variance(full_scale))
        return signal + deviation * token_draws(stream(own, _CONVERTER), leading, signal.shape[1])

    if engine.encoding.repetitions == 1:
        return once(0)[None]
    return jax.lax.map(once, jnp.arange(engine.encoding.repetitions))


def _once(engine: "HomodyneEngine", key: Array, drive: Array, tile: dict[str, Array], leading: Sequence[int]) -> Array:
    at, modulator = engine.operating_point, engine.modulator
    weights, activations = held(tile), modulator.field(drive, at, 1)
    by_weights, by_drives = engine.electrons_per_symbol()
    per_product = 2.0 * jnp.sqrt(by_weights * by_drives)
    lit, fluctuation = activations, None
    if engine.laser.fluctuates:
        normal = token_draws(stream(key, _INTENSITY), leading, drive.shape[1])
        fluctuation = standard_deviation(engine.laser.relative_variance(at)) * normal
        lit = activations.scaled(1.0 + fluctuation)
    phase, moments = tile.get("phase", 0.0), engine.phase.moments()
    real, imaginary = interference(lit, weights, modulator.leaks)
    mean = moments.along * turned(real, imaginary, phase)

    weight_power, drive_power = weights.power(), activations.power()
    weight_sum, drive_sum = jnp.sum(weight_power, axis=0), jnp.sum(drive_power, axis=1, keepdims=True)
    rows = drive.shape[1]
    if engine.pair.fixed_pattern:
        light = by_weights * weight_sum + by_drives * drive_sum
        if fluctuation is not None:
            light = light + by_weights * (fluctuation @ weight_power)
            light = light + by_drives * jnp.sum(fluctuation * drive_power, axis=1, keepdims=True)
        mean = mean + tile["imbalance"] / 2.0 * light / per_product
    mean = mean - trim(engine, rows, phase, tile.get("imbalance", 0.0))

    variance = jnp.zeros(mean.shape)
    if engine.pair.shot_noise:
        dark = 2.0 * rows * engine.pair.dark_electrons(at) / (per_product * per_product)
        variance = variance + quantum_limit(weight_sum, drive_sum, by_weights, by_drives) + dark
    if engine.phase.jitters:
        turns = interference(activations.squared(), weights.squared(), modulator.leaks)
        twice = turned(*turns, 2.0 * phase)
        jitter = moments.power * (drive_power @ weight_power) + moments.twice * twice
        # Rounding may leave it below zero where the two terms cancel; what jitters fluctuates too.
        variance = variance + jnp.maximum(jitter, 0.0) * (1.0 + engine.laser.relative_variance(at))
    gain = 1.0 + tile.get("gain", 0.0)
    readout = engine.readout_variance() / (per_product * per_product)
    normal = token_draws(stream(key, _COUNTS), leading, mean.shape[1])
    seen = gaussian_counts(gain * mean, gain * gain * variance + readout, normal)
    return engine.integrator.clip(seen, engine.integrator.limit_electrons(engine.diodes_f()) / per_product)


def trim(engine: "HomodyneEngine", rows: int, phase: Signal, imbalance: Signal) -> Signal:
    """What an output shows for operands of 0 without noise, in normalised products: leak times leak, and imbalance.

    The machine records it once and takes it away ahead of the converter, so that it does not spend range.
    """
    if not engine.modulator.leaks:
        return 0.0
    dark = engine.modulator.field(jnp.zeros(rows), engine.operating_point, 0)
    floor = jnp.sum(dark.power())
    by_weights, by_drives = engine.electrons_per_symbol()
    light = (by_weights + by_drives) * floor / (2.0 * jnp.sqrt(by_weights * by_drives))
    return engine.phase.moments().along * turned(floor, 0.0, phase) + imbalance / 2.0 * light


def counted(
    engine: "HomodyneEngine",
    random: np.random.Generator,
    drive: np.ndarray,
    full_scale: Signal,
    tile: dict[str, np.ndarray],
) -> np.ndarray:
    """The same as `fast`, (R, m, n) float64, symbol by symbol and photon by photon."""
    repetitions = []
    for _ in range(engine.encoding.repetitions):
        signal = _count(engine, random, drive, tile)
        if not engine.adc.ideal:
            signal += np.sqrt(engine.adc.noise_variance(full_scale)) * random.standard_normal(signal.shape)
        repetitions.append(signal)
    return np.stack(repetitions)


def _count(
    engine: "HomodyneEngine", random: np.random.Generator, drive: np.ndarray, tile: dict[str, np.ndarray]
) -> np.ndarray:
    at, rows = engine.operating_point, drive.shape[1]
    a2, b2 = (float(electrons) for electrons in engine.electrons_per_symbol())
    shown = engine.modulator.field(jnp.asarray(drive, jnp.float32), at, 1)
    # Fields of every symbol of every unit, (m, rows, 1) and (1, rows, n), as complex numbers.
    e_x = _complex(shown.signal, shown.leak)[:, :, None]
    e_w = _complex(tile["signal"], tile.get("leak", 0.0))[None]
    epsilon = np.sqrt(float(engine.laser.relative_variance(at))) * random.standard_normal((*drive.shape, 1))
    psi = engine.phase.drawn_jitter(random, (*drive.shape, e_w.shape[2]))
    angle = np.asarray(tile.get("phase", 0.0), np.float64) + psi
    beat = 2.0 * np.sqrt(a2 * b2) * np.sum((1.0 + epsilon) * np.real(e_w * np.conj(e_x) * np.exp(-1j * angle)), axis=1)
    light = np.sum((1.0 + epsilon) * (a2 * np.abs(e_w) ** 2 + b2 * np.abs(e_x) ** 2), axis=1)
    imbalance = np.asarray(tile.get("imbalance", 0.0), np.float64)
    dark = rows * float(engine.pair.dark_electrons(at))
    electrons = engine.pair.counted(random, light, beat, dark, imbalance)
    electrons -= 2.0 * np.sqrt(a2 * b2) * np.asarray(trim(engine, rows, tile.get("phase", 0.0), imbalance), np.float64)
    electrons *= 1.0 + np.asarray(tile.get("gain", 0.0), np.float64)
    electrons += np.sqrt(float(engine.readout_variance())) * random.standard_normal(electrons.shape)
    if engine.integrator.saturates:
        limit = float(engine.integrator.limit_electrons(engine.diodes_f()))
        electrons = np.clip(electrons, -limit, limit)
    return electrons / (2.0 * np.sqrt(a2 * b2))


def detected(engine: "HomodyneEngine", drive: Array, tile: dict[str, Array]) -> Array:
    """Photoelectrons on all photodiodes for drives (m, rows), both beams and all repetitions, dark current left out."""
    by_weights, by_drives = engine.electrons_per_symbol()
    weight_power = held(tile).power()
    drive_power = engine.modulator.field(drive, engine.operating_point, 1).power()
    light = drive.shape[0] * by_weights * jnp.sum(weight_power) + weight_power.shape[1] * by_drives * jnp.sum(
        drive_power
    )
    return engine.encoding.repetitions * light


def _complex(signal: Array | np.ndarray, leak: Array | np.ndarray | float) -> np.ndarray:
    return np.asarray(signal, np.float64) + 1j * np.asarray(leak, np.float64)
