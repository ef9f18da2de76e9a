"""Tolerances and the engine settings of a case."""

import math

import pytest

from experiments.validate_case import Tolerance


@pytest.mark.parametrize(
    ("tolerance", "published", "inside", "outside"),
    [
        (Tolerance("relative", 0.1), 10.0, (9.0, 11.0), (8.99, 11.01)),
        (Tolerance("relative", 0.1), -10.0, (-9.0, -11.0), (-8.99, 11.0)),
        (Tolerance("absolute", 0.5), 0.0, (-0.5, 0.5), (-0.51, 0.51)),
        (Tolerance("factor", 2.0), 10.0, (5.0, 20.0), (4.99, 20.01)),
        (Tolerance("factor", 2.0), -10.0, (-5.0, -20.0), (5.0, -20.01)),
        (Tolerance("relative", 0.0, "at least"), 100.0, (100.0, 1e9), (99.9, -1e9)),
        (Tolerance("factor", 2.0, "at most"), 100.0, (-1e9, 200.0), (200.1, 1e9)),
    ],
)
def test_tolerances_allow_what_they_say(tolerance, published, inside, outside):
    assert all(tolerance.allows(published, value) for value in inside)
    assert not any(tolerance.allows(published, value) for value in outside)
    assert not tolerance.allows(published, math.nan)


def test_tolerances_are_told():
    assert Tolerance("relative", 0.02).to_dict() == {"relative": 0.02}
    assert Tolerance("factor", 2.0, "at least").to_dict() == {"factor": 2.0, "bound": "at least"}
    assert str(Tolerance("relative", 0.02)) == "2 %"
    assert str(Tolerance("factor", 2.0, "at least")) == "at least, factor 2"
