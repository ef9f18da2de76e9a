"""Two functions in turn: both run equally often, the order changes, and the quartiles are those of the ratios."""

import numpy as np
import pytest

from experiments.interleave import Times, interleave


def test_functions_take_turns_and_the_first_changes():
    calls: list[str] = []
    times = interleave(lambda: calls.append("plain"), lambda: calls.append("optical"), 4)
    assert calls[:4] == ["plain", "optical"] * 2  # warm-up
    assert calls[4:] == ["plain", "optical", "optical", "plain"] * 2
    assert {value.shape for value in vars(times).values()} == {(4,)}
    assert all(np.all(value >= 0) for value in vars(times).values())


def test_times_stay_with_their_function():
    def wait(_: None = None) -> None:
        np.linalg.norm(np.ones((600, 600)) @ np.ones((600, 600)))

    times = interleave(lambda: None, wait, 5)
    assert np.median(times.optical_s) > 10 * np.median(times.plain_s)


def test_quartiles_are_of_ratios_not_of_times():
    plain_s = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    times = Times(plain_s, plain_s * np.array([1.0, 5.0, 2.0, 4.0, 3.0]), plain_s, plain_s)
    assert times.ratio() == pytest.approx((2.0, 3.0, 4.0))
