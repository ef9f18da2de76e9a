"""How the amplifiers of the machine leave the straight line: five pieces between two levels."""

import jax.numpy as jnp
from jax import Array

from photonics.stage import Scalar, stage, static


@stage
class Saturation:
    """Measured saturation of the outputs, V in and V out.

        z <= z0                  z_min
        z0 < z <= z1             k0 - cos(1 / (q0 z))
        z1 < z <= z2             a2 z^2 + a1 z + a0
        z2 < z <= z3             z
        z3 < z <= z4             b4 z^4 + b3 z^3 + b2 z^2 + b1 z + b0
        z4 < z <= z5             cos(z + p) + k4
        z5 < z                   z_max

    microsoft/aoc (MIT licence), `SignalSaturation48`: the law of its documentation. Its code has cos(q0 z) in the
    second piece, which jumps by 1.5 V at both ends of it; with 1 / (q0 z) the law is continuous to 0.03 V at z0 and z1.
    Above z4 it falls again. The gradient is that of each piece.

    Attributes:
        present: whether outputs saturate.
        full_scale_v: voltage at which the converters reach their full scale [V].
        lowest_v, highest_v: z_min and z_max [V].
        fold_from_v, low_knee_v, straight_from_v, straight_to_v, high_knee_v, fold_to_v: z0 to z5 [V].
        low_constant, low_inverse: k0 and q0.
        low_quadratic, low_linear, low_offset: a2, a1, a0.
        high_quartic, high_cubic, high_quadratic, high_linear, high_offset: b4 to b0.
        high_phase, high_constant: p and k4.
    """

    present: bool = static()
    full_scale_v: Scalar
    lowest_v: Scalar
    highest_v: Scalar
    fold_from_v: Scalar
    low_knee_v: Scalar
    straight_from_v: Scalar
    straight_to_v: Scalar
    high_knee_v: Scalar
    fold_to_v: Scalar
    low_constant: Scalar
    low_inverse: Scalar
    low_quadratic: Scalar
    low_linear: Scalar
    low_offset: Scalar
    high_quartic: Scalar
    high_cubic: Scalar
    high_quadratic: Scalar
    high_linear: Scalar
    high_offset: Scalar
    high_phase: Scalar
    high_constant: Scalar

    def saturated(self, signal_v: Array) -> Array:
        """Outputs [V] of any shape after saturation."""
        if not self.present:
            return signal_v
        z = signal_v
        # No division by zero where another piece holds: its gradient would spoil that of the piece that is taken.
        low = jnp.where(z < self.straight_from_v, z, self.low_knee_v)
        fold_low = self.low_constant - jnp.cos(1.0 / (self.low_inverse * low))
        bend_low = (self.low_quadratic * low + self.low_linear) * low + self.low_offset
        bend_high = self.high_quartic
        for coefficient in (self.high_cubic, self.high_quadratic, self.high_linear, self.high_offset):
            bend_high = bend_high * z + coefficient
        fold_high = jnp.cos(z + self.high_phase) + self.high_constant
        below = jnp.where(z <= self.fold_from_v, self.lowest_v, jnp.where(z <= self.low_knee_v, fold_low, bend_low))
        above = jnp.where(z <= self.high_knee_v, bend_high, jnp.where(z <= self.fold_to_v, fold_high, self.highest_v))
        return jnp.where(z <= self.straight_from_v, below, jnp.where(z <= self.straight_to_v, z, above))
