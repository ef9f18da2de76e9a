"""A sweep of `exalight scaling`: rows are those of the year that a point asks for."""

import pytest

from experiments.errors import RequestError
from experiments.scaling_config import ScalingConfig
from experiments.scaling_model import model_of
from experiments.scaling_request import check_request
from experiments.scaling_results import projected, year_row
from experiments.scaling_sweep import ScalingSweep
from experiments.sweepable import Failed, Point

FEW = {"samples": 200}


def point(engine_set=(), **options) -> Point:
    return Point("scaling", {**FEW, **options}, engine_set, 5, None, ScalingSweep().facts(options, engine_set))


def test_a_point_is_the_row_of_its_year(tmp_path):
    asked = [point(("optics.transmission=0.5",), year=2028), point()]
    (first, held), (second, typical) = ScalingSweep().evaluate(asked)
    assert [first, second] == asked
    assert not isinstance(held, Failed) and not isinstance(typical, Failed)
    assert (held["year"], typical["year"]) == (2028, 2029)
    assert ScalingSweep().objective in typical
    config = ScalingConfig(samples=200, seed=5, out=str(tmp_path / "run"))
    (year,) = projected(config, model_of(check_request(config)), [2029])
    whole = year_row(year, 1e4)
    assert typical["tops_per_w_p50"] == whole["tops_per_w_p50"]
    assert typical["breakdown_w_p50.laser"] == whole["breakdown_w_p50"]["laser"]
    assert held["tops_per_w_p50"] != typical["tops_per_w_p50"]


def test_an_error_fails_the_point():
    good = point()
    bad = Point("scaling", {"roadmap": "nowhere"}, (), 0, None, good.facts)
    other = Point("scaling", {**FEW, "bits_w": 7, "bits_x": 7}, (), 0, None, good.facts)
    (_, failed), (_, changed), (_, computed) = ScalingSweep().evaluate([bad, other, good])
    assert isinstance(failed, Failed) and "unknown roadmap" in failed.error
    assert isinstance(changed, Failed) and "not those of the plan" in changed.error
    assert not isinstance(computed, Failed)


def test_years_share_a_group():
    assert ScalingSweep().group(point(year=2028)) == ScalingSweep().group(point(year=2030))
    assert ScalingSweep().group(point(idle="dark")) != ScalingSweep().group(point())


def test_what_is_refused_is_refused_before():
    with pytest.raises(RequestError, match="give --bits-w"):
        point(("panel.bits=6",))
    assert point(bits_w=6).facts != point().facts
    assert point(year=2030).facts == point().facts
