"""Which part of the signal fills the ADC: full scale from statistics of a calibration sample, or from the weights."""

from typing import Literal

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri

from photonics import operands
from photonics.stage import Scalar, stage, static


@stage
class Ranging:
    """Static full scale of the converters, half of the peak-to-peak range, in units of the product of codes.

        signal            z = sum_k x_hat_k v_kn,  x_hat and v in [-1, 1]
        sigmas            FS_n = sigmas * rms(z_n)                      over the tokens of a sample
        percentile        FS_n = margin * percentile(|z_n|)             over the tokens of a sample
        fraction          FS_n = fraction * sum_k |v_kn|                of the largest signal there can be

    With `per="output"` each output has a full scale of its own, with `per="tile"` all outputs of a panel share the
    largest. FS never exceeds the largest possible signal. The sample must be disjoint from what is measured.

    Attributes:
        statistic: "sigmas", "percentile" or "fraction"; only the last needs no sample.
        per: "output" or "tile".
        sigmas: full scale over rms signal.
        percentile: percentile of |z|, 0 to 100.
        margin: full scale over that percentile.
        fraction: full scale over the largest possible signal.
    """

    statistic: Literal["sigmas", "percentile", "fraction"] = static()
    per: Literal["output", "tile"] = static()
    sigmas: Scalar
    percentile: Scalar
    margin: Scalar
    fraction: Scalar

    def from_sample(self, signal: Array, largest: Array) -> Array:
        """Full scale (..., n) from sampled signals (..., tokens, n) and the largest possible signal (..., n)."""
        if self.statistic == "fraction":
            return self._share(self.fraction * largest, largest)
        if self.statistic == "sigmas":
            scale = self.sigmas * jnp.sqrt(jnp.mean(jnp.square(signal), axis=-2))
        else:
            scale = self.margin * jnp.percentile(jnp.abs(signal), self.percentile, axis=-2)
        return self._share(scale, largest)

    def from_weights(self, weights: Array, largest: Array) -> Array:
        """Full scale (..., n) without a sample, from weights v (..., k, n): as if the inputs were normal vectors.

            rms(z_n) = rms(x_hat) |v_n|            rms(x_hat) from `photonics.operands`

        A percentile p is taken as that of a normal distribution. Real activations have structure: calibrate on a
        sample before measuring accuracy.
        """
        if self.statistic == "fraction":
            return self._share(self.fraction * largest, largest)
        rms = jnp.sqrt(jnp.sum(jnp.square(weights), axis=-2) * operands.mean_square(weights.shape[-2]))
        if self.statistic == "sigmas":
            return self._share(self.sigmas * rms, largest)
        # P(|z| < q) = p at the quantile (1 + p) / 2 of z.
        quantile = ndtri((1.0 + self.percentile / 100.0) / 2.0)
        return self._share(self.margin * quantile * rms, largest)

    def _share(self, scale: Array, largest: Array) -> Array:
        scale = jnp.minimum(scale, largest)
        if self.per == "tile":
            scale = jnp.broadcast_to(jnp.max(scale, axis=-1, keepdims=True), scale.shape)
        # An output without any weight still needs a range to divide by.
        return jnp.where(scale > 0, scale, 1.0)
