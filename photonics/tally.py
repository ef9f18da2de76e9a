"""What some work makes happen on an engine, counted: the numbers that every energy and every time are multiples of."""

import dataclasses
import math

from photonics.work import Contraction


@dataclasses.dataclass(frozen=True)
class Tally:
    """How often things happen for one kind of matrix; tallies add up.

    Attributes:
        tiles: parts of matrices that need a panel, or a core, of their own.
        busy_passes: symbols shown, summed over tiles.
        longest_passes: symbols of the tile that has most to do.
        drives: conversions that turn activations into light.
        weight_drives: conversions that turn weights into light, where they are streamed as activations are.
        conversions: analog-to-digital conversions.
        inputs: activations read.
        outputs: outputs written.
        partial_sums: outputs added to those of another tile, digit or modulus.
        digital_ops: operations of the digital back end.
        weights: weights of all matrices, read anew where panels are reloaded.
        weight_reads: weights read while computing, where they are streamed.
        macs: logical multiply-accumulates.
    """

    tiles: int = 0
    busy_passes: int = 0
    longest_passes: int = 0
    drives: int = 0
    weight_drives: int = 0
    conversions: int = 0
    inputs: int = 0
    outputs: int = 0
    partial_sums: int = 0
    digital_ops: int = 0
    weights: int = 0
    weight_reads: int = 0
    macs: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        sums = {
            field.name: getattr(self, field.name) + getattr(other, field.name) for field in dataclasses.fields(self)
        }
        return Tally(**{**sums, "longest_passes": max(self.longest_passes, other.longest_passes)})


def count_tiles(
    contraction: Contraction,
    inputs: int,
    outputs: int,
    *,
    passes: int = 1,
    conversions: int = 1,
    input_ops: float = 2.0,
    conversion_ops: float = 1.0,
) -> Tally:
    """Counts for an engine of inputs x outputs whose tiles of a matrix each see all of its vectors.

    `passes` symbols and `conversions` conversions per output of a tile and vector; `input_ops` digital operations per
    activation (its scale: one comparison, one multiplication), `conversion_ops` per conversion; sums of tiles on top.
    """
    k, n = contraction.k, contraction.n
    if contraction.macs == 0:
        return Tally()
    tiles_in, tiles_out = math.ceil(k / inputs), math.ceil(n / outputs)
    matrices, vectors = contraction.matrices, contraction.vectors_per_matrix
    shown, converted = matrices * vectors, tiles_in * conversions
    return Tally(
        tiles=matrices * tiles_in * tiles_out,
        busy_passes=shown * tiles_in * tiles_out * passes,
        longest_passes=vectors * passes,
        drives=shown * k * tiles_out * passes,
        conversions=shown * n * converted,
        inputs=shown * k * tiles_out,
        outputs=shown * n,
        partial_sums=shown * n * (tiles_in - 1),
        digital_ops=math.ceil(shown * (k * input_ops + n * (converted * conversion_ops + tiles_in - 1))),
        weights=matrices * k * n,
        macs=contraction.macs,
    )
