"""Noise of a product and light of a sample, as quantities of `exalight validate`; see `validate_quantities`."""

import math
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from experiments.validate_operands import photons_per_mac as photons_of
from experiments.validate_operands import product
from photonics.units import ELEMENTARY_CHARGE_C

if TYPE_CHECKING:
    from photonics.free_space import FreeSpaceEngine


def relative_noise(engine: Any, *, photons_per_mac: float | None, **sizes: Any) -> float:
    """rms of (found - exact) / exact for positive uniform operands; 1 / sqrt(K n) where light is all that is noisy."""
    done = product(engine, activations="positive", weights="positive", photons_per_mac=photons_per_mac, **sizes)
    return math.sqrt(float(np.mean(np.square(done.error / done.exact))))


def noise_photons(
    engine: "FreeSpaceEngine",
    *,
    photons: float,
    inputs: int | None,
    outputs: int,
    vectors: int,
    path: str,
    seed: int,
) -> float:
    """rms error in photoelectrons where `gain_electrons`, those of a product of 1 by 1, are `photons`.

    Activations lie in 0..1, weights in -1..1, one of each vector at full scale, so that scales are 1. Weight offsets
    are worth half: their light is (1 + w) / 2, and the error counts in units of w.
    """
    keys = jax.random.split(jax.random.key(seed), 3)
    k = engine.inputs if inputs is None else inputs
    x = jax.random.uniform(keys[0], (vectors, k)).at[:, 0].set(1.0)
    w = jax.random.uniform(keys[1], (k, outputs), minval=-1.0, maxval=1.0).at[0].set(1.0)
    engine = engine.at(laser_power_w=engine.operating_point.laser_power_w * photons / engine.gain_electrons())
    multiply = engine.matmul_reference if path == "reference" else engine.matmul
    error = np.asarray(multiply(keys[2], x, w), np.float64) - np.asarray(x, np.float64) @ np.asarray(w, np.float64)
    return photons * math.sqrt(float(np.mean(np.square(error))))


def noise_over_quantum_limit(engine: Any, *, photons_per_mac: float | None, **operands: Any) -> float:
    """rms error over rms of |A_i| |x| / sqrt(N n), N inputs and n photoelectrons per MAC on average."""
    done = product(engine, photons_per_mac=photons_per_mac, **operands)
    lengths = np.linalg.norm(done.x, axis=1)[:, None] * np.linalg.norm(done.w, axis=0)
    limit = math.sqrt(float(np.mean(np.square(lengths))) / (done.x.shape[1] * photons_of(done)))
    return math.sqrt(float(np.mean(np.square(done.error)))) / limit


def sample_energy(engine: "FreeSpaceEngine", *, bits: float, noise: str) -> float:
    """Light on one detector in one pass for SNR = mu^2 / (2 beta mu + readout) = 10^((6.02 bits + 1.76) / 10) [J]."""
    ratio = 10.0 ** ((6.02 * bits + 1.76) / 10.0)
    shot = 0.0 if noise == "receiver" else 2.0 * float(engine.noise_band())
    readout = 0.0 if noise == "shot" else float(engine.readout_variance())
    half = ratio * shot / 2.0
    electrons = half + math.sqrt(half**2 + ratio * readout)
    return electrons / float(engine.electrons_per_joule())


def photon_energy(engine: "FreeSpaceEngine") -> float:
    """h c / lambda [J]."""
    return float(engine.source.photon_energy_j())


def responsivity(engine: Any) -> float:
    """QE q lambda / (h c) [A/W]."""
    return float(engine.electrons_per_joule()) * ELEMENTARY_CHARGE_C


def receiver_noise_density(engine: "FreeSpaceEngine") -> float:
    """i_n = q f sqrt(readout variance / beta / f) [A/rtHz]: what the readout noise of one pass corresponds to."""
    band_hz = float(engine.noise_band()) * float(engine.operating_point.symbol_rate_hz)
    charge_c = math.sqrt(float(engine.readout_variance())) * ELEMENTARY_CHARGE_C
    return charge_c * float(engine.operating_point.symbol_rate_hz) / math.sqrt(band_hz)


def receiver_noise_electrons(engine: "FreeSpaceEngine") -> float:
    """sqrt(readout variance); sqrt(k T C) / q for an integrating receiver."""
    return math.sqrt(float(engine.readout_variance()))


def detected_energy_per_mac(engine: Any, *, photons_per_mac: float | None, **operands: Any) -> float:
    """n / (electrons per joule): light that was counted, per MAC [J]."""
    done = product(engine, photons_per_mac=photons_per_mac, **operands)
    return photons_of(done) / float(engine.electrons_per_joule())


def photons_per_dot_product(engine: Any, **operands: Any) -> float:
    """Photoelectrons of one output: those per MAC times the inputs."""
    done = product(engine, **operands)
    return photons_of(done) * done.x.shape[1]
