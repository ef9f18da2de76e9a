"""The converters that turn activation codes into drive: resolution, and the energy it costs."""

from typing import Literal

import jax.numpy as jnp
from jax import Array

from photonics.gradients import straight_through
from photonics.stage import Scalar, stage, static

EnergyModel = Literal["scaled", "fixed", "capacitive"]


@stage
class Dac:
    """One DAC per source, unipolar: how many of the `bits` of a signed operand it shows is up to the encoding.

        code = round(x / scale * Q), clipped to +-Q,   Q = 2^(bits-1) - 1
        energy per conversion of b bits:
            scaled        E_ref (2^b / b) / (2^b_ref / b_ref)
            fixed         E_ref for b <= b_ref: a part of b_ref bits, used in part; beyond them as scaled
            capacitive    2^b C_u V^2: charging the array of a switched-capacitor converter once, a lower bound

    The scaled law is the power model of Zhu et al., Lightening-Transformer, HPCA 2024 (arXiv 2305.19533). Power
    grows in proportion to the rate in all of them, so energy per conversion does not depend on it. The capacitive
    bound leaves out clock, logic and the driver of the load. `docs/converters.md` shows all three against what has
    been built. Left out: noise and distortion of the DAC (its ENOB).

    Attributes:
        bits: resolution of the signed operand, 2 to 12.
        energy_model: what a conversion costs: scaled, fixed or capacitive.
        reference_energy_j: energy of one conversion of the reference part, read by scaled and fixed [J].
        reference_bits: resolution of the reference part, read by scaled and fixed.
        unit_capacitance_f: capacitor of the least significant bit, read by capacitive [F].
        swing_v: voltage that the capacitors are charged to, read by capacitive [V].
        ideal: no rounding at all, for limits and derivatives; the energy stays that of `bits`.
    """

    bits: int = static()
    energy_model: EnergyModel = static()
    reference_energy_j: Scalar
    reference_bits: Scalar
    unit_capacitance_f: Scalar
    swing_v: Scalar
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
        return straight_through(clipped, jnp.round(clipped * self.levels()) * (1.0 / self.levels()))

    def conversion_energy_j(self, unipolar: int) -> Scalar:
        """Energy of one conversion of a converter of `unipolar` bits, those that the encoding leaves it [J]."""
        if self.energy_model == "capacitive":
            return 2.0**unipolar * self.unit_capacitance_f * self.swing_v**2
        share = (2.0**unipolar / unipolar) / (2.0**self.reference_bits / self.reference_bits)
        # Bits beyond the part are not to be had for its price.
        return self.reference_energy_j * (jnp.maximum(share, 1.0) if self.energy_model == "fixed" else share)
