"""The photodiodes: photons to electrons, area and capacitance, saturation, dark current, power of the bias."""

import math

from photonics.stage import OperatingPoint, Scalar, Signal, stage, static
from photonics.units import ELEMENTARY_CHARGE_C


@stage
class Photodetector:
    """PIN photodiode, one per rail and output.

        electrons per symbol   n = QE P_received / (h nu f) + I_d / (q f)
        responsivity           R = QE q / (h nu)                                  [A/W]

        saturation             n -> n / (1 + n / n_sat),   n_sat = I_sat / (q f)     if it `saturates`
        area                   A = etendue of all sources / (pi NA^2)              radiance is conserved
        capacitance            A C'

    Incoherent beams fill the area and the angle they need: a detector that accepts the numerical aperture NA is at
    least that large, so its capacitance grows with the fan-in and with M^4. Shot noise is taken where electrons are
    counted (`photonics.fast`, `photonics.reference`). The saturation curve is a phenomenological one. Left out:
    transit time (which asks for thin diodes, hence a larger C'), and dark current in proportion to the area.

    Agrawal, Fiber-Optic Communication Systems, 4th ed., sections 4.1 and 4.4; conservation of etendue: Born and Wolf,
    Principles of Optics, section 4.8 (from memory of the chapter).

    Attributes:
        quantum_efficiency: electrons per photon.
        dark_current_a: current without light [A].
        bias_v: reverse bias [V].
        capacitance_f_per_m2: junction capacitance of one diode for each area, C' [F/m^2].
        saturates: whether the current saturates.
        saturation_current_a: current at which half of the light is lost [A].
        shot_noise: whether photons are counted at all; off only in the ideal limit.
    """

    quantum_efficiency: Scalar
    dark_current_a: Scalar
    bias_v: Scalar
    capacitance_f_per_m2: Scalar
    saturates: bool = static()
    saturation_current_a: Scalar
    shot_noise: bool = static(default=True)

    def electrons_per_joule(self, photon_energy_j: Scalar) -> Scalar:
        """Photoelectrons per joule of received light."""
        # In units of 1e-19 J: the square of a photon energy, which the gradient divides by, would leave float32.
        return self.quantum_efficiency / (photon_energy_j * 1e19) * 1e19

    def dark_electrons(self, at: OperatingPoint) -> Scalar:
        """Mean dark electrons of one photodiode in one symbol: I_d / (q f)."""
        return (self.dark_current_a / ELEMENTARY_CHARGE_C) / at.symbol_rate_hz

    def saturated(self, electrons: Signal, at: OperatingPoint) -> Signal:
        """Electrons of one photodiode in one symbol after saturation, any shape."""
        if not self.saturates:
            return electrons
        limit = (self.saturation_current_a / ELEMENTARY_CHARGE_C) / at.symbol_rate_hz
        return electrons / (1.0 + electrons / limit)

    def area_m2(self, etendue_m2_sr: Scalar, numerical_aperture: Scalar) -> Scalar:
        """Least area of one photodiode that accepts light of this etendue [m^2]."""
        return etendue_m2_sr / (math.pi * numerical_aperture**2)

    def power_w(self, received_power_w: Scalar, photon_energy_j: Scalar, diodes: Scalar) -> Scalar:
        """Bias power V (R P + I_d) of all diodes together, `received_power_w` summed over them [W]."""
        responsivity_a_per_w = self.electrons_per_joule(photon_energy_j) * ELEMENTARY_CHARGE_C
        return self.bias_v * (responsivity_a_per_w * received_power_w + diodes * self.dark_current_a)
