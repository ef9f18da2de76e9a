"""A sweep of `exalight scaling`: rows are those of the year that a point asks for. The run itself is stood in for."""

import sys
import types

import pytest

from experiments.errors import RequestError
from experiments.scaling_sweep import ScalingSweep, row_of_year
from experiments.sweepable import Failed, Point, Row

YEARS = [
    {"year": 2028, "energy_per_op_j_p50": 3e-14, "breakdown_w_p50": {"laser": 100.0}},
    {"year": 2029, "energy_per_op_j_p50": 2e-14, "breakdown_w_p50": {"laser": 90.0}},
]


def point(engine_set=(), **options) -> Point:
    return Point("scaling", options, engine_set, 5, None, ScalingSweep().facts(options, engine_set))


@pytest.fixture
def configs(monkeypatch):
    """Options of the runs that were made, each with the same result."""
    seen = []

    def run(request, argv):
        seen.append(request.config)
        request.folder.open()
        return request.folder.write_json("result.json", {"experiment": "scaling", "seed": 5, "years": YEARS, "x": 1})

    module = types.ModuleType("experiments.scaling")
    module.__dict__["run_scaling"] = run
    monkeypatch.setitem(sys.modules, "experiments.scaling", module)
    return seen


def test_a_point_is_the_row_of_its_year(configs):
    asked = [point(("optics.transmission=0.5",)), point(year=2028), point(year=2024)]
    answers = list(ScalingSweep().evaluate(asked))
    assert [answered for answered, _ in answers] == asked
    (_, typical), (_, earlier), (_, absent) = answers
    assert typical == {"year": 2029, "energy_per_op_j_p50": 2e-14, "breakdown_w_p50.laser": 90.0}
    assert earlier == {"year": 2028, "energy_per_op_j_p50": 3e-14, "breakdown_w_p50.laser": 100.0}
    assert absent == Failed("the result says nothing of the year 2024")
    assert not isinstance(typical, Failed) and ScalingSweep().objective in typical
    assert [config.plot for config in configs] == [False] * 3
    assert [config.seed for config in configs] == [5] * 3
    assert configs[0].set == ("optics.transmission=0.5",)


def test_an_error_fails_the_point(configs):
    good = point()
    bad = Point("scaling", {"roadmap": "nowhere"}, (), 0, None, good.facts)
    (_, failed), (_, computed) = ScalingSweep().evaluate([bad, good])
    assert isinstance(failed, Failed) and "unknown roadmap" in failed.error
    assert not isinstance(computed, Failed)
    assert len(configs) == 1


def test_what_is_refused_is_refused_before():
    with pytest.raises(RequestError, match="give --bits-w"):
        point(("panel.bits=6",))
    assert point(bits_w=6).facts != point().facts
    assert point(year=2030).facts == point().facts


def test_years_beyond_the_first_ten_are_found():
    flat: Row = {f"years.{index}.year": 2024 + index for index in range(12)}
    flat["sensitivity.0.year"] = 2034
    assert row_of_year(flat, 2034) == {"year": 2034}
