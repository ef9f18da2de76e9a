"""The analog-to-digital converter: codes, effective bits, and the energy that both cost."""

import jax.numpy as jnp
from jax import Array

from photonics.adc_energy import EnergyModel, conversion_energy_j
from photonics.gradients import straight_through
from photonics.stage import Scalar, stage, static


@stage
class Adc:
    """One converter per output of a panel; how often, and after which passes, is a matter of the encoding.

        code = clip(round(signal / lsb), -Q, Q),     Q = 2^(bits-1) - 1,   lsb = FS_pp / (2^bits - 2)
        ENOB = bits - enob_loss,                     extra variance = FS_pp^2 / 12 (4^-ENOB - 4^-bits)

    ENOB counts the quantisation, so only the rest is added as Gaussian noise ahead of the rounding. Energy follows
    ENOB, and the rate unless the model has none (`photonics.adc_energy`). Left out: static nonlinearity (INL, DNL),
    memory effects.

    Attributes:
        bits: resolution of the signed code, 2 to 12.
        enob_loss: bits lost to noise and distortion; not negative.
        energy_model: what a conversion costs: largest (of murmann and andrulis), murmann, schreier, andrulis or walden.
        technology_m: process node, read by andrulis and largest [m].
        walden_fom_j: energy per conversion step, read by walden [J].
        ideal: neither rounding nor clipping nor noise; the energy stays that of `bits`.
    """

    bits: int = static()
    enob_loss: Scalar
    energy_model: EnergyModel = static()
    technology_m: Scalar
    walden_fom_j: Scalar
    ideal: bool = static(default=False)

    def enob(self) -> Scalar:
        """Effective number of bits."""
        return self.bits - self.enob_loss

    def levels(self) -> int:
        """Largest code Q: symmetric, with a zero code."""
        return 2 ** (self.bits - 1) - 1

    def noise_variance(self, full_scale: Scalar) -> Scalar:
        """Variance of converter noise beyond quantisation, in the square of the unit of `full_scale` (half range)."""
        return (2.0 * full_scale) ** 2 / 12.0 * (4.0 ** (-self.enob()) - 4.0 ** (-self.bits))

    def convert(self, signal: Array, full_scale: Array) -> Array:
        """Signal after clipping and rounding, same unit; `full_scale` is half the peak-to-peak range, broadcastable.

        Straight-through inside the range, zero gradient where the code clips.
        """
        clipped = jnp.clip(signal, -full_scale, full_scale)
        # The reciprocal is taken once per output; a division for every signal would cost more than the rounding.
        per_lsb = self.levels() / full_scale
        return straight_through(clipped, jnp.round(clipped * per_lsb) * (full_scale / self.levels()))

    def conversion_energy_j(self, rate_hz: Scalar) -> Scalar:
        """Energy of one conversion at `rate_hz` conversions per second [J]."""
        return conversion_energy_j(self.energy_model, self.enob(), rate_hz, self.technology_m, self.walden_fom_j)
