import itertools
import math

import pytest

from experiments.accuracy_config import AccuracyConfig, check_options, default_powers_w
from experiments.errors import RequestError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"laser_power_w": (-1.0,)}, "--laser-power-w -1: .* above 0 W"),
        ({"laser_power_w": (0.01, math.nan)}, "--laser-power-w nan"),
        ({"laser_power_w": (math.inf,)}, "--laser-power-w inf"),
        ({"laser_power_w": (0.0,)}, "--laser-power-w 0"),
        ({"laser_power_w": (0.01, 0.01)}, "same power twice"),
        ({"context": 1}, "at least 2 tokens"),
        ({"tokens": 100}, "give at least 128"),
        ({"tokens": -5}, "less than one window"),
        ({"panels": 0}, "--panels 0"),
        ({"devices": 0}, "--devices 0"),
        ({"seed": -1}, "--seed -1"),
        ({"seed": 2**32}, "--seed"),
        ({"digital": ("(",)}, "not a regular expression"),
        ({"model": ""}, "--model is empty"),
        ({"out": ""}, "--out is empty"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(RequestError, match=message):
        check_options(AccuracyConfig(**options))


def test_defaults_are_right():
    check_options(AccuracyConfig())
    assert AccuracyConfig().windows == 8
    assert AccuracyConfig().rotations == (True, False)


@pytest.mark.parametrize(("rate_hz", "low", "high"), [(1e9, 1e-3, 0.3), (1e8, 1e-4, 0.03), (2e9, 2e-3, 0.6)])
def test_default_sweep_keeps_the_light_per_symbol(rate_hz, low, high):
    powers_w = default_powers_w(rate_hz)
    assert len(powers_w) >= 8
    assert (powers_w[0], powers_w[-1]) == (pytest.approx(low), pytest.approx(high))
    steps = [b / a for a, b in itertools.pairwise(powers_w)]
    # Rounded to three digits, so each step is within 1 % of the others.
    assert max(steps) / min(steps) < 1.02
