"""The weights: how many, what they let through, and what it costs to hold and to write them."""

from photonics.stage import Scalar, stage, static


@stage
class Panel:
    """Resident weights, `inputs` x `outputs`; every output has two columns, one for each sign.

    Optical Transformers size their hardware to the layer: set `inputs` and `outputs` to its width. Larger layers are
    cut into tiles. What holding and writing take is counted for a weight, whatever elements it consists of.

    Attributes:
        inputs: fan-in.
        outputs: fan-out.
        transmission: light out over light in with a weight fully open, optics and modulators included.
        hold_power_w: power that keeps one weight in place [W].
        write_energy_j: energy of writing one weight [J].
        reload_time_s: time to write all of them [s].
    """

    inputs: int = static()
    outputs: int = static()
    transmission: Scalar
    hold_power_w: Scalar
    write_energy_j: Scalar
    reload_time_s: Scalar

    def columns(self) -> int:
        """Columns that share the light of a source: both signs of every output, used or not."""
        return 2 * self.outputs

    def weights(self) -> int:
        """Weights of one panel."""
        return self.inputs * self.outputs
