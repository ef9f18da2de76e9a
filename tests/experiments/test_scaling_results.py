"""Rows of a projection: ends of the tornado, the grid of reloads, and what attention costs."""

import math

import pytest

from experiments.scaling_results import attention
from experiments.tables import read_table
from tests.experiments.scaled import easy


def test_ends_of_a_parameter_are_the_machine_with_that_parameter_there():
    run = easy()
    rows = [row for row in run.result["sensitivity"] if row["kind"] == "parameter"]
    assert {row["name"] for row in rows} == set(run.model.roadmap.paths)
    middle = float(run.model.system.figures(run.model.values).ops_per_j) / 1e12
    for row in rows[:4]:
        assert row["low"] < row["median"] < row["high"]
        assert row["low"] == pytest.approx(run.model.roadmap.quantile(row["name"], 2029, 0.05), rel=1e-6, abs=0.0)
        assert row["tops_per_w_at_median"] == pytest.approx(middle, rel=1e-5)
        for end in ("low", "high"):
            figures = run.model.system.figures({**run.model.values, row["name"]: row[end]})
            assert row[f"tops_per_w_at_{end}"] == pytest.approx(float(figures.ops_per_j) / 1e12, rel=1e-4)


def test_causes_that_are_shared_have_a_share_and_no_value():
    factors = [row for row in easy().result["sensitivity"] if row["kind"] == "factor"]
    assert factors and all(row["name"].startswith("factor.") for row in factors)
    for row in factors:
        assert row["elasticity"] is row["median"] is row["unit"] is row["tops_per_w_at_low"] is None
        assert 0.0 <= row["share_total"] < 1.0 and row["share_total_error"] > 0.0
    # Total shares of everything that is independent: 1 where nothing interacts, more where something does.
    assert 0.9 < sum(row["share_total"] for row in easy().result["sensitivity"]) < 1.5
    assert math.sqrt(easy().result["variance_nats2"]) > 0.5


def test_the_grid_of_reloads_holds_the_median_machine():
    run = easy()
    grid = read_table(run.folder, "utilisation").to_dicts()
    (here,) = [row for row in grid if row["batch"] == 1 and row["reload_time_s"] == row["median_reload_time_s"]]
    assert here["busy_share"] == pytest.approx(run.result["walls"]["busy_share"], rel=1e-4)
    assert here["tops_per_w"] == pytest.approx(run.result["what_if"][0]["tops_per_w"], rel=1e-4)
    of_batch = [row["busy_share"] for row in sorted(grid, key=lambda row: row["reload_time_s"]) if row["batch"] == 16]
    assert of_batch == sorted(of_batch, reverse=True)


def test_attention_is_charged_at_the_wall():
    run = easy()
    found, values = run.result["attention"], run.model.values
    assert found == pytest.approx(attention(run.model), rel=1e-9, abs=0.0)
    # Two operations are one multiply-accumulate, through the power supply.
    mac_j = float(values["digital.mac_energy_j"]) / float(values["system.power_supply_efficiency"])
    assert found["energy_per_op_j"] == pytest.approx(found["share_of_ops"] * mac_j / 2.0, rel=1e-5, abs=0.0)
    assert found["target_energy_per_op_j"] == pytest.approx(1e4 / 3.5e15, rel=1e-12, abs=0.0)
    assert found["whole_energy_per_op_j"] == pytest.approx(1e-12 / run.result["what_if"][0]["tops_per_w"], rel=1e-6)
