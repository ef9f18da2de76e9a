"""Counts by hand, of an engine that holds its weights and of one that streams both operands."""

import dataclasses

import pytest

from photonics.tally import Tally, count_streams, count_tiles
from photonics.work import Contraction

# Ten vectors in each of two executions, of three matrices.
_ONE = Contraction(name="", batch=3, m=10, k=50, n=20, count=2, weights=True)


def test_tiles_that_hold_weights():
    # 50 inputs are two tiles of 32, 20 outputs are three of 8; two symbols and four conversions a vector.
    tally = count_tiles(_ONE, 32, 8, passes=2, drives=3, conversions=4, input_ops=5, tile_ops=7, output_ops=11)
    shown = 3 * 20
    assert (tally.tiles, tally.busy_passes, tally.longest_passes) == (3 * 6, shown * 6 * 2, 20 * 2)
    assert (tally.drives, tally.conversions) == (shown * 50 * 3 * 2 * 3, shown * 20 * 2 * 4)
    assert (tally.inputs, tally.outputs, tally.partial_sums) == (shown * 50 * 3, shown * 20, shown * 20)
    assert tally.digital_ops == shown * (50 * 5 + 20 * (2 * 7 + 1 + 11))
    assert (tally.weights, tally.macs) == (3 * 50 * 20, _ONE.macs)


def test_streams_of_both_operands():
    # Three groups of four vectors in each execution; sums of 25 take 5 symbols of five terms, twice.
    options = {"repetitions": 2, "vector_ops": 3, "tile_ops": 7, "output_ops": 11}
    tally = count_streams(_ONE, 32, 8, 4, lambda rows: rows // 5, **options)
    shown, groups = 3 * 20, 2 * 3
    assert (tally.tiles, tally.busy_passes, tally.longest_passes) == (3 * 6, 3 * 6 * groups * 10, groups * 10)
    assert tally.drives == tally.inputs == shown * 50 * 3 * 2
    assert tally.weight_drives == tally.weight_reads == 3 * groups * 50 * 20 * 2
    assert (tally.conversions, tally.partial_sums, tally.outputs) == (shown * 20 * 2 * 2, shown * 20, shown * 20)
    assert tally.digital_ops == shown * (2 * 50 + 3 + 20 * (2 * 7 + 11))
    assert (tally.weights, tally.macs) == (3 * 2 * 50 * 20, _ONE.macs)


@pytest.mark.parametrize("size", ["m", "k", "n", "count", "batch"])
def test_nothing_to_multiply_is_nothing(size):
    none = dataclasses.replace(_ONE, **{size: 0})
    assert count_tiles(none, 32, 8) == count_streams(none, 32, 8, 4, int) == Tally()


def test_tallies_add_up_and_keep_the_longest():
    one, two = count_tiles(_ONE, 32, 8), count_tiles(dataclasses.replace(_ONE, m=30), 32, 8)
    assert (one + two).macs == one.macs + two.macs
    assert (one + two).longest_passes == two.longest_passes == 60
