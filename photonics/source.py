"""The row of light sources that shows a vector: power, threshold, limit, intensity noise, beats, beam quality."""

from typing import Literal

from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.units import LIGHT_SPEED_M_PER_S, PLANCK_J_S


@stage
class SourceArray:
    """`count` equal sources, one per input of the vector (the fan-in of the engine).

        photon energy    h c / lambda
        wall power       count (I_th V + P / slope)        external modulation: all sources lit all the time
                         count (I_th V + P m / slope)      direct modulation: the light follows the drive, mean m
        noise            P -> P (1 + eps), eps ~ N(0, RIN B), B the noise bandwidth of the receiver
        beats            var(mu) = overlap (2 B / span) mu^2 for the light mu of one photodiode
        etendue          (M^2 lambda)^2 of one source, which its detector has to accept

    Independent sources draw one eps per source and pass; a common laser one eps per pass. Beats: two lasers whose lines
    are scattered evenly over `optical_span_hz` lie within the band with probability 2 B / span, and a pair of powers
    I_j, I_k beats with variance 2 I_j I_k overlap (square-law detection of two fields; own derivation, terms of order
    1 / fan-in left out, phases of different detectors taken as independent). Orthogonal modes or LEDs have none.

    Agrawal, Fiber-Optic Communication Systems, 4th ed., chapters 3 (threshold, slope efficiency) and 4 (intensity
    noise). Left out: intensity noise that grows towards threshold, and with feedback.

    Attributes:
        count: sources, hence the largest fan-in of one panel.
        wavelength_m: vacuum wavelength [m].
        slope_efficiency: optical over electrical power above threshold, current driver included.
        threshold_current_a: current at which a laser starts; 0 for LEDs [A].
        voltage_v: supply voltage of laser and driver [V].
        modulation: "external", or "direct" where the current of the source itself is modulated.
        rin_per_hz: relative intensity noise, one-sided, flat over the band [1/Hz].
        power_max_w: largest optical power of one source [W]; more is computed but marked.
        noise: whether the sources fluctuate independently, together (one laser split), or not at all.
        beats: whether the fields of different sources beat on a photodiode.
        mode_overlap: share of two sources' light on one photodiode that is in the same mode, 0 to 1.
        optical_span_hz: range of optical frequency over which the sources are scattered [Hz].
        beam_quality: M^2 of one source, along each axis; 1 is a single mode.
        gain_residual: relative error of one source's light that is left after compensation (standard deviation); read
            with `panel.fixed_pattern`.
        drift_per_root_s: growth of that error after calibration, a random walk: error = drift sqrt(age) [1/sqrt(s)].
    """

    count: int = static()
    wavelength_m: Scalar
    slope_efficiency: Scalar
    threshold_current_a: Scalar
    voltage_v: Scalar
    modulation: Literal["external", "direct"] = static()
    rin_per_hz: Scalar
    power_max_w: Scalar
    noise: Literal["independent", "common", "none"] = static()
    beats: bool = static()
    mode_overlap: Scalar
    optical_span_hz: Scalar
    beam_quality: Scalar
    gain_residual: Scalar
    drift_per_root_s: Scalar

    def photon_energy_j(self) -> Scalar:
        """Energy of one photon [J]."""
        # Written so that no intermediate leaves the range of float32.
        return (PLANCK_J_S * LIGHT_SPEED_M_PER_S * 1e19) / self.wavelength_m * 1e-19

    def etendue_m2_sr(self) -> Scalar:
        """Etendue of the whole row, added source by source because their light does not share modes [m^2 sr]."""
        # Metres squared of a wavelength are 1e-12; their square, for the gradient, stays inside float32.
        return self.count * (self.beam_quality * self.wavelength_m) ** 2

    def relative_variance(self, bandwidth_hz: Scalar) -> Scalar:
        """Variance of the relative power of one source in one pass: RIN B."""
        return self.rin_per_hz * bandwidth_hz

    def beat_variance(self, bandwidth_hz: Scalar) -> Scalar:
        """Variance of the relative light of one photodiode in one pass, from beats between the sources."""
        return self.mode_overlap * 2.0 * bandwidth_hz / self.optical_span_hz if self.beats else 0.0

    def launched_power_w(self, at: OperatingPoint, drive: Scalar) -> Scalar:
        """Optical power of the whole array at a mean relative light `drive` [W]; all of it if modulated outside."""
        return self.count * at.laser_power_w * (drive if self.modulation == "direct" else 1.0)

    def power_w(self, at: OperatingPoint, drive: Scalar) -> Scalar:
        """Electrical power of the whole array at a mean relative light `drive` [W]."""
        threshold_w = self.count * self.threshold_current_a * self.voltage_v
        return threshold_w + self.launched_power_w(at, drive) / self.slope_efficiency
