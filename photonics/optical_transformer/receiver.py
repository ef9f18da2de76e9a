"""Photodiode and amplifier of one output: electrons out of photons, their noise, and the energy of a sample."""

from photonics.photons import electrons_per_joule
from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.units import BOLTZMANN_J_PER_K, ELEMENTARY_CHARGE_C


@stage
class Receiver:
    """Counts photoelectrons over one symbol; Optical Transformers suppose that only shot noise limits it.

        electrons   QE E_received / (h nu),      var = mean (Poisson) + k T C / q^2

    Left out: dark current, bandwidth, power of the bias.

    Attributes:
        quantum_efficiency: electrons per photon.
        shot_noise: whether photons are counted at all; off only in the ideal limit.
        capacitance_f: capacitance that is reset after every sample [F]; 0 leaves shot noise alone.
        sample_energy_j: amplifier energy of one sample ahead of the ADC [J].
    """

    quantum_efficiency: Scalar
    shot_noise: bool = static(default=True)
    capacitance_f: Scalar
    sample_energy_j: Scalar

    def electrons_per_joule(self, photon_energy_j: Scalar) -> Scalar:
        """Photoelectrons per joule of received light."""
        return electrons_per_joule(self.quantum_efficiency, photon_energy_j)

    def readout_variance(self, at: OperatingPoint) -> Scalar:
        """Noise of one sample beyond shot noise [electrons^2]."""
        # k/q first: k T C is about 1e-36 and would leave float32.
        return (BOLTZMANN_J_PER_K / ELEMENTARY_CHARGE_C) * at.temperature_k / ELEMENTARY_CHARGE_C * self.capacitance_f
