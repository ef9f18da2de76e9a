"""What stands between detectors and codes: gain, its spread, offsets, noise of the converter, affine correction."""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from photonics.draws import standard_normal, stream
from photonics.fixed_pattern import Instance, instance_key
from photonics.stage import Scalar, stage, static

# One stream for each kind of error.
_GAINS, _OFFSETS = 0, 1


@stage
class Channels:
    """One channel of electronics per output: gain G ahead of the ADC, errors of each channel, and their correction.

        code   = round( g_i a / lsb + o_i + noise ),     a = sum_k u_k v_k,  lsb = N / (Q G),  Q = 2^(bits-1) - 1
        y_i    = lsb code                                                  without correction
        y_i    = lsb (code - o_i) / g_i                                    with `affine_correction`

    g_i ~ N(gain_mean, gain_mean gain_spread), o_i ~ N(offset_mean_lsb, offset_lsb): drawn once for an instance. The
    correction knows them exactly, as a calibration on many vectors does; it does not undo noise or clipping. The noise
    of the converter has the deviation of its lost effective bits (`photonics.adc`) and one of three distributions.

    Gain: Basumallik et al. (arXiv 2205.06287), each doubling recovers one low bit for one high bit.

    Attributes:
        gain: analog gain G ahead of the ADC, whose full scale is N / G in units of a.
        noise: distribution of the converter's noise, "normal", "logistic" (heavier tails) or "uniform".
        fixed_pattern: whether channels differ at all; without, g_i = 1 and o_i = 0.
        gain_mean: mean gain error factor of the channels.
        gain_spread: relative standard deviation between channels.
        offset_mean_lsb: mean offset [LSB].
        offset_lsb: standard deviation of the offset between channels [LSB].
        affine_correction: whether gain and offset of each channel are corrected digitally.
    """

    gain: Scalar
    noise: Literal["normal", "logistic", "uniform"] = static()
    fixed_pattern: bool = static()
    gain_mean: Scalar
    gain_spread: Scalar
    offset_mean_lsb: Scalar
    offset_lsb: Scalar
    affine_correction: bool = static()

    def errors(self, shape: tuple[int, int], instance: Instance) -> dict[str, Array]:
        """Gains and offsets [LSB] of the channels of all tiles, (tiles, n) each; nothing without a pattern."""
        if not self.fixed_pattern:
            return {}
        key = instance_key(instance)
        gain = self.gain_mean * (1.0 + self.gain_spread * standard_normal(stream(key, _GAINS), shape))
        offset = self.offset_mean_lsb + self.offset_lsb * standard_normal(stream(key, _OFFSETS), shape)
        return {"gain": gain, "offset": offset}

    def unit_noise(self, normal: Array) -> Array:
        """Draws of mean 0 and variance 1 of the chosen distribution from standard normal ones, any shape.

        By the quantile of each normal draw: logistic, log(p / (1 - p)) sqrt(3) / pi; uniform, (p - 1/2) sqrt(12).
        """
        if self.noise == "logistic":
            log_ndtr = jax.scipy.special.log_ndtr
            return (log_ndtr(normal) - log_ndtr(-normal)) * (np.sqrt(3.0) / np.pi)
        if self.noise == "uniform":
            return (jax.scipy.special.ndtr(normal) - 0.5) * np.sqrt(12.0)
        return normal

    def corrected(self, code: Array, lsb: Scalar, errors: dict[str, Array]) -> Array:
        """Signals (m, n) from codes times lsb, errors undone where they are corrected."""
        if not errors or not self.affine_correction:
            return code
        gain = errors["gain"]
        return (code - errors["offset"] * lsb) / jnp.where(gain == 0, 1.0, gain)

    def correction_ops(self) -> int:
        """Digital operations per conversion: a subtraction, and a multiplication that joins that of the scale."""
        return 1 if self.fixed_pattern and self.affine_correction else 0
