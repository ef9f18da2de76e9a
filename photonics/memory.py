"""Memory traffic of an engine: what it takes to fetch codes and to store results and partial sums."""

from photonics.stage import Scalar, stage


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
