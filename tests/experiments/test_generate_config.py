import math

import pytest

from experiments.errors import RequestError
from experiments.generate_config import GenerateConfig, check_options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ()}, "--prompt is missing"),
        ({"prompt": ("Light", " ")}, "--prompt is empty"),
        ({"prompt": ("\udce9",)}, "--prompt is not UTF-8"),
        ({"chat": True, "system": ""}, "--system is empty"),
        ({"system": "Be brief."}, "--system needs --chat"),
        ({"laser_power_w": 0.0}, "--laser-power-w 0"),
        ({"laser_power_w": math.nan}, "--laser-power-w nan"),
        ({"max_new_tokens": 0}, "--max-new-tokens 0"),
        ({"temperature": -0.5}, "--temperature -0.5"),
        ({"temperature": math.inf}, "--temperature inf"),
        ({"temperature": math.nan}, "--temperature nan"),
        ({"temperature": 1.0, "top_p": 0.0}, "--top-p 0"),
        ({"temperature": 1.0, "top_p": 1.5}, "--top-p 1.5"),
        ({"top_p": 0.9}, "--top-p 0.9 has no effect at temperature 0"),
        ({"seed": -1}, "--seed -1"),
        ({"digital": ("(",)}, "not a regular expression"),
        ({"model": ""}, "--model is empty"),
        ({"engine": ""}, "--engine is empty"),
        ({"out": ""}, "--out is empty"),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(RequestError, match=message):
        check_options(GenerateConfig(**{"prompt": ("Light is",), **options}))


def test_right_options():
    check_options(GenerateConfig(prompt=("Light is",)))
    check_options(GenerateConfig(prompt=("Light\nis", "-- a list"), temperature=0.7, top_p=0.9))
    check_options(GenerateConfig(prompt=("Hello",), chat=True, system="Be brief."))
