"""Errors of the operands as they are modulated, and of the outputs: the residuals that the paper states."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from photonics.stage import Scalar, stage


class Fields(NamedTuple):
    """Both operands as they meet in the units: amplitudes x (m, rows), w (m, rows, n), phase between them (m, rows)."""

    x: np.ndarray
    w: np.ndarray
    phase: np.ndarray


@stage
class OperandNoise:
    """Relative errors of every modulated value, the phase between the operands, and a relative error of every output.

        x -> x (1 + d_x),   w -> w (1 + d_w),   x w -> x w cos(phi),   y -> y (1 + d_y)         all normal, mean 0

        mean of a term        exp(-s^2 / 2) x w                        s deviation of phi
        variance of a term    v x^2 w^2,   v = (1 + m^2)^2 (1 + exp(-2 s^2)) / 2 - exp(-s^2)      m deviation of d

    The mean is not corrected, as in the paper. Zhu et al., Lightening-Transformer, HPCA 2024 (arXiv 2305.19533), and
    its public software model. Left out: draws that terms share. One modulated value meets several partners at once, so
    outputs of one vector share its errors in hardware; that leaves mean and variance of each output as they are. Here
    all outputs have draws of their own, and no two vectors share any (in the reference path, the outputs of all tiles
    in one symbol do share those of the activations).

    Attributes:
        magnitude_deviation: standard deviation of d_x and of d_w.
        phase_deviation_rad: standard deviation of phi in radians.
        output_deviation: standard deviation of d_y, for what the paper does not derive (crosstalk and the like).
    """

    magnitude_deviation: Scalar
    phase_deviation_rad: Scalar
    output_deviation: Scalar

    def mean_factor(self) -> Scalar:
        """Mean of cos(phi)."""
        return jnp.exp(-jnp.square(self.phase_deviation_rad) / 2.0)

    def power_factor(self) -> Scalar:
        """Mean square of 1 + d, by which modulated light exceeds what is meant."""
        return 1.0 + jnp.square(self.magnitude_deviation)

    def magnitude_variance(self) -> Scalar:
        """Part of v that the magnitudes make."""
        squared = jnp.square(self.magnitude_deviation)
        cosine2 = (1.0 + jnp.exp(-2.0 * jnp.square(self.phase_deviation_rad))) / 2.0
        return squared * (2.0 + squared) * cosine2

    def phase_variance(self) -> Scalar:
        """Part of v that the phase makes by itself: (1 - exp(-s^2))^2 / 2."""
        return jnp.square(jnp.expm1(-jnp.square(self.phase_deviation_rad))) / 2.0

    def term_variance(self) -> Scalar:
        """v: variance of one term over x^2 w^2."""
        return self.magnitude_variance() + self.phase_variance()

    def disturbed(self, random: np.random.Generator, x: np.ndarray, w: np.ndarray) -> Fields:
        """Fields of drives x (m, rows) and w (rows, n), one draw for every modulated value of every vector."""
        deviation, shape = float(self.magnitude_deviation), (*x.shape, w.shape[1])
        return Fields(
            x=x * (1.0 + deviation * random.standard_normal(x.shape)),
            w=w * (1.0 + deviation * random.standard_normal(shape)),
            phase=float(self.phase_deviation_rad) * random.standard_normal(x.shape),
        )

    def varied(self, random: np.random.Generator, y: np.ndarray) -> np.ndarray:
        """Outputs (m, n) with their relative errors."""
        return y * (1.0 + float(self.output_deviation) * random.standard_normal(y.shape))
