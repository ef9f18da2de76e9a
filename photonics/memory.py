"""Memory traffic of an engine: what it takes to fetch codes and to store results and partial sums."""

from photonics.stage import Scalar, number, stage
from photonics.tally import Tally


@stage
class Memory:
    """Two tiers: the buffer beside the engine, and the memory that weights come from when a panel is loaded.

    Left out: capacity, bandwidth limits and leakage of the memories.

    Attributes:
        near_energy_j_per_byte: activation buffer and panel frame memory (SRAM) [J/byte].
        far_energy_j_per_byte: weights fetched for a panel load (DRAM) [J/byte].
        output_byte: size of one finished output as stored [byte].
        partial_byte: size of one partial sum between fan-in tiles [byte].
    """

    near_energy_j_per_byte: Scalar
    far_energy_j_per_byte: Scalar
    output_byte: Scalar
    partial_byte: Scalar

    def traffic_energy_j(self, tally: Tally, input_byte: float, weight_byte: float = 0.0) -> Scalar:
        """Energy of what moves between engine and buffer: activations, streamed weights, outputs, partial sums [J].

        A partial sum is read and written once.
        """
        traffic = (
            (tally.inputs * input_byte + tally.weight_reads * weight_byte, 1.0),
            (tally.outputs, self.output_byte),
            (2 * tally.partial_sums, self.partial_byte),
        )
        return sum(float(count) * number(byte * self.near_energy_j_per_byte) for count, byte in traffic)
