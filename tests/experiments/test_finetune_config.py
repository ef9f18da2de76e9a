import dataclasses

import pytest

from experiments.errors import RequestError
from experiments.finetune_config import FinetuneConfig, check_options


def test_defaults_hold():
    check_options(FinetuneConfig())
    assert FinetuneConfig().rate == 1e-3 and FinetuneConfig(method="full").rate == 2e-5
    assert FinetuneConfig(batch=3, accumulate=2, context=10, tokens=10).tokens_per_step == 60
    assert FinetuneConfig().ramp_steps == 0 and FinetuneConfig(power_start=4.0, steps=100).ramp_steps == 50


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"steps": -1}, "--steps -1: give a whole number from 0"),
        ({"context": 1}, "--context 1: give a whole number from 2"),
        ({"seeds": 0}, "--seeds 0: give a whole number from 1"),
        ({"rank": 0}, "--rank 0"),
        ({"learning_rate": 0.0}, "--learning-rate 0: give a finite number above 0"),
        ({"range_decay": -0.1}, "--range-decay -0.1: give a finite number from 0"),
        ({"temperature": float("nan")}, "--temperature nan"),
        ({"equalise": 1.5}, "--equalise 1.5: give a strength from 0 to 1"),
        ({"teacher": -0.1}, "--teacher -0.1: give a share from 0 to 1"),
        ({"clip_percentile": 50.0}, "--clip-percentile 50"),
        ({"tokens": 100}, "--tokens 100: give at least one window, 128"),
        ({"laser_power_w": 0.0}, "--laser-power-w 0"),
        ({"targets": ("(",)}, "--targets"),
        ({"data": ""}, "--data is empty"),
        ({"method": "ranges", "learn_ranges": False}, "nothing to train"),
        ({"method": "full", "adapter": "apart"}, "--adapter apart needs --method lora"),
        ({"learn_gains": True, "adapter": "apart"}, "cannot hold gains"),
        ({"noise": "off"}, "has nothing to learn"),
        ({"noise": "off", "teacher": 0.0, "power_spread": 0.5}, "need --noise on"),
        ({"noise": "off", "teacher": 0.0, "allocate_light": True}, "need --noise on"),
    ],
)
def test_what_makes_no_sense_is_refused(change, expected):
    with pytest.raises(RequestError) as refusal:
        check_options(dataclasses.replace(FinetuneConfig(), **change))
    assert expected in str(refusal.value) and "\n" not in str(refusal.value)
