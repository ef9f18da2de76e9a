"""Conventional accelerators beside the projection."""

import pytest

from experiments.scaling_comparison import comparison, conventional_rows, machine_rows
from models.hardware.conventional_trend import load_machines, project


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
