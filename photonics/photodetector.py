"""The photodiodes: photons to electrons, their dark current, and the power of their bias."""

from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.units import ELEMENTARY_CHARGE_C


@stage
class Photodetector:
    """PIN photodiode, one per rail and output.

        electrons per symbol   n = QE P_received / (h nu f) + I_d / (q f)
        responsivity           R = QE q / (h nu)                                  [A/W]

    Shot noise of these counts is taken where they are counted (`photonics.fast`, `photonics.reference`).
    Left out: saturation, bandwidth, and the area that fan-in etendue asks for.

    Agrawal, Fiber-Optic Communication Systems, 4th ed., sections 4.1 and 4.4.

    Attributes:
        quantum_efficiency: electrons per photon.
        dark_current_a: current without light [A].
        bias_v: reverse bias [V].
        shot_noise: whether photons are counted at all; off only in the ideal limit.
    """

    quantum_efficiency: Scalar
    dark_current_a: Scalar
    bias_v: Scalar
    shot_noise: bool = static(default=True)

    def electrons_per_joule(self, photon_energy_j: Scalar) -> Scalar:
        """Photoelectrons per joule of received light."""
        # In units of 1e-19 J: the square of a photon energy, which the gradient divides by, would leave float32.
        return self.quantum_efficiency / (photon_energy_j * 1e19) * 1e19

    def dark_electrons(self, at: OperatingPoint) -> Scalar:
        """Mean dark electrons of one photodiode in one symbol: I_d / (q f)."""
        return (self.dark_current_a / ELEMENTARY_CHARGE_C) / at.symbol_rate_hz

    def power_w(self, received_power_w: Scalar, photon_energy_j: Scalar, diodes: Scalar) -> Scalar:
        """Bias power V (R P + I_d) of all diodes together, `received_power_w` summed over them [W]."""
        responsivity_a_per_w = self.electrons_per_joule(photon_energy_j) * ELEMENTARY_CHARGE_C
        return self.bias_v * (responsivity_a_per_w * received_power_w + diodes * self.dark_current_a)
