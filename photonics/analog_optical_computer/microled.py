"""The row of microLEDs: signed drives about a bias point, a bent response, and what their light costs."""

from typing import Literal

from photonics.stage import OperatingPoint, Scalar, Signal, stage, static
from photonics.units import LIGHT_SPEED_M_PER_S, PLANCK_J_S


def led_power(drive_v: Signal, cubic: Scalar, quadratic: Scalar, linear: Scalar, offset: Scalar) -> Signal:
    """Optical power above that of the bias point for drives [V] of any shape, in the arbitrary unit of the fit.

        P(z) = a z^3 + b z^2 + c z + d

    microsoft/aoc (MIT licence), `AOCCell._uled_nonlinearity`; one fit for the light of each rail.
    """
    return ((cubic * drive_v + quadratic) * drive_v + linear) * drive_v + offset


@stage
class MicroLedArray:
    """`count` microLEDs, one per input; a drive u in [-1, 1] moves each about its bias: no rail is needed for x.

        emitted, above the bias      m_r(u) = P_r(u z) / (c z)       P_r: `led_power`, z = full_drive_v, c: slope
        light                        l_r(u) = (1 + mu m_r(u)) / (1 + mu),        l = 1 near full drive
        wall power                   count P / (1 + mu) / efficiency             signed drives average to the bias
        photon energy                h c / lambda

    What is left of the light where the drive is 0 is a pedestal on every detector: electronics take it off, its shot
    noise stays. `response` "linear" stands for drives that a table straightens, m(u) = u. A beam splitter halves the
    unpolarised light, one half for each rail r. Kalinin et al., Nature 645 (2025), Methods: bias point, microLEDs.

    Left out: the modulation band (200 MHz at 20 mA: the previous symbol leaves exp(-25) at 50 MHz); intensity noise,
    which 35 nm of spectrum make smaller than shot noise: 2 B / 40 THz = 1e-6 of the power squared, before it is divided
    by the number of modes.

    Attributes:
        count: sources, hence the fan-in of one panel.
        wavelength_m: middle of the spectrum [m].
        response: "measured", the cubics below, or "linear".
        full_drive_v: drive of a normalised activation of 1 [V].
        plus_cubic, plus_quadratic, plus_linear, plus_offset: a, b, c, d as seen on the positive rail.
        minus_cubic, minus_quadratic, minus_linear, minus_offset: the same on the negative rail.
        modulation_depth: mu, swing of the light at full drive over the light of the bias.
        wall_plug_efficiency: optical over electrical power, driver included.
        emitter_area_m2: area of one emitter, which fills half of space [m^2].
        power_max_w: largest optical power of one source [W]; more is computed but marked.
    """

    count: int = static()
    wavelength_m: Scalar
    response: Literal["measured", "linear"] = static()
    full_drive_v: Scalar
    plus_cubic: Scalar
    plus_quadratic: Scalar
    plus_linear: Scalar
    plus_offset: Scalar
    minus_cubic: Scalar
    minus_quadratic: Scalar
    minus_linear: Scalar
    minus_offset: Scalar
    modulation_depth: Scalar
    wall_plug_efficiency: Scalar
    emitter_area_m2: Scalar
    power_max_w: Scalar

    def slope(self) -> Scalar:
        """Power per volt at the bias point, mean of the rails [unit of the fit / V]."""
        return (self.plus_linear + self.minus_linear) / 2.0

    def rail_slopes(self) -> tuple[Scalar, Scalar]:
        """Slope of each rail over the mean of both; 1 where the response is linear."""
        if self.response == "linear":
            return 1.0, 1.0
        return self.plus_linear / self.slope(), self.minus_linear / self.slope()

    def emitted(self, drive: Signal) -> tuple[Signal, Signal]:
        """Light above the bias on each rail, in units of a linear full drive, for drives in [-1, 1] of any shape."""
        if self.response == "linear":
            return drive, drive
        drive_v, unit = drive * self.full_drive_v, self.full_unit()
        plus = led_power(drive_v, self.plus_cubic, self.plus_quadratic, self.plus_linear, self.plus_offset)
        minus = led_power(drive_v, self.minus_cubic, self.minus_quadratic, self.minus_linear, self.minus_offset)
        return plus / unit, minus / unit

    def full_unit(self) -> Scalar:
        """Emitted power of a linear full drive, in the unit of the fit."""
        return self.slope() * self.full_drive_v

    def bias(self) -> Scalar:
        """Light of the bias point over that of a linear full drive."""
        return 1.0 / (1.0 + self.modulation_depth)

    def swing(self) -> Scalar:
        """Light that a linear full drive adds to the bias, over the light of a full drive: mu / (1 + mu)."""
        return self.modulation_depth * self.bias()

    def photon_energy_j(self) -> Scalar:
        """Energy of one photon [J]."""
        # Written so that no intermediate leaves the range of float32.
        return (PLANCK_J_S * LIGHT_SPEED_M_PER_S * 1e19) / self.wavelength_m * 1e-19

    def launched_power_w(self, at: OperatingPoint) -> Scalar:
        """Optical power of the whole array while signed vectors are shown [W]."""
        return self.count * at.laser_power_w * self.bias()

    def power_w(self, at: OperatingPoint) -> Scalar:
        """Electrical power of the whole array [W]."""
        return self.launched_power_w(at) / self.wall_plug_efficiency
