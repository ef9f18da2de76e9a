"""The page of the converter models is what its script prints, and what it says of the points is so."""

import importlib.util
import sys

import pytest

from tests.test_docs import ROOT

_SCRIPT = ROOT / "docs" / "make_converters.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_converters", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_converters"] = module  # its dataclass looks itself up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["make_converters"]


def test_the_page_is_up_to_date(script):
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run: python docs/make_converters.py"


@pytest.mark.parametrize("name", ["adc", "dac"])
def test_every_group_of_points_has_a_source(script, name):
    for group in script.read_groups(name).values():
        assert all(group[key].strip() for key in ("title", "source", "url", "note"))
        assert group["kind"] in ("measured", "paper") and group["points"]
    points = script.read_points(name)
    assert len(set(points)) == len(points) > 25
    # A slip of a unit would be a factor of a thousand.
    assert all(0.4e-12 < point.energy_j < 4e-10 for point in points)
    assert all(point.rate_hz is None or 0.2e9 < point.rate_hz < 3e11 for point in points)
    assert all(point.node_m is None or 3e-9 < point.node_m < 70e-9 for point in points)


def test_points_of_the_survey_keep_the_rule_that_their_note_states(script):
    adc = [point for point in script.read_points("adc") if point.group == "survey"]
    assert all(p.rate_hz >= 0.25e9 and p.node_m <= 32e-9 and 5 <= p.bits <= 11 for p in adc)
    dac = [point for point in script.read_points("dac") if point.group == "survey"]
    assert all(p.rate_hz >= 1e9 and p.node_m <= 65e-9 for p in dac)


def test_every_point_could_be_converted(script):
    from photonics.adc_front import check_front

    for point in script.read_points("adc"):
        check_front(point.bits, point.rate_hz)


def test_envelopes_lie_below_what_has_been_built(script):
    points = [point for point in script.read_points("adc") if point.group != "papers"]
    assert max(script.adc_ratio("murmann", point) for point in points) < 0.3
    ratios = sorted(script.adc_ratio("schreier", point) for point in points)
    # The envelope averages the five best, so two of them lie on it.
    assert ratios[-3] < 0.7 < 1.0 < ratios[-2] and ratios[-1] < 1.1


def test_what_the_page_says_of_the_default(script):
    survey = [point for point in script.read_points("adc") if point.group == "survey"]
    dearer = [point for point in survey if script.adc_ratio("largest", point) > 1]
    assert {(point.rate_hz, round(point.bits)) for point in dearer} == {(1e9, 10)}
    near = [p for p in survey if 1.5e9 <= p.rate_hz <= 2e9 and 7.9 < p.bits < 8.2 and 13e-9 < p.node_m < 17e-9]
    assert len(near) == 3 and all(4.6e-12 <= point.energy_j <= 5.2e-12 for point in near)
    old = [point for point in survey if point.node_m < 16e-9]
    assert all(script.adc_ratio("andrulis", point) < 0.25 for point in old)


def test_what_the_page_says_of_the_scaled_law(script):
    built = [point for point in script.read_points("dac") if point.group == "survey"]
    few = [point.energy_j for point in built if 6 <= point.bits <= 9]
    assert script.dac_energy_j("scaled", 7) < min(few)
    assert all(script.dac_ratio("scaled", point) < 0.35 for point in built if point.bits <= 6)
    assert all(script.dac_ratio("scaled", point) > 3 for point in built if point.bits == 16)
    assert all(script.dac_ratio("capacitive", point) < 0.4 for point in built)


def test_a_point_without_a_node_has_no_ratio_where_the_model_needs_one(script):
    bare = next(point for point in script.read_points("adc") if point.node_m is None)
    assert script.adc_ratio("largest", bare) is None and script.adc_ratio("andrulis", bare) is None
    assert script.adc_ratio("schreier", bare) > 0


def test_the_figures_can_be_drawn_again(script, tmp_path):
    files = script.draw(tmp_path)
    assert [file.name for file in files] == ["adc.png", "dac.png"]
    assert all(file.stat().st_size > 20_000 for file in files)
    assert all((ROOT / "docs" / "images" / file.name).exists() for file in files)
