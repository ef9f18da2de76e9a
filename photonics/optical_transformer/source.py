"""The sources of one vector: colour, efficiency and limit of the light, and the energy of modulating it."""

from photonics.photons import photon_energy_j
from photonics.stage import OperatingPoint, Scalar, stage


@stage
class Source:
    """One source and modulator per input; all are lit all the time, whatever is shown.

        photon energy   h c / lambda
        wall power      P / efficiency for each source,      P of the operating point
        modulation      energy for each symbol and input, beside that of the DAC

    Optical Transformers charge detected photons alone. Left out: intensity noise, extinction of the modulator.

    Attributes:
        wavelength_m: vacuum wavelength [m].
        wall_plug_efficiency: optical over electrical power.
        power_max_w: largest optical power of one source [W]; more is computed but marked.
        modulation_energy_j: electrical energy of one modulator in one symbol, without the DAC [J].
    """

    wavelength_m: Scalar
    wall_plug_efficiency: Scalar
    power_max_w: Scalar
    modulation_energy_j: Scalar

    def photon_energy_j(self) -> Scalar:
        """Energy of one photon [J]."""
        return photon_energy_j(self.wavelength_m)

    def power_w(self, at: OperatingPoint) -> Scalar:
        """Electrical power of one source [W]."""
        return at.laser_power_w / self.wall_plug_efficiency
