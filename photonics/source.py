"""The row of light sources that shows a vector: their power, their limit and their intensity noise."""

from typing import Literal

from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.units import LIGHT_SPEED_M_PER_S, PLANCK_J_S


@stage
class SourceArray:
    """`count` equal sources, one per input of the vector (the fan-in of the engine).

        photon energy    h c / lambda
        wall power       count P / eta_wp                  all sources lit all the time (external modulation)
        noise            P -> P (1 + eps), eps ~ N(0, RIN B), B the noise bandwidth of the receiver

    Independent sources draw one eps per source and pass; a common laser one eps per pass. Left out: threshold
    current, direct modulation (light that follows the drive) and beat noise between nearly equal lasers.

    Agrawal, Fiber-Optic Communication Systems, 4th ed., section 4.6 (intensity noise).

    Attributes:
        count: sources, hence the largest fan-in of one panel.
        wavelength_m: vacuum wavelength [m].
        wall_plug_efficiency: optical over electrical power.
        rin_per_hz: relative intensity noise, one-sided, flat over the band [1/Hz].
        power_max_w: largest optical power of one source [W]; more is computed but marked.
        noise: whether the sources fluctuate independently, together (one laser split), or not at all.
    """

    count: int = static()
    wavelength_m: Scalar
    wall_plug_efficiency: Scalar
    rin_per_hz: Scalar
    power_max_w: Scalar
    noise: Literal["independent", "common", "none"] = static()

    def photon_energy_j(self) -> Scalar:
        """Energy of one photon [J]."""
        # Written so that no intermediate leaves the range of float32.
        return (PLANCK_J_S * LIGHT_SPEED_M_PER_S * 1e19) / self.wavelength_m * 1e-19

    def relative_variance(self, bandwidth_hz: Scalar) -> Scalar:
        """Variance of the relative power of one source in one pass: RIN B."""
        return self.rin_per_hz * bandwidth_hz

    def launched_power_w(self, at: OperatingPoint) -> Scalar:
        """Optical power of the whole array [W]."""
        return self.count * at.laser_power_w

    def power_w(self, at: OperatingPoint) -> Scalar:
        """Electrical power of the whole array [W]."""
        return self.launched_power_w(at) / self.wall_plug_efficiency
