"""Dispersion of the couplers: away from the middle of the comb they split light unevenly, and products lean."""

import math

import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics.dynamic_operand.operand_noise import Fields
from photonics.stage import Scalar, stage, static


@stage
class CouplerDispersion:
    """Directional couplers that split half and half at the middle wavelength only.

        L(d) = (slope d + length) exp(gap / (decay_slope d + decay))       coupling length, d distance from the middle
        kappa = sin^2(pi L(0) / (4 L(d))),       e = 2 kappa - 1
        difference of the photodiodes over 2 = sqrt(1 - e^2) x w cos(phi) + e (x^2 - w^2) / 2

    Wavelengths stand symmetrically about the middle; with an even number of them none is in the middle. The paper does
    not correct what e leaves, nor is it here. Zhu et al., Lightening-Transformer, HPCA 2024 (arXiv 2305.19533), and its
    public software model, which leaves out sqrt(1 - e^2). Left out: phase errors between wavelengths, crosstalk of the
    wavelength routers, and in the fast path the noise of x^2 and w^2 in the second term.

    Attributes:
        present: whether couplers are dispersive at all.
        channel_spacing_m: distance of neighbouring wavelengths [m].
        length_m: prefactor of the coupling length at the middle [m].
        length_slope: its change with wavelength, metres per metre.
        decay_m: decay of the field across the gap, at the middle [m].
        decay_slope: its change with wavelength, metres per metre.
        gap_m: gap of the coupler [m].
    """

    present: bool = static()
    channel_spacing_m: Scalar
    length_m: Scalar
    length_slope: Scalar
    decay_m: Scalar
    decay_slope: Scalar
    gap_m: Scalar

    def distances(self, wavelengths: int) -> np.ndarray:
        """Places of the wavelengths (wavelengths,), in units of the channel spacing from the middle."""
        below = wavelengths // 2
        above = np.arange(1, below + 1)
        middle = [0] if wavelengths % 2 else []
        return np.concatenate([-above[::-1], middle, above]).astype(np.float32)

    def imbalance(self, rows: int, wavelengths: int) -> Array:
        """e of the coupler that each of the first `rows` terms of a tile meets (rows,)."""
        if not self.present:
            return jnp.zeros(rows)
        away_m = self.distances(wavelengths) * self.channel_spacing_m
        length_m = self.length_slope * away_m + self.length_m
        # The exponents first: their difference is small.
        exponent = self.gap_m / self.decay_m - self.gap_m / (self.decay_slope * away_m + self.decay_m)
        ratio = self.length_m / length_m * jnp.exp(exponent)
        # 2 sin^2(pi r / 4) - 1 = sin(pi (r - 1) / 2), without the difference of nearly equal numbers.
        one = jnp.sin(math.pi / 2.0 * (ratio - 1.0))
        return jnp.resize(one, (rows,))

    def interfere(self, fields: Fields, imbalance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Light on both photodiodes (m, n), summed over terms, in units of one operand at full drive."""
        through, across = (1.0 - imbalance) / 2.0, (1.0 + imbalance) / 2.0
        x, w = fields.x[..., None], fields.w
        mixed = 2.0 * np.sqrt(through * across)[:, None] * np.cos(fields.phase)[..., None] * x * w
        plus = across[:, None] * x**2 + through[:, None] * w**2 + mixed
        minus = through[:, None] * x**2 + across[:, None] * w**2 - mixed
        return plus.sum(axis=1), minus.sum(axis=1)
