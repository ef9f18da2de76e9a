"""Between receiver and converter: neighbours that couple, gains and offsets that differ, a swing that ends."""

import jax.numpy as jnp
from jax import Array

from photonics.neighbours import inverse_of_neighbours, neighbours
from photonics.stage import Scalar, Signal, stage, static

# Multiplications and additions per output to solve a symmetric tridiagonal system (Thomas algorithm, factors stored).
UNMIX_OPS = 5


@stage
class Readout:
    """Analog electronics behind the receivers of one panel, and the digital corrections of what they do.

        mismatch    signal = sum_p sign_p (1 + sign_p d/2) signal_p        d ~ N(0, pass_residual), per output
        saturation  signal_p clipped to the swing of the receiver          (which sees the difference of the rails)
        crosstalk   E = I + c (left + right), after the noise; the converter's codes are multiplied by the inverse of
                    the E the machine knows, E(c - r), so converter noise is mixed too: E^-1 S E^-T
        gain        signal (1 + g),  g ~ N(0, gain_residual)               per output
        offset      signal + o FS,   o ~ N(0, offset_residual)             per output, in units of half the ADC range

    Errors are draws of one fabricated instance. Pedestals of an encoding are recorded through gain and crosstalk, so
    only the signal sees those. Mismatch needs two passes in one conversion. c between receivers is not light, so
    nothing is lost at the edges. Left out: crosstalk beyond the next output, slew, and drift of offsets.

    Attributes:
        saturates: whether the swing of the receiver clips each pass.
        pass_mismatch: whether the two passes of a signed vector are weighed unequally.
        pass_residual: relative difference of the two weights (standard deviation over outputs).
        fixed_pattern: whether gains and offsets differ from output to output.
        gain_residual: relative gain error of an output that is left after calibration (standard deviation).
        offset_residual: offset that is left after calibration, over half of the ADC range (standard deviation).
        drift_per_root_s: growth of the gain error after calibration, a random walk: drift sqrt(age) [1/sqrt(s)].
        crosstalk: whether neighbouring receivers couple.
        crosstalk_per_neighbour: share c of a receiver's signal that appears in each neighbour.
        crosstalk_residual: error r in the machine's knowledge of c.
    """

    saturates: bool = static()
    pass_mismatch: bool = static()
    pass_residual: Scalar
    fixed_pattern: bool = static()
    gain_residual: Scalar
    offset_residual: Scalar
    drift_per_root_s: Scalar
    crosstalk: bool = static()
    crosstalk_per_neighbour: Scalar
    crosstalk_residual: Scalar

    def mix(self, signal: Array) -> Array:
        """Signals (..., outputs of one panel) as the converters see them."""
        return signal @ neighbours(1.0, self.crosstalk_per_neighbour, signal.shape[-1])

    def unmix(self, codes: Array) -> Array:
        """Codes (..., outputs of one panel) after digital correction by the crosstalk that is known."""
        known = self.crosstalk_per_neighbour - self.crosstalk_residual
        return codes @ inverse_of_neighbours(1.0, known, codes.shape[-1])

    def clip(self, electrons: Signal, limit: Scalar) -> Signal:
        """Signal of one pass, any shape, within what the receiver can swing [electrons]."""
        return jnp.clip(electrons, -limit, limit) if self.saturates else electrons

    def correction_ops(self) -> int:
        """Digital operations per conversion that undo the crosstalk."""
        return UNMIX_OPS if self.crosstalk else 0
