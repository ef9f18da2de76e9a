"""O14: the quantiser equals the public re-implementation bit by bit, and the comparison can fail."""

import copy
import json

import pytest

from photonics.optical_transformer import golden
from tests.test_docs import ROOT

FILE = ROOT / "experiments" / "validation_data" / "ot-quantiser-golden.json"


@pytest.fixture(scope="module")
def document():
    return json.loads(FILE.read_text("utf-8"))


@pytest.mark.parametrize("arithmetic", ["reference", "kernel"])
def test_every_value_is_met_exactly(document, arithmetic):
    rows = list(golden.compared(document, arithmetic=arithmetic))
    assert len(rows) == 12 and sum(count for _, count, _ in rows) == 1414
    assert [name for name, _, differing in rows if differing] == []
    assert golden.mismatches(document, arithmetic=arithmetic) == 0


def test_the_vectors_reach_everything_the_quantiser_does(document):
    cases = document["cases"]
    assert {case["rounding"] for case in cases} == {"nearest", "random"}
    assert {case["lut_min"] for case in cases} >= {None, 0.02004} and {case["levels"] for case in cases} == {16, 256}
    for case in cases:
        assert min(case["x"]) < case["low"] and max(case["x"]) > case["high"]
        assert ("dither" in case) == (case["rounding"] == "random")
    lifted = [
        case
        for case in cases
        if case["lut_min"] and any(abs(abs(y) - case["lut_min"] * case["high"]) < 1e-7 for y in case["y"])
    ]
    assert len(lifted) >= 6
    assert any("y_kernel" in case for case in cases)


def test_a_value_that_is_off_by_one_unit_of_the_last_place_is_seen(document):
    spoilt = copy.deepcopy(document)
    spoilt["cases"] = spoilt["cases"][:1]
    y = spoilt["cases"][0]["y"]
    place = next(index for index, value in enumerate(y) if 0.1 < value < 0.9)
    y[place] += 6e-8
    assert golden.mismatches(spoilt) == 1


def test_another_arithmetic_is_refused(document):
    with pytest.raises(ValueError, match="should be reference or kernel"):
        golden.mismatches(document, arithmetic="exact")
