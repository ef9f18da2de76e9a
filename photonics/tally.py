"""What some work makes happen on an engine, counted: the numbers that every energy and every time are multiples of."""

import dataclasses
import math
from collections.abc import Callable

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
        weights: weights of all matrices, read anew where panels are reloaded; operands that are data are near, hence 0.
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
    drives: int = 1,
    conversions: int = 1,
    input_ops: int = 2,
    tile_ops: int = 1,
    output_ops: int = 0,
) -> Tally:
    """Counts for an engine of inputs x outputs whose tiles of a matrix each see all of its vectors.

    For one vector: `passes` symbols of a tile, `drives` conversions that show one activation to a tile in each of them,
    `conversions` of one output of a tile. Digital operations: `input_ops` for each activation (its scale: one
    comparison, one multiplication), `tile_ops` for each output of a tile, one addition for each further tile,
    `output_ops` for each sum.
    """
    k, n = contraction.k, contraction.n
    if contraction.macs == 0:
        return Tally()
    tiles_in, tiles_out = math.ceil(k / inputs), math.ceil(n / outputs)
    matrices, vectors = contraction.matrices, contraction.vectors_per_matrix
    shown = matrices * vectors
    return Tally(
        tiles=matrices * tiles_in * tiles_out,
        busy_passes=shown * tiles_in * tiles_out * passes,
        longest_passes=vectors * passes,
        drives=shown * k * tiles_out * passes * drives,
        conversions=shown * n * tiles_in * conversions,
        inputs=shown * k * tiles_out,
        outputs=shown * n,
        partial_sums=shown * n * (tiles_in - 1),
        digital_ops=shown * (k * input_ops + n * (tiles_in * tile_ops + tiles_in - 1 + output_ops)),
        weights=matrices * k * n * contraction.weights,
        macs=contraction.macs,
    )


def count_streams(
    contraction: Contraction,
    inputs: int,
    outputs: int,
    vectors: int,
    symbols: Callable[[int], int],
    *,
    repetitions: int = 1,
    vector_ops: int = 0,
    tile_ops: int = 0,
    output_ops: int = 0,
) -> Tally:
    """Counts for an engine that streams both operands: `vectors` at once meet `outputs`, over sums of `inputs`.

    `symbols(rows)` are those of a sum of so many inputs, `repetitions` how often each product is taken. A group of
    vectors that is not full takes as many symbols as a full one and the whole matrix; vectors of different executions
    (the steps of a decoder) cannot stand side by side. A matrix stays in the buffer beside the engine for one
    execution, and no longer. Digital operations: two for each activation (its scale: one comparison, one
    multiplication), `vector_ops` for each vector, `tile_ops` for each output of a tile, `output_ops` for each sum.
    """
    k, n = contraction.k, contraction.n
    if contraction.macs == 0:
        return Tally()
    tiles_in, tiles_out = math.ceil(k / inputs), math.ceil(n / outputs)
    matrices, executions = contraction.matrices, contraction.vectors_per_matrix // contraction.m
    shown = matrices * contraction.vectors_per_matrix
    groups = executions * math.ceil(contraction.m / vectors)
    longest = groups * symbols(math.ceil(k / tiles_in)) * repetitions
    drives, weight_drives = shown * k * tiles_out * repetitions, matrices * groups * k * n * repetitions
    return Tally(
        tiles=matrices * tiles_in * tiles_out,
        busy_passes=matrices * tiles_in * tiles_out * longest,
        longest_passes=longest,
        drives=drives,
        weight_drives=weight_drives,
        conversions=shown * n * tiles_in * repetitions,
        inputs=drives,
        outputs=shown * n,
        partial_sums=shown * n * (tiles_in - 1),
        digital_ops=shown * (2 * k + vector_ops + n * (tiles_in * tile_ops + output_ops)),
        weights=matrices * executions * k * n * contraction.weights,
        weight_reads=weight_drives,
        macs=contraction.macs,
    )
