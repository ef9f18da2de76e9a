"""`exalight scaling` from a request to files: what it says holds together, and bad luck leaves nothing half-done."""

import math

import jax
import numpy as np
import pytest

from experiments import scaling, scaling_output, scaling_results
from experiments.cli import main
from experiments.errors import RequestError, Stopped
from experiments.scaling_config import ScalingConfig
from experiments.scaling_request import check_request
from models.hardware.least_effort import together
from models.hardware.projection import sampled_figures
from tests.experiments.scaled import EASY, easy, scaled


def test_years_say_the_same_in_every_unit():
    result = easy().result
    assert [row["year"] for row in result["years"]] == list(range(2024, 2033))
    for row in result["years"]:
        for name in ("p05", "p50", "p95"):
            for kind, tops in (("delivered", f"tops_per_w_{name}"), ("peak", f"peak_tops_per_w_{name}")):
                exaops = row[tops] * 1e12 * 1e4 / 1e18
                assert row[f"{kind}_exaops_{name}"] == pytest.approx(exaops, rel=1e-9, abs=0.0)
        assert row["tops_per_w_p05"] < row["tops_per_w_p50"] < row["tops_per_w_p95"]
        assert row["tops_per_w_p50"] < row["peak_tops_per_w_p50"]
        assert row["facility_tops_per_w_p50"] < row["tops_per_w_p50"]
        assert row["energy_per_op_j_p50"] == pytest.approx(1e-12 / row["tops_per_w_p50"], rel=1e-9, abs=0.0)
        assert sum(row["breakdown_w_p50"].values()) == pytest.approx(1e4, rel=1e-6, abs=0.0)
        assert 0.0 <= row["probability_of_target"] <= 1.0 and row["probability_error"] > 0.0
    assert easy().result["seed"] == EASY["seed"]


def test_the_probability_is_that_of_the_samples():
    run = easy()
    (year,) = scaling_results.projected(run.request.config, run.model, [2029])
    share = float(np.mean(year.samples >= 3.5e11))
    row = next(row for row in run.result["years"] if row["year"] == 2029)
    assert 0.0 < share < 1.0 and row["probability_of_target"] == share == run.result["target"]["probability"]


def test_a_requirement_put_back_at_the_median_reaches_the_target():
    run = easy()
    single = {row["path"]: row for row in run.result["requirements"]["single"]}
    assert list(single) and set(single) == set(run.model.roadmap.paths)
    reached = {path: row["value"] for path, row in single.items() if row["value"] is not None}
    assert "panel.reload_time_s" in reached and len(reached) < len(single)
    for path, value in reached.items():
        ops = float(run.model.system.figures({**run.model.values, path: np.float32(value)}).ops_per_j)
        assert ops == pytest.approx(3.5e11, rel=1e-3, abs=0.0), path
    for row in single.values():
        if row["value"] is None:
            assert row["best_tops_per_w"] < 0.35


def test_the_joint_change_reaches_its_probability_within_a_point():
    run = easy()
    key = jax.random.fold_in(jax.random.key(EASY["seed"]), 0)
    figures, deviates = sampled_figures(run.model.system), run.model.roadmap.deviates(key, 10_000)
    spread = run.model.roadmap.spread(2029)
    for probability in (0.5, 0.9):
        joint = together(
            run.model.system.log_ops_per_j, run.model.roadmap, 2029, key, 10_000, math.log(3.5e11), probability
        )
        steps = np.array([joint.steps[path] for path in run.model.roadmap.paths])
        moved = run.model.roadmap.trajectories(deviates, [2029], (steps * spread).astype(np.float32))
        ops = np.asarray(figures({path: one[0] for path, one in moved.items()}).ops_per_j)
        assert abs(float(np.mean(ops >= 3.5e11)) - probability) < 0.01
    for joint in run.result["requirements"]["joint"]:
        assert joint["reached"] and 0.0 < joint["effort"] < 5.0
        assert abs(joint["achieved_probability"] - joint["probability"]) < 0.01
        squares = sum(one["steps"] ** 2 for one in joint["parameters"].values())
        assert joint["effort"] == pytest.approx(math.sqrt(squares), rel=1e-6)


def test_elasticities_are_finite_differences():
    run = easy()
    slopes = {row["name"]: row["elasticity"] for row in run.result["sensitivity"] if row["kind"] == "parameter"}
    for path in ("panel.reload_time_s", "source.slope_efficiency", "optics.transmission", "system.host_power_w"):
        step = 1e-2
        ends = [
            float(
                run.model.system.log_ops_per_j({**run.model.values, path: run.model.values[path] * math.exp(s * step)})
            )
            for s in (-1, 1)
        ]
        # Float32 logarithms near 26 are right to 2e-6, over a step of 0.02; curvature adds step squared.
        assert slopes[path] == pytest.approx((ends[1] - ends[0]) / (2 * step), abs=5e-4)


