"""Typical operands against normal vectors that are drawn."""

import numpy as np
import pytest

from photonics.operands import mean_magnitude, mean_square


@pytest.mark.parametrize(("length", "low"), [(16, 0.22), (128, 0.17), (1024, 0.13)])
def test_mean_square_is_near_that_of_drawn_vectors(length, low):
    vectors = np.random.default_rng(0).standard_normal((2000, length))
    scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True)
    # The first order in the largest value is low by a share that falls slowly with the length.
    assert np.sqrt(mean_square(length) / np.mean(scaled**2)) == pytest.approx(1 - low, abs=0.02)
    assert mean_magnitude(length) / np.mean(np.abs(scaled)) == pytest.approx(1 - low, abs=0.03)


def test_it_falls_with_length_and_is_defined_for_one():
    values = [mean_square(length) for length in (1, 2, 10, 1000)]
    assert values[0] == values[1] and values[1] > values[2] > values[3] > 0
    assert max(values) < 1
