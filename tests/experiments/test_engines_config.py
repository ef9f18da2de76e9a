import pytest

from experiments.engines_config import EnginesConfig, check_options
from experiments.errors import RequestError


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (EnginesConfig(name="ideal", laser_power_w=-1.0), "above 0 W"),
        (EnginesConfig(name="ideal", laser_power_w=float("nan")), "finite"),
        (EnginesConfig(set=("adc.bits=8",)), "need an engine"),
        (EnginesConfig(laser_power_w=0.1), "need an engine"),
    ],
)
def test_wrong_options(config, message):
    with pytest.raises(RequestError, match=message):
        check_options(config)
