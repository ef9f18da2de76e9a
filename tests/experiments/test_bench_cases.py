"""Every case of `exalight bench` is a machine that can be built, with its target beside it."""

import dataclasses

import pytest

from experiments.accuracy_request import checked_engine_file
from experiments.bench_cases import chosen_cases
from experiments.bench_config import BenchConfig
from experiments.errors import RequestError

ALL = chosen_cases(BenchConfig())


def test_labels_tell_cases_apart():
    assert len({case.label for case in ALL}) == len({case.file_name for case in ALL}) == len(ALL)


def test_targets_are_what_was_aimed_at():
    targets = {case.label: case.target for case in ALL}
    assert targets["integer 512x1024x1024"] == 1.30
    assert targets["integer 512x768x3072"] == 1.40
    assert targets["catalogued 512x1024x1024"] == 1.75
    assert targets["catalogued 512x768x3072"] == 1.85
    assert targets["integer-fan-in-128 512x768x3072"] == 2.5
    assert targets["integer-per-pass 512x1024x1024"] == 3.0
    assert targets["integer-backward 512x1024x1024"] == 1.6
    assert targets["model"] == 1.8
    assert targets["ideal 512x1024x1024"] is None


@pytest.mark.parametrize(
    "values",
    [{"engine": "free-space-2048"}, {"set": ("adc.bits=6",)}, {"shapes": ("8x8x8",), "cases": "8x8x8"}],
)
def test_another_machine_or_shape_has_no_target(values):
    cases = chosen_cases(dataclasses.replace(BenchConfig(), **values))
    assert cases and all(case.target is None for case in cases)


def test_a_case_is_about_the_field_it_names():
    def values(name):
        (case,) = [case for case in ALL if case.label == f"{name} 512x1024x1024"]
        return checked_engine_file(case.engine or "free-space-1024", case.engine_set).values

    assert values("catalogued") == checked_engine_file("free-space-1024", ()).values
    integer = values("integer")
    assert (integer["panel.fixed_pattern"], integer["optics.crosstalk"]) == (False, False)
    assert (integer["source.noise"], integer["encoding.rotate"]) == ("none", False)
    assert values("integer-rotated") == {**integer, "encoding.rotate": True}
    assert values("integer-fan-in-128") == {**integer, "source.count": 128}
    assert values("integer-per-pass") == {**integer, "encoding.conversion": "pass"}
    assert values("ideal") == checked_engine_file("ideal", ()).values


def test_a_pattern_chooses_by_name_and_shape():
    labels = [case.label for case in chosen_cases(BenchConfig(cases="^catalogued 512x7"))]
    assert labels == ["catalogued 512x768x3072"]
    with pytest.raises(RequestError, match="finds no case; the cases are integer, "):
        chosen_cases(BenchConfig(cases="^$"))
