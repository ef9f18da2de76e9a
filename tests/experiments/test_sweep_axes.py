import dataclasses
import itertools

import pytest

from experiments.errors import RequestError
from experiments.sweep_axes import Range, read_axes, text_of
from experiments.sweep_experiments import EXPERIMENTS
from tests.experiments.swept import SWEPT


def axis_of(item: str, experiment=EXPERIMENTS["accuracy"]):
    (axis,) = read_axes(experiment, [item])
    return axis


@pytest.mark.parametrize(
    ("item", "values"),
    [
        ("tokens=512", [512]),
        ("tokens= 512 , 1024", [512, 1024]),
        ("rotate=on,off", ["on", "off"]),
        ("panels=resident,64", ["resident", 64]),
        ("laser-power-w=1e-3,0.3", [0.001, 0.3]),
        ("laser_power_w=0.1,1:3:lin3", [0.1, 1.0, 2.0, 3.0]),
        ("adc.bits=6,8,10", [6, 8, 10]),
        ("adc.bits=4:8:lin5", [4, 5, 6, 7, 8]),
        ("adc.bits=6:8:lin9", [6, 7, 8]),
        ("adc.ideal=true,FALSE", [True, False]),
        ("optics.transmission=0.5:1:11", [0.5 + 0.05 * i for i in range(11)]),
        ("source.rin_db_per_hz=-150,-140", [-150.0, -140.0]),
        ("panel.extinction_ratio=inf,100", [float("inf"), 100.0]),
        ("engine=free-space-1024,ideal", ["free-space-1024", "ideal"]),
        ("digital=layers/0\\,layers/1,head", ["layers/0,layers/1", "head"]),
        ("model=C:/a,B:/b", ["C:/a", "B:/b"]),
    ],
)
def test_values_in_the_type_of_what_they_set(item, values):
    found = axis_of(item).values()
    assert [(type(value), value) for value in found] == [(type(value), pytest.approx(value)) for value in values]


def test_options_and_engine_fields_are_told_apart():
    assert not axis_of("laser_power_w=1").of_engine
    assert axis_of("operating_point.laser_power_w=1").of_engine


def test_logarithmic_steps_have_both_ends_and_equal_ratios():
    values = axis_of("laser_power_w=1e-4:1e-1:log16").values()
    assert (values[0], values[-1], len(values)) == (1e-4, 1e-1, 16)
    ratios = [float(high) / float(low) for low, high in itertools.pairwise(values)]
    assert ratios == pytest.approx([10**0.2] * 15, rel=1e-11)


def test_linear_steps_are_the_decimal_numbers_one_writes():
    assert axis_of("x=0:1:lin11", SWEPT).values() == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def test_ends_stay_inside_whatever_rounding_does():
    low, high = 0.1234567890123456, 0.9876543210987654
    through = Range(low, high, "log", 3, whole=False)
    assert all(low <= value <= high for value in through.values())


def test_a_range_is_seen_only_where_it_stands_alone():
    assert axis_of("laser_power_w=1e-4:1:log").range == Range(1e-4, 1.0, "log", None, False)
    assert axis_of("adc.bits=2:8").range == Range(2, 8, "lin", None, True)
    assert axis_of("laser_power_w=1e-4:1:log3,5").range is None


def test_an_experiment_without_an_engine_has_options_only():
    plain = dataclasses.make_dataclass("Plain", [("n", int, 1)], kw_only=True)
    experiment = dataclasses.replace(SWEPT, options=plain)
    with pytest.raises(RequestError, match=r"'adc\.bits' is not an option of exalight swept; the nearest is 'n'"):
        read_axes(experiment, ["adc.bits=8"])


def test_values_as_a_command_line_has_them():
    assert [text_of(value) for value in (True, 8, 0.001, "on")] == ["true", "8", "0.001", "on"]


def test_the_axis_in_words_of_json():
    assert axis_of("adc.bits=6,8").summary() == {"path": "adc.bits", "values": [6, 8]}
    assert axis_of("laser_power_w=1e-4:1:log3").summary() == {
        "path": "laser_power_w",
        "range": {"low": 1e-4, "high": 1.0, "scale": "log", "steps": 3},
    }
