"""Phase errors between the two arms of a homodyne unit."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics.draws import standard_normal, stream
from photonics.gradients import standard_deviation
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static


class JitterMoments(NamedTuple):
    """Averages over psi ~ N(0, s^2): with Z a complex product, phi the unit's phase,

    mean of Re[Z e^-i(phi + psi)]      along Re[Z e^-i phi],                        along = e^(-s^2/2)
    its variance                       power |Z|^2 + twice Re[Z^2 e^-2i phi]
                                       power = (1 - e^(-s^2)) / 2,                  twice = -along^2 power
    """

    along: Scalar
    power: Scalar
    twice: Scalar


@stage
class PhaseErrors:
    """The phase by which the two fields of a unit miss one another, and what holds it.

        signal = Re[Z e^-i(phi + psi_j)],        a gain cos(phi + psi_j) where the fields do not leak
        phi    = residual z_1 + drift sqrt(age) z_2      one of each output, fixed over an integration
        psi_j ~ N(0, jitter^2)                           one for each unit and symbol

    A residual phase turns part of the signal away; what is left is not divided out again. Light is only moved between
    the two photodiodes, so shot noise does not depend on phases. Left out: errors that last for several symbols but
    not for an integration, and that all units of a transmitter share.

    Attributes:
        fixed_pattern: whether units differ in phase.
        residual_rad: phase of a unit that is left after calibration (standard deviation) [rad].
        drift_rad_per_root_s: growth of that phase after calibration, a random walk [rad/sqrt(s)].
        jitters: whether phases jitter from symbol to symbol.
        jitter_rad: jitter (standard deviation) [rad].
        unit_power_w: power that holds the phase of one unit [W].
    """

    fixed_pattern: bool = static()
    residual_rad: Scalar
    drift_rad_per_root_s: Scalar
    jitters: bool = static()
    jitter_rad: Scalar
    unit_power_w: Scalar

    def draw(self, key: Array, shape: tuple[int, ...], at: OperatingPoint) -> Array:
        """The phases phi of one fabricated engine, of this shape [rad]."""
        if not self.fixed_pattern:
            return jnp.zeros(shape)
        at_first, since = (standard_normal(stream(key, number), shape) for number in (0, 1))
        walk = self.drift_rad_per_root_s * standard_deviation(jnp.asarray(at.age_s))
        return self.residual_rad * at_first + walk * since

    def moments(self) -> JitterMoments:
        """What jitter does on average."""
        if not self.jitters:
            return JitterMoments(1.0, 0.0, 0.0)
        variance = jnp.square(self.jitter_rad)
        along = jnp.exp(-variance / 2.0)
        # expm1 twice: both coefficients are small differences of numbers near 1.
        return JitterMoments(along, -jnp.expm1(-variance) / 2.0, along**2 * jnp.expm1(-variance) / 2.0)

    def drawn_jitter(self, random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """psi of every unit and symbol [rad], for the reference path."""
        return float(self.jitter_rad) * random.standard_normal(shape) if self.jitters else np.zeros(())


def turned(real: Signal, imaginary: Signal, phase_rad: Signal) -> Signal:
    """Re[Z e^-i phi] of Z = real + i imaginary."""
    return real * jnp.cos(phase_rad) + imaginary * jnp.sin(phase_rad)
