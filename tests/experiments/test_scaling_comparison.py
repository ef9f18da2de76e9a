"""Conventional accelerators beside a projection: rows are those of the trend, and the published pace starts today."""

import pytest

from experiments.scaling_comparison import SCOPE, comparison, conventional_rows, machine_rows
from models.hardware.conventional_trend import FORMATS, fit_trend, load_machines, project

YEARS = tuple(range(2024, 2033))


@pytest.fixture(scope="module")
def rows():
    return conventional_rows(YEARS)


def test_rows_are_those_of_the_trend(rows):
    assert [(row["number_format"], row["year"]) for row in rows] == [(bits, year) for bits in FORMATS for year in YEARS]
    for row in rows:
        for name, quantile in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
            expected = float(project(row["year"], quantile, row["number_format"]))
            assert row[f"tops_per_w_{name}"] == pytest.approx(expected, rel=1e-12)
        assert row["tops_per_w_p05"] < row["tops_per_w_p50"] < row["tops_per_w_p95"]


@pytest.mark.parametrize("number_format", FORMATS)
def test_the_published_pace_starts_at_the_last_machine_of_the_fit(rows, number_format):
    machines = load_machines()
    last = max(
        (machines.accelerators[key] for key in fit_trend(number_format).machines), key=lambda one: one.year.value
    )
    factor = machines.wall_power_factor.value
    paced = {row["year"]: row["epoch_tops_per_w"] for row in rows if row["number_format"] == number_format}
    start = int(last.year.value)
    assert start in paced and all(paced[year] is None for year in YEARS if year < start)
    assert paced[start] == pytest.approx(last.wall_tops_per_w(number_format, factor), rel=1e-12)
    # 50 % a year.
    for year in range(start + 1, YEARS[-1] + 1):
        assert paced[year] == pytest.approx(1.5 * paced[year - 1], rel=1e-3)


def test_machines_are_at_the_wall_with_their_source():
    machines, found = load_machines(), machine_rows()
    assert len(found) == sum(len(one.peak_ops_per_s) for one in machines.accelerators.values())
    by_name = {one.name: one for one in machines.accelerators.values()}
    for row in found:
        machine = by_name[row["name"]]
        chip = machine.peak_ops_per_s[row["number_format"]].value / machine.tdp_w.value / 1e12
        assert row["tops_per_w"] == pytest.approx(chip / machines.wall_power_factor.value, rel=1e-12)
        assert row["source"] and row["kind"] and row["year"] == machine.year.value


def test_the_comparison_is_peak_over_peak_with_trend_and_source(rows):
    peaks = {year: 2.0 * year for year in YEARS}
    found = comparison(rows, peaks)
    assert found["scope"] == SCOPE and "peak" in SCOPE
    for row, shown in zip(rows, found["years"], strict=True):
        assert shown == {**row, "light_peak_over_it": shown["light_peak_over_it"], "kind": "projection"}
        assert shown["light_peak_over_it"] == pytest.approx(peaks[row["year"]] / row["tops_per_w_p50"], rel=1e-12)
    assert set(found["trends"]) == set(FORMATS) == {"8-bit", "4-bit"}
    machines = load_machines()
    for number_format, trend in found["trends"].items():
        fitted = fit_trend(number_format)
        assert trend["doubling_time_years"] == fitted.doubling_time_years
        assert trend["machines"] == [machines.accelerators[key].name for key in fitted.machines]
        assert trend["wall_power_factor"] == machines.wall_power_factor.value
        assert trend["source"] and trend["kind"] == "projection"
    assert "Epoch" in found["epoch"]["name"] and "50 %" in found["epoch"]["source"]
