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
        (EnginesConfig(plot=True), "--plot needs an engine"),
        (EnginesConfig(name="ideal", out="runs/mine"), "--out says where --plot writes"),
        (EnginesConfig(name="ideal", plot=True, out=""), "--out is empty"),
    ],
)
def test_wrong_options(config, message):
    with pytest.raises(RequestError, match=message):
        check_options(config)
