"""How signed numbers become non-negative light and come back: two rails, two passes, scales and rotation."""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jax import Array

from photonics.rotation import rotate, rotation_additions
from photonics.stage import stage, static


@stage
class TwoRailTwoPass:
    """Weights on two rails with balanced detection; activations in two passes, integrated and subtracted.

        w = s_w (v+ - v-)        x = s_x (u+ - u-)        v, u in [0, 1]
        x . w = s_x s_w sum_k [ (u+ v+ - u+ v-) - (u- v+ - u- v-) ]

    One conversion per output and fan-in tile. Extinction floors cancel in the difference, their shot noise does
    not; the shrunken swing (1 - e_m)(1 - e_T) is divided out. Everything that an encoding costs is a property here,
    beside the noise that it brings.

    Rotation multiplies the contraction axis of both operands by the same orthogonal block-Hadamard matrix: exact
    in the ideal limit, it spreads outliers so that more of the range carries signal.

    Attributes:
        rotate: rotate the contraction axis.
        activation_scale: "token" (largest magnitude of each token) or "static" (from a calibration sample).
        activation_percentile: percentile of |x| that fills the DAC, 100 for the largest value.
        weight_percentile: percentile of |w| per column that fills the panel, 100 for the largest value.
    """

    rotate: bool = static()
    activation_scale: Literal["token", "static"] = static()
    activation_percentile: float = static()
    weight_percentile: float = static()

    passes: ClassVar[int] = 2
    rails: ClassVar[int] = 2
    conversions_per_output: ClassVar[int] = 1

    def rotate_activations(self, x: Array) -> Array:
        """Activations (..., k) in the rotated frame, if this encoding rotates."""
        return rotate(x) if self.rotate else x

    def rotate_weights(self, w: Array) -> Array:
        """Weights (k, n) in the rotated frame, if this encoding rotates."""
        return rotate(w.T).T if self.rotate else w

    def rotation_additions(self, k: int) -> int:
        """Additions that rotating one vector of length k takes."""
        return rotation_additions(k) if self.rotate else 0

    def activation_scales(self, x: Array) -> Array:
        """Scale (..., 1) per token of x (..., k); 1 where a token is all zero."""
        return _positive(_magnitude(x, self.activation_percentile, axis=-1))

    def static_activation_scale(self, sample: Array) -> Array:
        """One scale, shape (), for a sample of activations (..., k)."""
        return _positive(_magnitude(sample.reshape(-1), self.activation_percentile, axis=0)[0])

    def weight_scales(self, w: Array) -> Array:
        """Scale (..., 1, n) per column of w (..., k, n); 1 where a column is all zero."""
        return _positive(_magnitude(w, self.weight_percentile, axis=-2))


def _magnitude(value: Array, percentile: float, axis: int) -> Array:
    if percentile >= 100.0:
        return jnp.max(jnp.abs(value), axis=axis, keepdims=True)
    return jnp.percentile(jnp.abs(value), percentile, axis=axis, keepdims=True)


def _positive(scale: Array) -> Array:
    return jnp.where(scale > 0, scale, 1.0)
