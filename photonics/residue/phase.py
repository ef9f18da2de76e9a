"""The phase of a path: its noise from photons, receivers and segments, and how it wraps and is read as a residue."""

import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics.stage import Scalar


def read_out_variance(signal: Scalar, local: Scalar, readout: Scalar, shot_noise: bool) -> Scalar:
    """Variance of the phase from atan2(Q, I), to first order in the noise [rad^2].

        var phi = [ (n_s + n_l) / 2 + r ] / (n_s n_l)              1 / (2 n_s) for a strong local oscillator

    `signal`, `local` photoelectrons n_s, n_l of one symbol; `readout` the variance r of one receiver [electrons^2].
    Half of the light falls on the two photodiodes of each quadrature; noise along the phasor turns it by nothing, so
    one quadrature's variance across it is all that counts. 1 / (2 n_s) is twice the variance of a homodyne read-out of
    one quadrature at its steepest point, the price of the full circle (Agrawal, chapter 10, from memory). Higher orders
    are left out: at a deviation of 0.1 rad they are below 2 % of the variance.
    """
    across = (shot_noise * (signal + local)) / 2.0 + readout
    return across / signal / local


def levels_variance(phase_variance: Scalar, modulus: int) -> Scalar:
    """The same variance in levels of a residue, (m / 2 pi)^2 var phi."""
    return (modulus / (2.0 * math.pi)) ** 2 * phase_variance


def wrapped(level: Any, modulus: int) -> Array:
    """Phase in levels [0, m): what is left of any phase after whole turns."""
    return jnp.mod(level, modulus)


def off_by(level: Array, residue: Array, modulus: int) -> Array:
    """How far a level is from a residue, the short way round the circle, in [-m/2, m/2]."""
    apart = level - residue
    return apart - modulus * jnp.round(apart / modulus)


def nearest(level: Array, modulus: int) -> Array:
    """The residue int32 that a level is read as; just below m comes 0 again."""
    return jnp.mod(jnp.round(level).astype(jnp.int32), modulus)


def misread_probability(deviation: Scalar) -> Array:
    """Probability that a residue is misread for a normal error of this deviation [levels]: erfc(1 / (2 sqrt(2) s))."""
    deviation = jnp.asarray(deviation)
    from_middle = 0.5 / math.sqrt(2.0) / jnp.where(deviation > 0, deviation, 1.0)
    # Loaded here: only budgets ask for it.
    from jax.scipy.special import erfc

    return jnp.where(deviation > 0, erfc(from_middle), 0.0)


def counted_phase(
    random: np.random.Generator, phase: np.ndarray, signal: float, local: float, readout: float, shot_noise: bool
) -> np.ndarray:
    """Phase [rad] in [0, 2 pi) as four photodiodes behind a hybrid count it, any shape, float64.

    Arguments as in `read_out_variance`; `phase` is that of the light. Photoelectrons are Poisson counts, each receiver
    adds its noise to the difference of two of them.
    """
    ports = [(signal + local) / 4 + math.sqrt(signal * local) / 2 * np.cos(phase - j * math.pi / 2) for j in range(4)]
    # The light of a port is not negative; rounding may make that of a dark one so.
    electrons = [random.poisson(np.maximum(port, 0.0)) if shot_noise else port for port in ports]
    in_phase, quadrature = (
        electrons[j] - electrons[j + 2] + math.sqrt(readout) * random.standard_normal(phase.shape) for j in (0, 1)
    )
    return np.mod(np.arctan2(quadrature, in_phase), 2 * math.pi)
