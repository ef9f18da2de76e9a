"""The weight panel: transmissions that hold a matrix, their errors, and what holding and loading them costs."""

import jax.numpy as jnp
from jax import Array

from photonics.gradients import straight_through
from photonics.memory import Memory
from photonics.stage import Scalar, Signal, stage, static


@stage
class WeightPanel:
    """A display of `outputs` columns per rail; a pixel attenuates the light of one source on its way to one detector.

        T(v) = e + (1 - e) v,   e = 1 / extinction ratio,   v in [0, 1]
        T -> T (1 + delta),     delta ~ N(0, element_residual), one fixed draw per pixel

    Hold power: the drive electronics, and a refresh that rewrites every pixel from a frame memory,
    pixels (C V^2 + bits E_bit) f_refresh. Left out: nonlinearity and fringing before compensation, drift, and the
    heat of the absorbed light.

    Attributes:
        outputs: signed outputs of one panel (its fan-out is `rails` times as many columns).
        bits: resolution of a signed weight, 2 to 12; each rail has one bit less.
        extinction_ratio: brightest over darkest pixel as the detector sees it; infinite means no floor.
        transmission: light through a fully open pixel over light onto it (fill factor, polariser).
        element_residual: relative error of one pixel that is left after compensation (standard deviation).
        rail_residual: relative imbalance left between the two rails of an output (standard deviation).
        fixed_pattern: whether the two residuals are there at all.
        pixel_capacitance_f: capacitance that is charged when a pixel is written [F].
        pixel_swing_v: voltage of that charge [V].
        refresh_rate_hz: how often a held panel is rewritten [Hz].
        drive_power_w: row drivers, clocks and bias of one held panel [W].
        reload_time_s: from one matrix to the next, settling included [s].
        ideal: weights are not rounded; the energy stays that of `bits`.
    """

    outputs: int = static()
    bits: int = static()
    extinction_ratio: Scalar
    transmission: Scalar
    element_residual: Scalar
    rail_residual: Scalar
    fixed_pattern: bool = static()
    pixel_capacitance_f: Scalar
    pixel_swing_v: Scalar
    refresh_rate_hz: Scalar
    drive_power_w: Scalar
    reload_time_s: Scalar
    ideal: bool = static(default=False)

    def levels(self) -> int:
        """Largest code Q: signed weights run from -Q to Q."""
        return 2 ** (self.bits - 1) - 1

    def floor(self) -> Scalar:
        """Transmission of the darkest pixel relative to the brightest."""
        return 1.0 / self.extinction_ratio

    def transmit(self, opening: Signal) -> Signal:
        """Transmission T(v) for an opening v in [0, 1], any shape."""
        return self.floor() + (1.0 - self.floor()) * opening

    def quantise(self, normalised: Array) -> Array:
        """Signed weights in [-1, 1], any shape, rounded to the levels of the panel (straight-through)."""
        clipped = jnp.clip(normalised, -1.0, 1.0)
        if self.ideal:
            return clipped
        return straight_through(clipped, jnp.round(clipped * self.levels()) / self.levels())

    def write_energy_j(self, pixels: Scalar, memory: Memory) -> Scalar:
        """Energy to write `pixels` pixels once from the frame memory, C V^2 and memory read [J]."""
        unipolar_byte = (self.bits - 1) / 8
        charge_j = self.pixel_capacitance_f * self.pixel_swing_v**2
        return pixels * (charge_j + unipolar_byte * memory.near_energy_j_per_byte)

    def hold_power_w(self, pixels: Scalar, memory: Memory) -> Scalar:
        """Power of one panel of `pixels` pixels that holds its matrix [W]."""
        return self.drive_power_w + self.refresh_rate_hz * self.write_energy_j(pixels, memory)
