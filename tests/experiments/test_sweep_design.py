import math

import numpy as np
import pytest

from experiments.sweep_axes import read_axes
from experiments.sweep_design import combinations
from tests.experiments.swept import SWEPT


def draw(design, items, points=None, seed=0):
    return combinations(read_axes(SWEPT, items), design, points, seed)


def test_a_grid_has_every_combination_and_varies_the_last_axis_fastest():
    found = draw("grid", ["n=1,2", "x=0:1:lin3", "what=compute"])
    assert [(one["n"], one["x"]) for one in found] == [(1, 0.0), (1, 0.5), (1, 1.0), (2, 0.0), (2, 0.5), (2, 1.0)]
    assert all(list(one) == ["n", "x", "what"] for one in found)


@pytest.mark.parametrize("design", ["random", "sobol"])
def test_ranges_are_sampled_continuously_and_lists_evenly(design):
    items = ["x=1e-4:1:log3", "what=a,b", "n=1:4"]
    found = draw(design, items, 256)
    x = np.array([one["x"] for one in found])
    assert len(np.unique(x)) == 256
    assert x.min() >= 1e-4 and x.max() <= 1
    # Uniform in the logarithm: Kolmogorov-Smirnov distance below 1.95 / sqrt(256), exceeded once in 1000 draws.
    shares = np.sort(np.log10(x) / 4 + 1)
    assert np.abs(shares - (np.arange(256) + 0.5) / 256).max() < 1.95 / 16
    counts = {what: sum(one["what"] == what for one in found) for what in "ab"}
    # A binomial of 256 halves has a deviation of 8.
    assert abs(counts["a"] - 128) < 5 * 8
    assert {one["n"] for one in found} == {1, 2, 3, 4}
    assert all(type(one["n"]) is int for one in found)


def test_sobol_points_are_spread_better_than_random_ones():
    def distance(design):
        shares = np.sort([one["x"] for one in draw(design, ["x=0:1"], 64, seed=3)])
        return np.abs(shares - (np.arange(64) + 0.5) / 64).max()

    # Each of 64 equal intervals has exactly one point of a scrambled sequence.
    assert distance("sobol") <= 0.5 / 64 + 1e-9 < distance("random")


@pytest.mark.parametrize("design", ["random", "sobol"])
def test_the_seed_decides(design):
    items = ["x=0:1", "n=1:1000000"]
    assert draw(design, items, 10, seed=1) == draw(design, items, 10, seed=1)
    assert draw(design, items, 10, seed=1) != draw(design, items, 10, seed=2)


def test_fewer_sobol_points_are_the_first_of_more():
    assert draw("sobol", ["x=0:1", "n=1,2,3"], 5) == draw("sobol", ["x=0:1", "n=1,2,3"], 8)[:5]


def test_combinations_that_come_twice_are_kept_once():
    found = draw("random", ["n=1,2", "what=a,b"], 100)
    assert sorted((one["n"], one["what"]) for one in found) == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


def test_whole_numbers_of_a_range_are_equally_likely():
    found = draw("random", ["n=1:3", "x=0:1"], 3000)
    counts = np.array([sum(one["n"] == n for one in found) for n in (1, 2, 3)])
    assert np.abs(counts - 1000).max() < 5 * math.sqrt(3000 * 2 / 9)
