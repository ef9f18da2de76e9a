"""The layout: what is there how often, by hand for the published machine and for one with unequal sides."""

from photonics.dynamic_operand.tensor_core import TensorCore


def test_the_published_machine_counted_by_hand(dota):
    core = dota.core
    assert (core.cores, core.terms, core.fan_in, core.outputs) == (8, 24, 24, 48)
    # 12 x 12 in each of 8 cores for the weights; 12 x 12 in each of 2 cores for the activations, seen by all tiles.
    assert (core.weight_modulators, core.activation_modulators, core.modulators) == (1152, 288, 1440)
    assert (core.units, core.converters, core.fan_out, core.splitter_levels) == (1152, 576, 144, 4)


def test_unequal_sides_are_told_apart():
    core = TensorCore(rows=3, columns=5, wavelengths=7, cores_per_tile=2, tiles=4, accumulated_symbols=3)
    assert (core.terms, core.fan_in, core.outputs, core.cores) == (14, 42, 12, 8)
    assert (core.weight_modulators, core.activation_modulators) == (3 * 7 * 8, 5 * 7 * 2)
    assert (core.units, core.converters, core.splitter_levels) == (3 * 5 * 8, 3 * 5 * 4, 3)


def test_a_symbol_sums_as_many_terms_as_there_are_wavelengths_and_cores():
    core = TensorCore(rows=3, columns=5, wavelengths=7, cores_per_tile=2, tiles=4, accumulated_symbols=3)
    assert [core.symbols(rows) for rows in (1, 14, 15, 28, 42)] == [1, 1, 2, 2, 3]
