"""Which part of the signal fills the ADC: full scale from statistics of a calibration sample, or from the weights."""

from typing import Literal

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri

from photonics.stage import Scalar, stage, static


@stage
class Ranging:
    """Static full scale of the converters, half of the peak-to-peak range, in units of the product of codes.

        signal            z = sum_k U_k V_kn, which is sum_k x_hat_k v_kn where no offset is used
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

    def from_sample(self, signal: Array, largest: Array, *, pedestal: bool = False, unipolar: bool = False) -> Array:
        """Half range (..., n) from sampled signals (..., tokens, n) and the largest possible signal (..., n).

        With a `pedestal` the statistic counts from the mean, which is added; a `unipolar` converter puts all its codes
        from 0 to the top, so half of the range is half of the top.
        """
        if self.statistic == "fraction":
            return self._share(self.fraction * largest, largest, unipolar)
        mean = jnp.mean(signal, axis=-2, keepdims=True) if pedestal else jnp.zeros(())
        around = signal - mean
        if self.statistic == "sigmas":
            scale = self.sigmas * jnp.sqrt(jnp.mean(jnp.square(around), axis=-2))
        else:
            scale = self.margin * jnp.percentile(jnp.abs(around), self.percentile, axis=-2)
        return self._share(scale + (jnp.abs(mean[..., 0, :]) if pedestal else 0.0), largest, unipolar)

    def from_moments(
        self, mean: Array, variance: Array, largest: Array, *, pedestal: bool = False, unipolar: bool = False
    ) -> Array:
        """Half range (..., n) of normal signals with these means and variances (exposures, ..., n): the widest of them.

        Used without a sample, for typical operands (`photonics.operands`). Real activations have structure: calibrate
        on a sample before measuring accuracy.
        """
        if self.statistic == "fraction":
            return self._share(self.fraction * largest, largest, unipolar)
        # P(|z| < q) = p at the quantile (1 + p) / 2 of z.
        quantile = self.margin * ndtri((1.0 + self.percentile / 100.0) / 2.0)
        width = self.sigmas if self.statistic == "sigmas" else quantile
        if pedestal:
            scale = jnp.abs(mean) + width * jnp.sqrt(variance)
        else:
            scale = width * jnp.sqrt(jnp.square(mean) + variance)
        return self._share(jnp.max(scale, axis=0), largest, unipolar)

    def _share(self, scale: Array, largest: Array, unipolar: bool) -> Array:
        scale = jnp.minimum(scale, largest) * (0.5 if unipolar else 1.0)
        if self.per == "tile":
            scale = jnp.broadcast_to(jnp.max(scale, axis=-1, keepdims=True), scale.shape)
        # An output without any weight still needs a range to divide by.
        return jnp.where(scale > 0, scale, 1.0)
