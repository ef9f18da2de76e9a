"""Photodiodes on a chip: light comes in a waveguide, so their area does not follow from the etendue of the light."""

from photonics.photons import dark_electrons, electrons_per_joule, photon_energy_j
from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.units import ELEMENTARY_CHARGE_C


@stage
class WaveguidePhotodetector:
    """A balanced pair of photodiodes on waveguides, one pair per output.

        electrons per symbol   n = QE P / (h nu f) + I_d / (q f)          of each photodiode
        bias power             V (R P + I_d),   R = QE q / (h nu)

    Agrawal, Fiber-Optic Communication Systems, 4th ed., section 4.1. Left out: saturation, transit time.

    Attributes:
        wavelength_m: vacuum wavelength [m].
        quantum_efficiency: electrons per photon.
        dark_current_a: current of one photodiode without light [A].
        bias_v: reverse bias [V].
        capacitance_f: both photodiodes of an output and their wiring [F].
        shot_noise: whether photons are counted at all; off only in the ideal limit.
    """

    wavelength_m: Scalar
    quantum_efficiency: Scalar
    dark_current_a: Scalar
    bias_v: Scalar
    capacitance_f: Scalar
    shot_noise: bool = static()

    def electrons_per_joule(self) -> Scalar:
        """Photoelectrons per joule of light on a photodiode."""
        return electrons_per_joule(self.quantum_efficiency, photon_energy_j(self.wavelength_m))

    def dark_electrons(self, at: OperatingPoint) -> Scalar:
        """Mean dark electrons of one photodiode in one symbol: I_d / (q f)."""
        return dark_electrons(self.dark_current_a, at)

    def power_w(self, received_power_w: Scalar, diodes: int) -> Scalar:
        """Bias power of all photodiodes together, `received_power_w` summed over them [W]."""
        responsivity_a_per_w = self.electrons_per_joule() * ELEMENTARY_CHARGE_C
        return self.bias_v * (responsivity_a_per_w * received_power_w + diodes * self.dark_current_a)
