"""Balanced photodiodes: the product of two fields, and the least noise that photons allow it."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics.draws import standard_normal, stream
from photonics.photons import dark_electrons, electrons_per_joule
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static
from photonics.units import ELEMENTARY_CHARGE_C


@stage
class BalancedPair:
    """Two photodiodes behind a 50:50 coupler, whose currents are subtracted ahead of the capacitor; one pair per unit.

        mu_+- = (1 +- d/2) |E_1 +- E_2|^2 / 2           photoelectrons of one diode in one symbol
        N_+ - N_-  has mean      2 a b x w cos(phase) + (d/2)(a^2 w^2 + b^2 x^2)
                   and variance  a^2 w^2 + b^2 x^2 + 2 I_d / (q f)

    with E_1 = a w, E_2 = b x, a^2 and b^2 the electrons per symbol that each field alone gives at full drive. Summed
    over the symbols of a contraction and divided by 2 a b, the noise of the product of vectors A and x is

        sqrt(a^2 |A|^2 + b^2 |x|^2) / (2 a b)  >=  |A| |x| / sqrt(N n)

    with N n the electrons of both beams; they are equal where a |A| = b |x|. This is the standard quantum limit of
    Hamerly et al., PRX 9, 021032 (2019), with photons counted on both photodiodes and in both beams; the formula is
    derived here (counts of coherent light are independent and Poisson), and the tests count photons against it.

    What calibration of an instance leaves: gains (splitting ratios, responsivity, capacitor) and the imbalance d, whose
    part at zero operands is trimmed away ahead of the converter. Left out: saturation, squeezed light, transit time.

    Attributes:
        quantum_efficiency: electrons per photon.
        dark_current_a: current of one photodiode without light [A].
        bias_v: reverse bias [V].
        capacitance_f: capacitance of one photodiode with its wire [F].
        fixed_pattern: whether units differ in gain and imbalance.
        gain_residual: relative gain error of a unit (standard deviation).
        imbalance_residual: relative difference d of the two photodiodes' light (standard deviation).
        shot_noise: whether photons are counted at all; off only in the ideal limit.
    """

    quantum_efficiency: Scalar
    dark_current_a: Scalar
    bias_v: Scalar
    capacitance_f: Scalar
    fixed_pattern: bool = static()
    gain_residual: Scalar
    imbalance_residual: Scalar
    shot_noise: bool = static(default=True)

    def electrons_per_joule(self, photon_energy_j: Scalar) -> Scalar:
        """Photoelectrons per joule of received light."""
        return electrons_per_joule(self.quantum_efficiency, photon_energy_j)

    def dark_electrons(self, at: OperatingPoint) -> Scalar:
        """Mean dark electrons of one photodiode in one symbol: I_d / (q f)."""
        return dark_electrons(self.dark_current_a, at)

    def draw(self, key: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
        """Gain errors and imbalances of one fabricated engine, each of this shape."""
        if not self.fixed_pattern:
            return jnp.zeros(shape), jnp.zeros(shape)
        gain, imbalance = (standard_normal(stream(key, number), shape) for number in (0, 1))
        return self.gain_residual * gain, self.imbalance_residual * imbalance

    def power_w(self, received_power_w: Scalar, photon_energy_j: Scalar, pairs: int) -> Scalar:
        """Bias power V (R P + 2 I_d) of all pairs together, `received_power_w` summed over them [W]."""
        responsivity_a_per_w = self.electrons_per_joule(photon_energy_j) * ELEMENTARY_CHARGE_C
        return self.bias_v * (responsivity_a_per_w * received_power_w + 2 * pairs * self.dark_current_a)

    def counted(
        self, random: np.random.Generator, light: np.ndarray, beat: np.ndarray, dark: float, imbalance: Signal
    ) -> np.ndarray:
        """N_+ - N_- of sums over symbols: `light` a^2 w^2 + b^2 x^2, `beat` 2 a b x w cos(phase), `dark` of one diode.

        A sum of independent Poisson counts is one Poisson count of the summed mean, so the photons of an integration
        are counted once per photodiode; light that fluctuates is given as it was in every symbol.
        """
        # Rounding, or a strong downward fluctuation of the laser, cannot make light negative.
        plus = np.maximum((1.0 + imbalance / 2.0) * (light + beat) / 2.0 + dark, 0.0)
        minus = np.maximum((1.0 - imbalance / 2.0) * (light - beat) / 2.0 + dark, 0.0)
        if not self.shot_noise:
            return plus - minus
        return random.poisson(plus).astype(np.float64) - random.poisson(minus)


def quantum_limit(
    weight_norm2: Signal, drive_norm2: Signal, weight_electrons: Scalar, drive_electrons: Scalar
) -> Signal:
    """Variance of the product of normalised vectors: (a^2 |A|^2 + b^2 |x|^2) / (2 a b)^2, squared norms given."""
    return weight_norm2 / (4.0 * drive_electrons) + drive_norm2 / (4.0 * weight_electrons)


def balanced_deviation(weight_norm: Signal, drive_norm: Signal, electrons: Signal) -> Signal:
    """|A| |x| / sqrt(N n): the least deviation that `electrons` N n in both beams of one output allow."""
    return weight_norm * drive_norm / np.sqrt(electrons)


def best_weight_share(weight_norm: float, drive_norm: float) -> float:
    """Share s of the light for which a |A| = b |x|, hence the balanced optimum: |x| / (|A| + |x|) in squares.

    a^2 is proportional to s and b^2 to 1 - s, so s |A|^2 = (1 - s) |x|^2. For given norms of detected light this is
    the best split of the photons that arrive; `tests/photonics/homodyne` compares it with its neighbours.
    """
    if (
        weight_norm < 0
        or drive_norm < 0
        or not math.isfinite(weight_norm + drive_norm)
        or weight_norm + drive_norm == 0
    ):
        raise ValueError(f"norms must be finite, not negative, and not both zero: {weight_norm}, {drive_norm}")
    return drive_norm**2 / (weight_norm**2 + drive_norm**2)
