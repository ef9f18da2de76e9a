"""Crosstalk of neighbouring photodiodes: who receives what, and how shares are distributed."""

import numpy as np
import pytest
from scipy.stats import kstest

from photonics.analog_optical_computer.crosstalk import crossed


def test_each_gives_to_both_sides_by_its_own_shares():
    signal = np.array([[1.0, 10.0, 100.0]])
    to_earlier, to_later = np.array([0.5, 0.1, 0.01]), np.array([0.2, 0.3, 0.5])
    # The first hears a tenth of the second; the second 0.2 of the first and 0.01 of the third.
    np.testing.assert_allclose(crossed(signal, 0.0, to_earlier, to_later), [[2.0, 11.2, 103.0]])


def test_dark_light_is_taken_off_what_is_given_only():
    signal, shares = np.array([[1.0, 2.0]]), np.array([0.1, 0.1])
    np.testing.assert_allclose(crossed(signal, np.array([1.0, 2.0]), shares, shares), signal)


def test_nothing_crosses_the_edge_of_a_panel(small, drawn):
    rail = drawn(small(), (1, 12, 16), 0).plus
    assert rail.to_earlier is not None and rail.to_later is not None
    np.testing.assert_array_equal(rail.to_earlier[0, 0, [0, 8]], [0.0, 0.0])
    np.testing.assert_array_equal(rail.to_later[0, 0, [7, 15]], [0.0, 0.0])
    assert np.count_nonzero(rail.to_earlier) == 14


def test_shares_are_exponential(small, drawn):
    engine = small({"panel.outputs": 2048})
    shares = np.ravel(drawn(engine, (1, 1, 2048), 5).plus.to_earlier)[1:]
    assert shares.mean() == pytest.approx(0.0647, rel=5 / np.sqrt(shares.size))
    assert kstest(shares / 0.0647, "expon")[1] > 1e-4


def test_measured_shares_are_about_as_wide_as_an_exponential(golden):
    names = [f"to_{side}_{rail}" for side in ("earlier", "later") for rail in ("plus", "minus")]
    shares = np.concatenate([golden["constants"][name] for name in names])
    shares = shares[shares > 0]
    assert shares.size == 188
    assert shares.mean() == pytest.approx(0.0647, abs=5e-5)
    assert shares.std() / shares.mean() == pytest.approx(1.18, abs=0.01)
