"""The capacitor that sums a contraction, and the amplifier that reads it."""

import jax.numpy as jnp
from jax import Array

from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.units import BOLTZMANN_J_PER_K, ELEMENTARY_CHARGE_C


@stage
class Integrator:
    """One capacitor per unit that sums the difference of two photocurrents over the symbols of a contraction.

        electrons^2 per readout = k T C / q^2 + (C / q)^2 gamma k T / C_L        C = capacitor + two photodiodes
        full well               = C V_swing / q                                   [electrons], either way
        energy of one readout   = C V_reset^2 + C_L V_supply^2                    beside the standing power

    Reset noise is paid once per readout, so per product it falls with the length of the contraction. The noise of the
    amplifier is that of a single stage whose load C_L sets its band, whatever its transconductance (Razavi, Design of
    Analog CMOS Integrated Circuits, 2nd ed., chapter 7, from memory): a larger load is quieter and costs charge. Left
    out: correlated double sampling, which would remove reset noise for twice the readouts; charge injection; droop.

    Hamerly et al., PRX 9, 021032 (2019), discuss the k T C limit; 0.3 mW per integrator: Lightening-Transformer.

    Attributes:
        capacitance_f: the integrating capacitor [F]; the photodiodes come on top.
        noise: whether capacitor and amplifier are noisy; off only in the ideal limit.
        reset_v: voltage of the reset [V].
        channel_noise_factor: gamma of the amplifier.
        load_capacitance_f: load C_L of the amplifier [F].
        supply_v: supply voltage of the amplifier [V].
        amplifier_power_w: standing power of one amplifier [W].
        saturates: whether the full well clips.
        output_swing_v: largest voltage on the capacitor, either way [V].
    """

    capacitance_f: Scalar
    noise: bool = static()
    reset_v: Scalar
    channel_noise_factor: Scalar
    load_capacitance_f: Scalar
    supply_v: Scalar
    amplifier_power_w: Scalar
    saturates: bool = static()
    output_swing_v: Scalar

    def reset_variance(self, at: OperatingPoint, diodes_f: Scalar) -> Scalar:
        """Noise of the reset in one readout [electrons^2]; `diodes_f` is the capacitance of both photodiodes."""
        return self._thermal_per_farad(at) * (self.capacitance_f + diodes_f) if self.noise else 0.0

    def amplifier_variance(self, at: OperatingPoint, diodes_f: Scalar) -> Scalar:
        """Noise of the amplifier in one readout [electrons^2]."""
        if not self.noise:
            return 0.0
        total_f = self.capacitance_f + diodes_f
        # Farads over farads first: the square of a small capacitance would leave float32.
        return self._thermal_per_farad(at) * total_f * self.channel_noise_factor * (total_f / self.load_capacitance_f)

    def limit_electrons(self, diodes_f: Scalar) -> Scalar:
        """Largest difference of the photocounts in one integration, either way [electrons]."""
        return (self.capacitance_f + diodes_f) / ELEMENTARY_CHARGE_C * self.output_swing_v

    def clip(self, electrons: Array, limit: Scalar) -> Array:
        """Electrons, any shape and unit, within the full well `limit` in the same unit."""
        return jnp.clip(electrons, -limit, limit) if self.saturates else electrons

    def readout_energy_j(self, diodes_f: Scalar) -> Scalar:
        """Charge drawn for one readout and reset [J]."""
        return (self.capacitance_f + diodes_f) * self.reset_v**2 + self.load_capacitance_f * self.supply_v**2

    def _thermal_per_farad(self, at: OperatingPoint) -> Scalar:
        # k/q first: k T C is about 1e-33 and would leave float32 when divided by q^2 at once.
        return (BOLTZMANN_J_PER_K / ELEMENTARY_CHARGE_C) * at.temperature_k / ELEMENTARY_CHARGE_C
