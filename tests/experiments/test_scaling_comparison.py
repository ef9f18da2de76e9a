"""Conventional accelerators beside the projection."""

import pytest

from experiments.scaling_comparison import comparison, conventional_rows, machine_rows
from models.hardware.conventional_trend import FORMATS, fit_trend, load_machines, project


def test_rows_are_the_trend_and_the_published_pace_starts_at_the_last_machine():
    rows = conventional_rows([2025, 2026, 2029])
    assert [(row["number_format"], row["year"]) for row in rows[:3]] == [("8-bit", y) for y in (2025, 2026, 2029)]
    for row in rows:
        for name, quantile in (("p05", 0.05), ("p50", 0.5), ("p95", 0.95)):
            expected = float(project(row["year"], quantile, row["number_format"]))
            assert row[f"tops_per_w_{name}"] == pytest.approx(expected, rel=1e-12)
    by = {(row["number_format"], row["year"]): row["epoch_tops_per_w"] for row in rows}
    machines = load_machines()
    rubin = machines.accelerators["rubin"].wall_tops_per_w("8-bit", machines.wall_power_factor.value)
    assert by["8-bit", 2025] is None and by["8-bit", 2026] == pytest.approx(rubin)
    assert by["8-bit", 2029] == pytest.approx(rubin * 2 ** (3 / 1.71))


def test_peak_is_compared_with_peak():
    found = comparison(conventional_rows([2029]), {2029: 20.0})
    for row in found["years"]:
        assert row["light_peak_over_it"] == pytest.approx(20.0 / row["tops_per_w_p50"])
    assert found["trends"]["4-bit"]["wall_power_factor"] == 1.5 and "peak" in found["scope"]
    assert any("B200" in row["name"] and row["number_format"] == "4-bit" for row in machine_rows())
    assert all(row["source"] and row["kind"] for row in machine_rows())


def test_machines_are_at_the_wall_under_the_year_of_their_release():
    machines, found = load_machines(), machine_rows()
    by_name = {one.name: one for one in machines.accelerators.values()}
    assert len(found) == sum(len(one.peak_ops_per_s) for one in by_name.values())
    for row in found:
        machine = by_name[row["name"]]
        chip = machine.peak_ops_per_s[row["number_format"]].value / machine.tdp_w.value / 1e12
        assert row["tops_per_w"] == pytest.approx(chip / machines.wall_power_factor.value, rel=1e-12)
        assert row["year"] == machine.year.value


def test_every_format_has_its_trend_with_its_machines_and_source():
    found, machines = comparison(conventional_rows([2029]), {2029: 20.0}), load_machines()
    assert set(found["trends"]) == set(FORMATS) == {"8-bit", "4-bit"}
    for number_format, trend in found["trends"].items():
        fitted = fit_trend(number_format)
        assert trend["doubling_time_years"] == fitted.doubling_time_years
        assert trend["machines"] == [machines.accelerators[key].name for key in fitted.machines]
        assert trend["source"] and trend["kind"] == "projection"
    assert "Epoch" in found["epoch"]["name"] and "50 %" in found["epoch"]["source"]
