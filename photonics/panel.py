"""The weight panel: transmissions that hold a matrix, their errors, and what holding and loading them costs."""

from typing import Literal

import jax.numpy as jnp
from jax import Array

from photonics.gradients import straight_through
from photonics.memory import Memory
from photonics.response import looked_up, transfer
from photonics.stage import Scalar, Signal, stage, static


@stage
class WeightPanel:
    """A display of `outputs` columns per rail; a pixel attenuates the light of one source on its way to one detector.

        T(v) = e + (1 - e) h(v),   e = 1 / extinction ratio,   v in [0, 1]
        T -> T (1 + delta),        delta ~ N(0, element_residual), one fixed draw per pixel

    `response` of h as that of a modulator: "linear", "curved" (`photonics.response`), or "compensated" by a look-up
    table over the codes of a pixel. Hold power: the drive electronics, and a refresh that rewrites every pixel from a
    frame memory, pixels (C V^2 + bits E_bit) f_refresh. Left out: fringing between pixels, and what the absorbed light
    does to the panel (`absorbed_power_max_w` only warns).

    Attributes:
        outputs: signed outputs of one panel (its fan-out is `rails` times as many columns).
        bits: resolution of a signed weight, 2 to 12; a pixel has the bits that the encoding leaves it.
        extinction_ratio: brightest over darkest pixel as the detector sees it; infinite means no floor.
        transmission: light through a fully open pixel over light onto it (fill factor, polariser).
        response: "linear", "curved" or "compensated".
        curvature: bend of the response.
        skew: S-shape of the response.
        element_residual: relative error of one pixel that is left after compensation (standard deviation).
        rail_residual: relative imbalance left between the two rails of an output (standard deviation).
        fixed_pattern: whether the two residuals, and gain errors and drift of the sources, are there at all.
        pixel_capacitance_f: capacitance that is charged when a pixel is written [F].
        pixel_swing_v: voltage of that charge [V].
        refresh_rate_hz: how often a held panel is rewritten [Hz].
        drive_power_w: row drivers, clocks and bias of one held panel [W].
        reload_time_s: from one matrix to the next, settling included [s].
        absorbed_power_max_w: light that the whole panel may absorb [W]; more is computed but marked.
        ideal: weights are not rounded; the energy stays that of `bits`.
    """

    outputs: int = static()
    bits: int = static()
    extinction_ratio: Scalar
    transmission: Scalar
    response: Literal["linear", "curved", "compensated"] = static()
    curvature: Scalar
    skew: Scalar
    element_residual: Scalar
    rail_residual: Scalar
    fixed_pattern: bool = static()
    pixel_capacitance_f: Scalar
    pixel_swing_v: Scalar
    refresh_rate_hz: Scalar
    drive_power_w: Scalar
    reload_time_s: Scalar
    absorbed_power_max_w: Scalar
    ideal: bool = static(default=False)

    def levels(self) -> int:
        """Largest code Q: signed weights run from -Q to Q."""
        return 2 ** (self.bits - 1) - 1

    def floor(self) -> Scalar:
        """Transmission of the darkest pixel relative to the brightest."""
        return 1.0 / self.extinction_ratio

    def transmit(self, opening: Signal, levels: int | None = None) -> Signal:
        """Transmission T(v) for an opening v in [0, 1], any shape; `levels` is the largest code of a pixel, if any."""
        if self.response == "curved":
            opening = transfer(opening, self.curvature, self.skew)
        elif self.response == "compensated" and levels is not None:
            opening = looked_up(opening, levels, self.curvature, self.skew)
        return self.floor() + (1.0 - self.floor()) * opening

    def quantise(self, normalised: Array) -> Array:
        """Signed weights in [-1, 1], any shape, rounded to the levels of the panel (straight-through)."""
        clipped = jnp.clip(normalised, -1.0, 1.0)
        if self.ideal:
            return clipped
        return straight_through(clipped, jnp.round(clipped * self.levels()) / self.levels())

    def write_energy_j(self, pixels: Scalar, bits: int, memory: Memory) -> Scalar:
        """Energy to write `pixels` pixels of `bits` bits once from the frame memory, C V^2 and memory read [J]."""
        charge_j = self.pixel_capacitance_f * self.pixel_swing_v**2
        return pixels * (charge_j + bits / 8 * memory.near_energy_j_per_byte)

    def hold_power_w(self, pixels: Scalar, bits: int, memory: Memory) -> Scalar:
        """Power of one panel of `pixels` pixels of `bits` bits that holds its matrix [W]."""
        return self.drive_power_w + self.refresh_rate_hz * self.write_energy_j(pixels, bits, memory)
