"""The chip: how much light of one channel reaches one photodiode, and what holds the weights."""

import jax.numpy as jnp
from jax import Array

from photonics.gradients import straight_through
from photonics.stage import OperatingPoint, Scalar, stage, static


@stage
class TensorCore:
    """`inputs` channels of light, split to `outputs` columns of weights with a balanced pair of photodiodes each.

        light of one path    P T / outputs,        P of a channel at full drive, T without the split
        weight               steers the light of its path: (1 + v) / 2 to one photodiode, (1 - v) / 2 to the other
        wall power           inputs P / eta,       all channels lit all the time

    So the light of an output does not depend on the weights: sum_k |u_k|. Left out: intensity noise of the lasers,
    crosstalk, the extinction of modulators and weights.

    Attributes:
        inputs: channels, the fan-in.
        outputs: columns, the fan-out.
        transmission: light on both photodiodes over light of the channel, the split to the columns not counted.
        wall_plug_efficiency: optical over electrical power of the lasers.
        power_max_w: largest optical power of one channel [W]; more is computed but marked.
    """

    inputs: int = static()
    outputs: int = static()
    transmission: Scalar
    wall_plug_efficiency: Scalar
    power_max_w: Scalar

    def path_power_w(self, at: OperatingPoint) -> Scalar:
        """Light of one channel at full drive on one pair of photodiodes [W]."""
        return at.laser_power_w * self.transmission / self.outputs

    def launched_power_w(self, at: OperatingPoint) -> Scalar:
        """Light of all channels [W]."""
        return self.inputs * at.laser_power_w

    def laser_power_w(self, at: OperatingPoint) -> Scalar:
        """Electrical power of the lasers [W]."""
        return self.launched_power_w(at) / self.wall_plug_efficiency


@stage
class WeightBank:
    """The weights of one core: a DAC for each, written through a port, held while vectors pass.

        v = round(w / s Q) / Q,      Q = 2^(bits-1) - 1
        load time                    transfer + settling
        load energy                  inputs outputs E_write

    Attributes:
        bits: resolution of a signed weight, 2 to 12.
        transfer_rate_hz: matrices that the port takes per second [Hz].
        settling_time_s: from the last transfer to weights that stand [s].
        write_energy_j: energy of writing one weight of `reference_bits`; doubles with each further bit [J].
        reference_bits: resolution that this energy belongs to.
        ideal: weights are not rounded; the energy stays that of `bits`.
    """

    bits: int = static()
    transfer_rate_hz: Scalar
    settling_time_s: Scalar
    write_energy_j: Scalar
    reference_bits: Scalar
    ideal: bool = static()

    def levels(self) -> int:
        """Largest code Q."""
        return 2 ** (self.bits - 1) - 1

    def quantise(self, normalised: Array) -> Array:
        """Weights in [-1, 1], any shape, rounded to codes (straight-through)."""
        clipped = jnp.clip(normalised, -1.0, 1.0)
        if self.ideal:
            return clipped
        return straight_through(clipped, jnp.round(clipped * self.levels()) / self.levels())

    @property
    def load_time_s(self) -> Scalar:
        """From one matrix to the next [s]."""
        return 1.0 / self.transfer_rate_hz + self.settling_time_s

    def load_energy_j(self, weights: int) -> Scalar:
        """Energy of writing some weights once [J]."""
        return weights * self.write_energy_j * 2.0 ** (self.bits - self.reference_bits)
