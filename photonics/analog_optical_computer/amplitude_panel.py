"""The two amplitude panels: signs on rails, a bent response that differs from column to column, and their power."""

from typing import Literal

import jax.numpy as jnp
from jax import Array

from photonics.gradients import straight_through
from photonics.memory import Memory
from photonics.stage import Scalar, Signal, stage, static


def split(weights: Array) -> tuple[Array, Array]:
    """Openings in [0, 1] of the pixels of both rails, for signed weights in [-1, 1] of any shape: relu(+-w)."""
    return jnp.maximum(weights, 0.0), jnp.maximum(-weights, 0.0)


def distorted(opening: Signal, quadratic: Signal, linear: Signal, dark: Signal) -> Signal:
    """Transmission of pixels (..., n) for openings in [0, 1]; coefficients belong to columns (n,).

        T(v) = a v^2 + b v + c,      c the transmission of a dark pixel

    microsoft/aoc (MIT licence), `AOCCell.weight_distortion`.
    """
    return (quadratic * opening + linear) * opening + dark


@stage
class AmplitudePanel:
    """One panel per rail; a pixel attenuates the light of one source on its way to one detector.

        measured    T_r(v) = (a_r v^2 + b_r v + c_r) (1 + column e +- rail n / 2),     one e and n for each column
        linear      T(v) = c + (a + b) v                                               means of the rails, then the same

    e evenly distributed with variance 1, n normal. "linear" stands for pixel voltages that a table straightens; the
    dark light c stays. The columns of microsoft/aoc are dimmer towards the edges, alike on both rails; here they are
    drawn independently. Where `pixel_errors`, every pixel has an error of its own: T -> T (1 + element_residual n).
    Left out: fringing between pixels.

    Attributes:
        outputs: columns of one panel, the fan-out.
        bits: resolution of a signed weight; a pixel has one less.
        transmission: light from a fully open pixel (T = 1) over light onto it.
        response: "measured" or "linear".
        plus_quadratic, plus_linear, plus_dark: a, b, c of the positive rail, means over columns.
        minus_quadratic, minus_linear, minus_dark: the same of the negative rail.
        column_spread: relative deviation of a column, alike on both rails (standard deviation).
        rail_spread: relative difference between the rails of a column (standard deviation).
        element_residual: relative error of one pixel (standard deviation).
        pixel_errors: whether pixels have errors of their own.
        pixel_capacitance_f: capacitance that is charged when a pixel is written [F].
        pixel_swing_v: voltage of that charge [V].
        refresh_rate_hz: how often a held panel is rewritten [Hz].
        drive_power_w: row drivers, clocks and bias of one panel [W].
        reload_time_s: from one matrix to the next, settling included [s].
        ideal: weights are not rounded; the energy stays that of `bits`.
    """

    outputs: int = static()
    bits: int = static()
    transmission: Scalar
    response: Literal["measured", "linear"] = static()
    plus_quadratic: Scalar
    plus_linear: Scalar
    plus_dark: Scalar
    minus_quadratic: Scalar
    minus_linear: Scalar
    minus_dark: Scalar
    column_spread: Scalar
    rail_spread: Scalar
    element_residual: Scalar
    pixel_errors: bool = static()
    pixel_capacitance_f: Scalar
    pixel_swing_v: Scalar
    refresh_rate_hz: Scalar
    drive_power_w: Scalar
    reload_time_s: Scalar
    ideal: bool = static(default=False)

    def levels(self) -> int:
        """Largest code Q: signed weights run from -Q to Q."""
        return 2 ** (self.bits - 1) - 1

    def quantise(self, normalised: Array) -> Array:
        """Signed weights in [-1, 1], any shape, rounded to the levels of the panel (straight-through)."""
        clipped = jnp.clip(normalised, -1.0, 1.0)
        if self.ideal:
            return clipped
        return straight_through(clipped, jnp.round(clipped * self.levels()) / self.levels())

    def coefficients(self) -> tuple[tuple[Scalar, Scalar, Scalar], tuple[Scalar, Scalar, Scalar]]:
        """(a, b, c) of each rail, plus first, means over columns."""
        plus = (self.plus_quadratic, self.plus_linear, self.plus_dark)
        minus = (self.minus_quadratic, self.minus_linear, self.minus_dark)
        if self.response == "measured":
            return plus, minus
        opened = (sum(plus[:2]) + sum(minus[:2])) / 2.0
        straight = (0.0, opened, (plus[2] + minus[2]) / 2.0)
        return straight, straight

    def swings(self) -> tuple[Scalar, Scalar]:
        """T(1) - T(0) of each rail, means over columns."""
        return tuple(a + b for a, b, _ in self.coefficients())  # pyright: ignore[reportReturnType]

    def write_energy_j(self, pixels: int, memory: Memory) -> Scalar:
        """Energy to write `pixels` pixels once from the frame memory, C V^2 and memory read [J]."""
        charge_j = self.pixel_capacitance_f * self.pixel_swing_v**2
        return pixels * (charge_j + (self.bits - 1) / 8 * memory.near_energy_j_per_byte)

    def hold_power_w(self, pixels: int, memory: Memory) -> Scalar:
        """Power of both panels, `pixels` pixels together, that hold their matrix [W]."""
        return 2.0 * self.drive_power_w + self.refresh_rate_hz * self.write_energy_j(pixels, memory)
