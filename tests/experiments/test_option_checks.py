import math
from types import SimpleNamespace

import pytest

from experiments.errors import RequestError
from experiments.option_checks import check_not_empty, check_patterns, check_power, check_seed


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (check_power, 0.0, "--laser-power-w 0: .* above 0 W"),
        (check_power, math.inf, "--laser-power-w inf"),
        (check_power, math.nan, "--laser-power-w nan"),
        (check_seed, -1, "--seed -1"),
        (check_seed, 2**32, "0 to 4294967295"),
        (check_patterns, ("head", "("), "not a regular expression"),
    ],
)
def test_wrong_values(check, value, message):
    with pytest.raises(RequestError, match=message):
        check(value)


def test_right_values():
    check_power(1e-6)
    check_seed(0)
    check_seed(2**32 - 1)
    check_patterns(("head", "layers/0/.*"))


def test_an_empty_option_is_named():
    config = SimpleNamespace(model="x", out="", text=None)
    check_not_empty(config, ("model", "text"))
    with pytest.raises(RequestError, match="--out is empty"):
        check_not_empty(config, ("model", "text", "out"))
