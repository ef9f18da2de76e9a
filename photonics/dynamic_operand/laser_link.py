"""The light of one core: what is lost on its way to a unit, what it draws, and how much the paper asks for."""

from photonics.dynamic_operand.tensor_core import TensorCore
from photonics.photons import photon_energy_j
from photonics.stage import Scalar, stage

# Each wavelength is taken out of the comb ahead of its modulator and put back behind it.
_ROUTERS = 2


@stage
class LaserLink:
    """A comb laser, wavelength routers, modulators, and a tree of splitters.

        transmission    T = T_modulator T_router^2 T_splitter^(levels + 1) T_shifter T_coupler
        on one unit     P_unit = P T / (rows columns)                        both operands, all wavelengths
        asked for       P = S 2^bits rows columns / T                        S sensitivity of the photodiode
        wall power      P / eta

    P is the light of one core; half of it carries each operand. The published formula has the factor 2^bits for the
    levels that are to be told apart, next to the wall-plug efficiency; here it is light, since the losses and the
    sensitivity scale light. Zhu et al., Lightening-Transformer, HPCA 2024 (arXiv 2305.19533), and its public simulator.
    Left out, as there: the loss of broadcasting activations to other tiles, and of waveguides and crossings;
    intensity noise of the comb.

    Attributes:
        wavelength_m: middle of the comb [m].
        wall_plug_efficiency: light over electrical power.
        power_max_w: light that the laser of one core can give [W].
        modulator_transmission: light through a modulator at full drive.
        router_transmission: light through one wavelength router (a microring); there are two in a row.
        splitter_transmission: light in both arms of one splitter over light into it.
        phase_shifter_transmission: light through the phase shifter of a unit.
        coupler_transmission: light through the coupler of a unit.
        sensitivity_w: light that a unit needs before the factor 2^bits, read only by the published formula [W].
    """

    wavelength_m: Scalar
    wall_plug_efficiency: Scalar
    power_max_w: Scalar
    modulator_transmission: Scalar
    router_transmission: Scalar
    splitter_transmission: Scalar
    phase_shifter_transmission: Scalar
    coupler_transmission: Scalar
    sensitivity_w: Scalar

    def photon_energy_j(self) -> Scalar:
        """Energy of one photon: h c / lambda [J]."""
        return photon_energy_j(self.wavelength_m)

    def transmission(self, core: TensorCore) -> Scalar:
        """Light on all units of a core over its light, lossless splitting left out: T."""
        modulation = self.modulator_transmission * self.router_transmission**_ROUTERS
        unit = self.splitter_transmission * self.phase_shifter_transmission * self.coupler_transmission
        return modulation * self.splitter_transmission**core.splitter_levels * unit

    def operand_power_w(self, laser_power_w: Scalar, core: TensorCore) -> Scalar:
        """Light of one operand at full drive on one unit, one wavelength: P T / (2 rows columns wavelengths) [W]."""
        return laser_power_w * self.transmission(core) / (2 * core.fan_out * core.wavelengths)

    def required_power_w(self, core: TensorCore, bits: Scalar) -> Scalar:
        """Light of one core that the published formula asks for [W]."""
        return self.sensitivity_w / self.transmission(core) * core.fan_out * 2.0**bits

    def wall_power_w(self, laser_power_w: Scalar, core: TensorCore) -> Scalar:
        """Electrical power of the lasers of all cores [W]; they are on whatever the operands are."""
        return core.cores * laser_power_w / self.wall_plug_efficiency

    def way(self, core: TensorCore) -> tuple[tuple[str, Scalar], ...]:
        """Steps of one core's light on its way to one unit, one operand with all wavelengths, and what they pass."""
        unit = self.splitter_transmission * self.phase_shifter_transmission * self.coupler_transmission
        return (
            ("one of two operands", 0.5),
            (f"one of {core.rows} rows", 1.0 / core.rows),
            ("modulator", self.modulator_transmission),
            ("two wavelength routers", self.router_transmission**_ROUTERS),
            (f"{core.splitter_levels} levels of splitters", self.splitter_transmission**core.splitter_levels),
            (f"shared by {core.columns} units", 1.0 / core.columns),
            ("splitter, phase shifter and coupler of the unit", unit),
        )