def test_shares_walls_and_bound_are_there():
    result = easy().result
    rows = result["sensitivity"]
    assert {row["kind"] for row in rows} == {"parameter", "factor"}
    assert [row["share_total"] for row in rows] == sorted((row["share_total"] for row in rows), reverse=True)
    walls = result["walls"]
    assert [row["busy_share"] for row in walls["reload"]] == [0.1, 0.5, 0.9]
    assert walls["panels_resident"] == 16_892
    assert not result["bound"]["forbids_target"] and result["bound"]["tops_per_w"] > 100.0
    assert result["attention"]["share_of_ops"] == pytest.approx(0.0727, abs=1e-4)
    assert result["accuracy"]["provenance"]["model"] == "smollm2-135m"


def test_forbidden_by_photons_and_reached_by_all(tmp_path, capsys):
    never = scaled(tmp_path / "never", target_ops=1e20, samples=100, plot=False).result
    assert never["bound"]["forbids_target"] and never["target"]["forbidden_by_physics"]
    assert never["target"]["probability"] == 0.0
    assert not any(one["reached"] for one in never["requirements"]["joint"]) and never["path"] == []
    assert "photons forbid the target" in " ".join(capsys.readouterr().out.split())
    always = scaled(tmp_path / "always", target_ops=1e12, samples=100, workload="dense", idle="dark").result
    assert always["target"]["probability"] == 1.0
    assert [one["effort"] for one in always["requirements"]["joint"]] == [0.0, 0.0]
    assert not (tmp_path / "always" / "path.parquet").exists() and (tmp_path / "always" / "fan.png").exists()
    printed = " ".join(capsys.readouterr().out.split())
    assert "every sample of 100" in printed and "Attention" not in printed
    assert [row["prompts"] for row in always["walls"]["reload"]] == [None] * 3


def test_what_is_held_does_not_vary(tmp_path):
    held = ("panel.reload_time_s=1e-6", "links.bytes_per_s=1e12")
    run = scaled(tmp_path / "run", set=held, samples=100, plot=False)
    assert run.result["held"] == {"panel.reload_time_s": 1e-6, "links.bytes_per_s": 1e12}
    names = {row["name"] for row in run.result["sensitivity"]}
    assert not names & set(run.result["held"]) and "links.energy_j_per_byte" in names
    assert float(run.model.system.figures(run.model.values).load_time_s) < 5e-6


def test_a_stopped_run_leaves_nothing(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(scaling, "compute", stop)
    request = check_request(ScalingConfig(out=str(tmp_path / "run")))
    with pytest.raises(Stopped, match="no result was written"):
        scaling.run_scaling(request, ["scaling"])
    assert not (tmp_path / "run").exists()


def test_numbers_that_are_none_are_a_wrong_request(tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError("3 of 100 samples of 2029 have figures that are no numbers")

    monkeypatch.setattr(scaling, "compute", fail)
    with pytest.raises(RequestError, match="roadmap default cannot be projected: 3 of 100"):
        scaling.run_scaling(check_request(ScalingConfig(out=str(tmp_path / "run"))), ["scaling"])


def test_the_command_gives_the_same_bytes_again_and_refuses_another_request(capsys):
    folder = easy().folder
    before = {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.suffix in (".json", ".csv", ".toml") and path.name != "environment.json"
    }
    options = [f"--{name.replace('_', '-')}={value}" for name, value in EASY.items()]
    # Figures are no part of what is computed.
    assert main(["scaling", *options, "--no-plot", "--out", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(folder / "result.json")
    assert len(before) > 10
    for name, content in before.items():
        assert (folder / name).read_bytes() == content, name
    assert main(["scaling", *options, "--year", "2030", "--no-plot", "--out", str(folder)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "another configuration" in said.err and "year" in said.err
    assert (folder / "result.json").read_bytes() == before["result.json"]


def test_a_stop_while_files_are_written_leaves_no_result(tmp_path, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(scaling, "compute", lambda *_: None)
    monkeypatch.setattr(scaling_output, "result_of", lambda *_: {"experiment": "scaling"})
    monkeypatch.setattr(scaling_output, "tables", lambda *_: {"years": [{"year": 2029}], "breakdown": [{"year": 2029}]})
    written = scaling_output.write_table
    monkeypatch.setattr(
        scaling_output,
        "write_table",
        lambda folder, name, rows: (written if name == "years" else stop)(folder, name, rows),
    )
    assert main(["scaling", "--no-plot", "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.splitlines()[-1].startswith("exalight: stopped; ")
    assert (tmp_path / "run" / "years.csv").exists() and not (tmp_path / "run" / "result.json").exists()
    assert not list((tmp_path / "run").glob(".*"))
