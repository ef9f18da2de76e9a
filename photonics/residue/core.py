"""The light of one residue core: a laser, paths with a cascade of switched phase segments, local oscillators."""

from photonics.photons import electrons_per_joule, photon_energy_j
from photonics.stage import OperatingPoint, Scalar, stage, static
from photonics.units import ELEMENTARY_CHARGE_C


@stage
class Laser:
    """One continuous laser for each core; its light is split over all paths and their local oscillators.

        photon energy   h c / lambda            wall power   P / wall-plug efficiency

    Signal and local oscillator come from the same laser, so its phase and intensity noise are common to both and
    cancel where their paths are equally long. Left out: what unequal paths leave of it.

    Attributes:
        wavelength_m: vacuum wavelength [m].
        wall_plug_efficiency: optical over electrical power, driver and cooling included.
        power_max_w: largest optical power of the part [W].
    """

    wavelength_m: Scalar
    wall_plug_efficiency: Scalar
    power_max_w: Scalar

    def photon_energy_j(self) -> Scalar:
        """Energy of one photon [J]."""
        return photon_energy_j(self.wavelength_m)

    def power_w(self, at: OperatingPoint) -> Scalar:
        """Electrical power of one laser [W]."""
        return at.laser_power_w / self.wall_plug_efficiency


@stage
class PhaseCore:
    """The array of one modulus: a path of light for each output, a cell for each input on it, in series.

        phase of a path       phi = (2 pi / m) sum_k x_k w_k      wraps at 2 pi by itself
        cell                  one segment for each bit of a residue; the weight holds the shift of each segment at
                              (2^d w mod m) 2 pi / m, the bits of the activation switch it in or out
        light of a path       P c / outputs, (1 - share) of it through inputs * bits segments, share around them
        segments of a path    s = inputs * bits:   transmission T^s,   phase error of variance s sigma^2
        drive energy          one segment energy for each bit of each product

    Loss, errors and energy grow with the depth of the cascade, hence with fan-in and bits, and every product switches
    segments of its own: what is free in intensity, a vector that one modulator shows to all outputs, costs a cell for
    each output here. The errors of the segments are drawn anew for every symbol, as normal numbers whose variance does
    not depend on the operands: which segments light passes changes with the activations, so over different vectors a
    fixed error of a segment acts as this noise does. Left out: that the same vector meets the same errors again, loss
    that depends on the switched state, crosstalk of drivers, the time that light takes through the cascade.

    Switched segments of binary weight: Demirkiran et al., Mirage: An RNS-based photonic accelerator for DNN training,
    2023 (arXiv 2311.17323), whose cascade is 16 deep (structure and depth from memory, not verified); phases that wind
    back as addition modulo 2 pi: US patent 12307219.

    Attributes:
        inputs: cells in series on one path, the fan-in.
        outputs: paths of one core.
        coupling_transmission: light into the core and through its splitter tree, without the split itself.
        segment_transmission: light that one segment passes.
        segment_error_rad: error of the phase that one segment adds, standard deviation [rad].
        segment_energy_j: energy of driving one segment for one symbol [J].
        segment_hold_w: power of holding the shift of one segment [W].
        reload_time_s: time to write the weights of all cores, which are written together [s].
    """

    inputs: int = static()
    outputs: int = static()
    coupling_transmission: Scalar
    segment_transmission: Scalar
    segment_error_rad: Scalar
    segment_energy_j: Scalar
    segment_hold_w: Scalar
    reload_time_s: Scalar

    def cascade_transmission(self, bits: int) -> Scalar:
        """Light that a path of cells of `bits` segments passes."""
        return self.segment_transmission ** (self.inputs * bits)

    def phase_variance(self, bits: int) -> Scalar:
        """Variance of the phase of one path from the errors of its segments [rad^2]."""
        return self.inputs * bits * self.segment_error_rad**2

    def segments(self, bits: int) -> int:
        """Segments of one core."""
        return self.inputs * self.outputs * bits


@stage
class PhaseReadout:
    """The coherent receiver of each path: a 90-degree hybrid with a local oscillator, four photodiodes, two receivers.

        photodiodes    n_j = (n_s + n_l) / 4 + sqrt(n_s n_l) / 2 cos(phi - j pi / 2),   j = 0 .. 3
        quadratures    I = n_0 - n_2 = sqrt(n_s n_l) cos phi,   Q = n_1 - n_3 = sqrt(n_s n_l) sin phi
        phase          atan2(Q, I), read to the nearest of m levels

    n_s, n_l photoelectrons of signal and local oscillator in one symbol. The phase offset of a path is fixed by its
    length: what its calibration leaves differs from instance to instance and walks with time, offset + drift sqrt(age).
    One converter for each residue reads the phase (a converter of phases, as in receivers of phase-shift keying; the
    published count), two convert the quadratures and a table turns them into a phase: `conversions` charges either,
    the rounding of the quadratures, below half a level, is left out. Left out: dark current, imbalance of the hybrid.

    Agrawal, Fiber-Optic Communication Systems, 4th ed., chapter 10 (coherent receivers; the number from memory).

    Attributes:
        local_share: share of the light of a path that is its local oscillator.
        hybrid_transmission: light that hybrid and waveguides to the photodiodes pass.
        quantum_efficiency: electrons per photon.
        bias_v: reverse bias of the photodiodes [V].
        shot_noise: whether photons are counted at all; off only in the ideal limit.
        fixed_pattern: whether paths have phase offsets.
        offset_residual_rad: phase offset of a path that calibration leaves, standard deviation [rad].
        drift_rad_per_root_s: growth of that offset since calibration, a random walk [rad/sqrt(s)].
        conversions: conversions that are charged for each residue.
    """

    local_share: Scalar
    hybrid_transmission: Scalar
    quantum_efficiency: Scalar
    bias_v: Scalar
    shot_noise: bool = static()
    fixed_pattern: bool = static()
    offset_residual_rad: Scalar
    drift_rad_per_root_s: Scalar
    conversions: int = static()

    def electrons_per_joule(self, photon_energy_j: Scalar) -> Scalar:
        """Photoelectrons per joule of light on the photodiodes."""
        return electrons_per_joule(self.quantum_efficiency, photon_energy_j)

    def offset_variance(self, at: OperatingPoint) -> Scalar:
        """Variance of the phase offsets over paths and instances, as they are after `age_s` [rad^2]."""
        drift = self.drift_rad_per_root_s**2 * at.age_s
        return (self.offset_residual_rad**2 + drift) if self.fixed_pattern else 0.0

    def bias_power_w(self, electrons_per_symbol: Scalar, at: OperatingPoint) -> Scalar:
        """Bias power of the photodiodes of one path [W]."""
        return self.bias_v * (electrons_per_symbol * ELEMENTARY_CHARGE_C) * at.symbol_rate_hz
