"""The converter behind the amplifiers: codes, and an energy in proportion to the bits."""

import jax.numpy as jnp
from jax import Array

from photonics.gradients import straight_through
from photonics.stage import Scalar, stage, static


@stage
class SarAdc:
    """Successive approximation: one comparison for each bit.

        code = clip(round(signal / lsb), -Q, Q),     Q = 2^(bits-1) - 1,   lsb = 2 FS / (2^bits - 2)
        energy of a conversion = E_ref bits / b_ref                 at any rate

    Scaling of Zhu et al., Lightening-Transformer, HPCA 2024 (arXiv 2305.19533): all bits count as effective. Left out:
    noise and distortion of the converter (its ENOB), and the steeper price of bits beyond the noise of the comparator.

    Attributes:
        bits: resolution of the signed code, 2 to 12.
        reference_energy_j: energy of one conversion of the reference part [J].
        reference_bits: resolution of the reference part.
        ideal: neither rounding nor clipping; the energy stays that of `bits`.
    """

    bits: int = static()
    reference_energy_j: Scalar
    reference_bits: Scalar
    ideal: bool = static(default=False)

    def levels(self) -> int:
        """Largest code Q: symmetric, with a zero code."""
        return 2 ** (self.bits - 1) - 1

    def convert(self, signal: Array, full_scale: Array) -> Array:
        """Signal (..., n) after clipping and rounding, same unit; `full_scale` is half the range, broadcastable.

        Straight-through inside the range, zero gradient where the code clips.
        """
        if self.ideal:
            return signal
        clipped = jnp.clip(signal, -full_scale, full_scale)
        return straight_through(
            clipped, jnp.round(clipped * (self.levels() / full_scale)) * (full_scale / self.levels())
        )

    def conversion_energy_j(self) -> Scalar:
        """Energy of one conversion [J]."""
        return self.reference_energy_j * self.bits / self.reference_bits
