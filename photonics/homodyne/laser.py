"""The one laser of a coherent engine: its power, its photons, its intensity noise."""

from photonics.receiver import INTEGRATE_AND_DUMP
from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.units import LIGHT_SPEED_M_PER_S, PLANCK_J_S


@stage
class CoherentLaser:
    """One laser whose light is split over both arms and all transmitters, because fields of two lasers do not multiply.

        photon energy    h c / lambda
        wall power       I_th V + P / slope                      an optical amplifier behind it belongs to the slope
        noise            P -> P (1 + eps_j),  eps_j ~ N(0, RIN f / 2) in symbol j

    Both fields of a product carry the same eps_j, so the product is multiplied by 1 + eps_j: the balanced pair removes
    the fluctuation of the light that does not interfere, not that of the signal. Every output of one vector sees the
    same eps; vectors that are shown side by side are given draws of their own. Left out: spontaneous emission of an
    amplifier, and the linewidth (arms of equal length; what they miss belongs to `PhaseErrors.jitter_rad`).

    Agrawal, Fiber-Optic Communication Systems, 4th ed., chapters 3 and 4 (from memory of the chapters).

    Attributes:
        wavelength_m: vacuum wavelength [m].
        slope_efficiency: optical over electrical power above threshold, driver and amplifier included.
        threshold_current_a: current at which the laser starts [A].
        voltage_v: supply voltage of laser and driver [V].
        fluctuates: whether there is intensity noise.
        rin_per_hz: relative intensity noise, one-sided, flat over the band [1/Hz].
        power_max_w: largest optical power of the source [W]; more is computed but marked.
    """

    wavelength_m: Scalar
    slope_efficiency: Scalar
    threshold_current_a: Scalar
    voltage_v: Scalar
    fluctuates: bool = static()
    rin_per_hz: Scalar
    power_max_w: Scalar

    def photon_energy_j(self) -> Scalar:
        """Energy of one photon [J]."""
        # Written so that no intermediate leaves the range of float32.
        return (PLANCK_J_S * LIGHT_SPEED_M_PER_S * 1e19) / self.wavelength_m * 1e-19

    def relative_variance(self, at: OperatingPoint) -> Scalar:
        """Variance of the relative power in one symbol, RIN f / 2."""
        return self.rin_per_hz * (INTEGRATE_AND_DUMP * at.symbol_rate_hz) if self.fluctuates else 0.0

    def power_w(self, at: OperatingPoint) -> Scalar:
        """Electrical power [W]."""
        return self.threshold_current_a * self.voltage_v + at.laser_power_w / self.slope_efficiency
