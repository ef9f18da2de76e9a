"""The modulator that sets the light of each source: extinction, loss, response, settling, drive energy."""

import math
from typing import Literal

import jax.numpy as jnp

from photonics.response import looked_up, transfer
from photonics.stage import OperatingPoint, Scalar, Signal, stage, static


@stage
class Modulator:
    """One intensity modulator per source; with direct modulation the source itself, seen as one.

        m(u) = e + (1 - e) g(u),   e = 1 / extinction ratio,   u in [0, 1]

    `response`: "linear" g(u) = u; "curved" g is the cubic of `photonics.response`, shown as it is; "compensated" a
    look-up table picks the code of the DAC whose light is nearest, and what the table cannot reach is left.
    The floor e cancels between the two passes of a signed vector; the shot noise of its light does not.

        settling   light of a pass = (1 - l) m + l m_before,   l = exp(-2 pi bandwidth / f)

    Left out: chirp; memory of more than one symbol.

    Agrawal, Fiber-Optic Communication Systems, 4th ed., sections on extinction ratio (chapter 4; the number from
    memory).

    Attributes:
        extinction_ratio: light at full drive over light at zero drive; infinite means no floor.
        transmission: light out over light in at full drive (insertion loss).
        symbol_energy_j: electrical drive energy per symbol, without the DAC [J].
        response: "linear", "curved" or "compensated".
        curvature: bend of the response.
        skew: S-shape of the response.
        settling: whether the previous symbol leaks into the present one.
        bandwidth_hz: bandwidth of modulator and driver, one pole [Hz].
    """

    extinction_ratio: Scalar
    transmission: Scalar
    symbol_energy_j: Scalar
    response: Literal["linear", "curved", "compensated"] = static()
    curvature: Scalar
    skew: Scalar
    settling: bool = static()
    bandwidth_hz: Scalar

    def floor(self) -> Scalar:
        """Light left at zero drive, relative to full drive."""
        return 1.0 / self.extinction_ratio

    def transmit(self, drive: Signal, levels: int | None = None) -> Signal:
        """Relative light m(u) for a drive u in [0, 1], any shape; `levels` is the largest code of its DAC, if any."""
        opening = drive
        if self.response == "curved":
            opening = transfer(drive, self.curvature, self.skew)
        elif self.response == "compensated" and levels is not None:
            opening = looked_up(drive, levels, self.curvature, self.skew)
        return self.floor() + (1.0 - self.floor()) * opening

    @property
    def settles(self) -> bool:
        """Whether the previous symbol leaks into the present one."""
        return self.settling

    def leak(self, at: OperatingPoint) -> Scalar:
        """Share of the previous symbol's light in the present one."""
        return jnp.exp(-2.0 * math.pi * self.bandwidth_hz / at.symbol_rate_hz) if self.settling else 0.0
