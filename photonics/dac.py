"""The converters that turn activation codes into drive: resolution, and the energy it costs."""

import jax.numpy as jnp
from jax import Array

from photonics.gradients import straight_through
from photonics.stage import Scalar, stage, static


@stage
class Dac:
    """One DAC per source. The sign of a `bits`-bit operand chooses the pass, so the converter is unipolar.

        code = round(x / scale * Q), clipped to +-Q,   Q = 2^(bits-1) - 1
        energy per conversion = E_ref (2^b / b) / (2^b_ref / b_ref),   b = bits - 1

    Energy law and reference part: Zhu et al., Lightening-Transformer, HPCA 2024 (arXiv 2305.19533), its power
    model, scaled from a measured 8-bit 14 GS/s part. Power grows in proportion to the rate, so energy per
    conversion does not depend on it. Left out: noise and distortion of the DAC (its ENOB).

    Attributes:
        bits: resolution of the signed operand, 2 to 12.
        reference_energy_j: energy of one conversion of the reference part [J].
        reference_bits: resolution of the reference part.
        ideal: no rounding at all, for limits and derivatives; the energy stays that of `bits`.
    """

    bits: int = static()
    reference_energy_j: Scalar
    reference_bits: Scalar
    ideal: bool = static(default=False)

    def levels(self) -> int:
        """Largest code Q: codes run from -Q to Q."""
        return 2 ** (self.bits - 1) - 1

    def drive(self, normalised: Array) -> Array:
        """Signed drive in [-1, 1] from x / scale, any shape: rounded to codes and divided by Q, straight-through.

        With `ideal` the drive is not rounded. Values beyond the range are clipped, with zero gradient there.
        """
        clipped = jnp.clip(normalised, -1.0, 1.0)
        if self.ideal:
            return clipped
        return straight_through(clipped, jnp.round(clipped * self.levels()) / self.levels())

    def conversion_energy_j(self) -> Scalar:
        """Energy of one conversion of the (bits - 1)-bit unipolar converter [J]."""
        unipolar = self.bits - 1
        return self.reference_energy_j * (2.0**unipolar / unipolar) / (2.0**self.reference_bits / self.reference_bits)
