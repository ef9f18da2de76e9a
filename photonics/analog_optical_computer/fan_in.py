"""The lenses from the microLEDs to the photodiodes: light collected, and how unevenly sources are seen."""

import math

from photonics.stage import Scalar, Signal, stage


def collected(light: Signal, efficiency: Signal) -> Signal:
    """Light of the sources (..., rows) as the detectors of one rail see it, by the efficiency of each source (rows,).

    microsoft/aoc, `AOCCell.fan_in_profile`.
    """
    return light * efficiency


def conserved(signal: Signal, outputs: int) -> Signal:
    """Signals (..., n) after light was shared by the columns of one rail: divided by their number.

    microsoft/aoc, `AOCCell.power_conservation`: a lens copies light onto N columns, it creates none.
    """
    return signal / outputs


@stage
class FanIn:
    """Fan-out onto all columns of both panels, and fan-in of every column onto its photodiode.

        collected share     NA_s^2                       of the light of a Lambertian emitter
        area of a diode     count A NA_s^2 / NA_d^2      radiance is conserved: etendue pi A NA^2
        profile             g_k = max(0, 1 + spread e_k +- rail spread n_k / 2),  fixed by fabrication

    e evenly distributed with variance 1, n normal. The spread of microsoft/aoc counts one dead channel. Profiles there
    are smooth, brighter in the middle; here sources are drawn independently. Left out: aberrations other than the
    crosstalk of neighbours (`crosstalk`).

    Attributes:
        transmission: light behind the lenses over light collected, beam splitter included, panels not.
        source_aperture: sine of the largest angle at which light of a source is collected.
        detector_aperture: sine of the largest angle at which light reaches a photodiode.
        profile_spread: relative deviation of the light of a source, alike on both rails (standard deviation).
        rail_spread: relative difference between the rails of one source (standard deviation).
    """

    transmission: Scalar
    source_aperture: Scalar
    detector_aperture: Scalar
    profile_spread: Scalar
    rail_spread: Scalar

    def efficiency(self) -> Scalar:
        """Light onto the panels over light emitted."""
        return self.source_aperture**2 * self.transmission

    def detector_area_m2(self, emitter_area_m2: Scalar, count: int) -> Scalar:
        """Least area of a photodiode that accepts the light of all sources [m^2]."""
        return count * emitter_area_m2 * (self.source_aperture / self.detector_aperture) ** 2

    def capacitance_f(self, emitter_area_m2: Scalar, count: int, capacitance_f_per_m2: Scalar) -> Scalar:
        """Capacitance of one such photodiode [F]."""
        return self.detector_area_m2(emitter_area_m2, count) * capacitance_f_per_m2

    def etendue_m2_sr(self, emitter_area_m2: Scalar) -> Scalar:
        """Etendue of the light that is collected from one source [m^2 sr]."""
        return math.pi * emitter_area_m2 * self.source_aperture**2
