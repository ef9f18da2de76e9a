import contextlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from flax import nnx

from experiments import accuracy, evaluation
from experiments.accuracy_plot import draw
from experiments.accuracy_sweep import AccuracySweep
from experiments.cli import main
from experiments.devices import Devices
from experiments.sweepable import Point
from experiments.tables import read_table

# Two windows, two powers, and no crosstalk because its pre-distortion is slow to compile.
OPTIONS = ("--tokens", "32", "--context", "16", "--laser-power-w", "0.2", "0.01", "--set", "optics.crosstalk=false")
POINT_KEYS = {
    "laser_power_w",
    "rotate",
    "seed",
    "loss_nats",
    "perplexity",
    "kl_nats",
    "standard_error_nats",
    "top1_agreement",
    "energy_per_token_j",
    "energy_per_mac_j",
    "launched_energy_per_mac_j",
    "tops_per_w",
    "power_w",
    "energy_breakdown_j",
    "energy_per_token_reloaded_j",
    "photons_per_mac",
    "snr_db",
    "beyond_power_max",
}
# Parts of the energy are a table of their own.
NOT_SWEPT = {"energy_breakdown_j", "energy_per_token_reloaded_j"}
TABLES = ["points", "energy", "iso_accuracy", "rotation", "plateau", "machines", "windows", "layers"]


class Done(NamedTuple):
    status: int
    out: str
    err: str


def exalight(*argv: str) -> Done:
    """The command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv)
    return Done(status, out.getvalue(), err.getvalue())


def arguments(model: Path, out: Path, *more: str) -> list[str]:
    return ["accuracy", "--model", str(model), *OPTIONS, "--out", str(out), *more]


@pytest.fixture(scope="module")
def finished(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A folder with a complete run, both rotate settings; only read from it."""
    folder = tmp_path_factory.mktemp("accuracy") / "run"
    done = exalight(*arguments(tiny_model_folder, folder))
    assert done.status == 0, done.err
    return folder, done


@pytest.fixture(scope="module")
def result(finished: tuple[Path, Done]) -> dict:
    return json.loads((finished[0] / "result.json").read_text())


def test_result_holds_what_was_promised(result):
    assert result["experiment"] == "accuracy"
    assert result["seed"] == 0
    assert result["config"]["laser_power_w"] == [0.01, 0.2]
    assert result["config"]["tokens"] == 32
    assert set(result["baseline"]) == {"loss_nats", "perplexity", "tokens"}
    assert result["baseline"]["tokens"] == 2 * 15
    assert result["baseline"]["perplexity"] == pytest.approx(math.exp(result["baseline"]["loss_nats"]))
    # Tiles are larger than any layer of this model, so that one tile sums all inputs of each: 32, or those of mlp/down.
    assert 32 < result["inputs_per_tile"] < 128
    points = result["points"]
    expected = [(rotate, power_w) for rotate in (True, False) for power_w in (0.01, 0.2)]
    assert [(point["rotate"], point["laser_power_w"]) for point in points] == expected
    assert all(set(point) >= POINT_KEYS for point in points)
    assert [point["beyond_power_max"] for point in points] == [False, True] * 2
    assert [(row["rotate"], row["kl_nats"]) for row in result["iso_accuracy"]] == [
        (rotate, kl) for rotate in (True, False) for kl in (0.02, 0.05, 0.1)
    ]
    assert [row["rotate"] for row in result["converter_floor"]] == [True, False]
    assert [row["rotate"] for row in result["plateau"]] == [True, False]


def test_energy_parts_make_up_the_energy(result):
    for point in result["points"]:
        whole = point["energy_per_token_j"]
        assert math.fsum(point["energy_breakdown_j"].values()) == pytest.approx(whole, rel=1e-9)
        assert point["tops_per_w"] == pytest.approx(2e-12 / point["energy_per_mac_j"], rel=1e-9)
        assert point["energy_per_mac_j"] * result["macs_per_token"] == pytest.approx(whole, rel=1e-9)
        assert point["energy_per_token_reloaded_j"] > whole


def test_more_light_is_more_exact_and_costs_more(result):
    for rotate in (True, False):
        weak, strong = (point for point in result["points"] if point["rotate"] is rotate)
        assert strong["kl_nats"] < weak["kl_nats"] - 2 * weak["kl_standard_error_nats"]
        assert strong["snr_db"] > weak["snr_db"]
        for key in ("power_w", "energy_per_token_j", "photons_per_mac"):
            assert strong[key] > weak[key]
        # Launched light is proportional to the power of the laser.
        ratio = strong["launched_energy_per_mac_j"] / weak["launched_energy_per_mac_j"]
        assert ratio == pytest.approx(0.2 / 0.01, rel=1e-6)


def test_plateau_explains_the_strongest_point(result):
    for row, floor in zip(result["plateau"], result["converter_floor"], strict=True):
        last = next(p for p in result["points"] if p["rotate"] is row["rotate"] and p["laser_power_w"] == 0.2)
        assert row["kl_nats"] == last["kl_nats"]
        assert math.fsum(row["causes"].values()) == pytest.approx(row["kl_nats"], abs=1e-12)
        assert row["causes"]["rounding, clipping and the rest"] == floor["kl_nats"]
        assert 0 < floor["kl_nats"] < last["kl_nats"]
        assert row["set_by"] in row["causes"]


def test_everything_is_on_disk_and_nothing_half_written(finished):
    folder, done = finished
    expected = {"config.toml", "environment.json", "result.json", "points"}
    expected |= {f"{name}.{kind}" for name in TABLES for kind in ("parquet", "csv")}
    expected |= {f"{name}.{kind}" for name in ("accuracy", "energy") for kind in ("png", "svg")}
    assert {path.name for path in folder.iterdir()} == expected
    assert not list(folder.rglob("*.part"))
    assert done.out.splitlines()[-1] == str(folder / "result.json")
    assert tomllib.loads((folder / "config.toml").read_text())["engine"]["optics.crosstalk"] is False
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["command"][:2] == ["exalight", "accuracy"]
    assert environment["backend"] == "cpu"


def test_figures_are_drawn_again_without_a_model(finished):
    folder, _ = finished
    before = (folder / "accuracy.svg").read_bytes()
    (folder / "accuracy.svg").unlink()
    draw(folder)
    assert (folder / "accuracy.svg").read_bytes() == before


def test_the_same_request_again_computes_nothing(finished, tiny_model_folder, monkeypatch):
    folder, _ = finished
    before = (folder / "result.json").read_bytes()
    monkeypatch.setattr(accuracy, "OpticalModel", None)
    done = exalight(*arguments(tiny_model_folder, folder))
    assert done.status == 0, done.err
    assert done.err.count("kept from before") == 2 * (2 + 4)
    assert (folder / "result.json").read_bytes() == before


def test_another_configuration_is_refused(finished, tiny_model_folder):
    folder, _ = finished
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    done = exalight(*arguments(tiny_model_folder, folder, "--seed", "1"))
    assert (done.status, done.out) == (2, "")
    assert "options.seed is 0 there and 1 here" in done.err
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_points_of_a_sweep_are_those_of_the_command(result, tiny_model_folder):
    swept, chosen = AccuracySweep(), ("optics.crosstalk=false",)
    points = []
    for point in result["points"]:
        options = {
            "model": str(tiny_model_folder),
            "tokens": 32,
            "context": 16,
            "laser_power_w": point["laser_power_w"],
        }
        options["rotate"] = "on" if point["rotate"] else "off"
        points.append(Point("accuracy", options, chosen, 0, None, swept.facts(options, chosen)))
    # The strong ones first: neither order nor neighbours matter.
    found = list(swept.evaluate(points[::-1]))
    for (_, row), point in zip(found, reversed(result["points"]), strict=True):
        assert isinstance(row, dict), row
        assert set(row) >= POINT_KEYS - {"laser_power_w", "rotate", "seed"} - NOT_SWEPT
        assert row["digital_perplexity"] == result["baseline"]["perplexity"]
        for name in set(row) - {"digital_perplexity"}:
            assert row[name] == pytest.approx(point[name], rel=1e-6), name


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_run_goes_on(finished, tiny_model_folder, tmp_path, monkeypatch):
    argv = arguments(tiny_model_folder, tmp_path / "run", "--rotate", "on")
    score, signals = evaluation.OpticalModel.score, [None, signal.SIGINT, None, signal.SIGTERM]

    def score_and_stop(self, batch, log_p):
        number = signals.pop(0) if signals else None
        if number is not None:
            os.kill(os.getpid(), number)
        return score(self, batch, log_p)

    monkeypatch.setattr(evaluation.OpticalModel, "score", score_and_stop)
    for kept in (0, 1):
        done = exalight(*argv)
        assert done.status == 1
        assert done.err.count("kept from before") == kept
        assert "finished points are kept" in done.err.splitlines()[-1]
        assert "Traceback" not in done.err
        assert not (tmp_path / "run" / "result.json").exists()
    done = exalight(*argv)
    assert done.status == 0, done.err
    assert done.err.count("kept from before") == 2
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    # The interrupted run ends where the one that ran through did, to the last digit.
    whole, resumed = (json.loads((path / "result.json").read_text()) for path in (finished[0], tmp_path / "run"))
    assert resumed["points"] == [point for point in whole["points"] if point["rotate"]]


def test_killed_without_warning_and_run_again(tiny_model_folder, tmp_path, monkeypatch):
    # A fixed stamp, because points do not survive a change of the source, and somebody may be at work on it.
    monkeypatch.setattr("experiments.environment.source_hash", lambda: "test")
    argv = arguments(tiny_model_folder, tmp_path / "run", "--rotate", "on")
    code = (
        "import experiments.environment as environment; environment.source_hash = lambda: 'test'; "
        "from experiments.cli import main; raise SystemExit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 300
        while not list((tmp_path / "run" / "points").glob("rotate-on_power-*.npz")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    done = exalight(*argv)
    assert done.status == 0, done.err
    assert done.err.count("kept from before") >= 1
    assert not list((tmp_path / "run").rglob("*.part"))


@pytest.mark.parametrize(("pattern", "expected"), [("no-such-layer", "no-such-layer"), (".*", "every layer")])
def test_digital_patterns_that_leave_no_sense_are_refused(tiny_model_folder, tmp_path, pattern, expected):
    done = exalight(*arguments(tiny_model_folder, tmp_path / "run", "--digital", pattern))
    assert (done.status, done.out) == (2, "")
    assert expected in done.err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_an_ideal_engine_changes_nothing(tiny_model_folder, tmp_path):
    argv = ["accuracy", "--model", str(tiny_model_folder), "--engine", "ideal", "--rotate", "off", "--tokens", "16"]
    done = exalight(*argv, "--context", "16", "--laser-power-w", "0.1", "--out", str(tmp_path / "run"))
    assert done.status == 0, done.err
    (point,) = json.loads((tmp_path / "run" / "result.json").read_text())["points"]
    # Logits agree to float32 rounding, some 1e-5 of their spread.
    assert abs(point["kl_nats"]) < 1e-5
    assert point["top1_agreement"] == 1.0


@pytest.mark.slow
def test_the_split_into_batches_does_not_change_the_draws(finished, tiny_model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "BATCH_WINDOWS", 1)
    done = exalight(*arguments(tiny_model_folder, tmp_path / "run", "--rotate", "on"))
    assert done.status == 0, done.err
    assert "batch 2 of 2" in done.err
    together, apart = (read_table(folder, "windows").to_dicts() for folder in (finished[0], tmp_path / "run"))
    for one, other in zip([row for row in together if row["rotate"]], apart, strict=True):
        # Other shapes sum in another order, which flips single codes of a converter; other draws would differ by
        # as much as windows do, some ten per cent.
        assert other["kl_nats"] == pytest.approx(one["kl_nats"], rel=0.02)
        assert other["digital_loss_nats"] == pytest.approx(one["digital_loss_nats"], rel=1e-5)


def test_keys_follow_the_window_and_not_the_batch(monkeypatch):
    import jax

    seen = []
    monkeypatch.setattr(evaluation, "reseed", lambda model, keys: seen.append(np.asarray(jax.random.key_data(keys))))
    model = object.__new__(evaluation.OpticalModel)
    model._model, model._devices = nnx.Module(), Devices.chosen(1)
    model._reseed((0, 1, 2, 3), 4, (7,))
    model._reseed((2, 3), 4, (7,))
    model._reseed((2, 3), 2, (7, 8))
    np.testing.assert_array_equal(seen[0][2:], seen[1][:2])
    np.testing.assert_array_equal(seen[0][2:], seen[2][:2])
    assert len(np.unique(np.concatenate([seen[0], seen[2][2:]]), axis=0)) == 6


def test_batches_cover_every_window_once():
    parts = evaluation.batches(list(range(7 * 20 + 3)), 7)
    assert [window for part in parts for window in part.windows] == list(range(20))
    assert {part.tokens.shape for part in parts} == {(8, 7)}
    for part in parts:
        for row, window in enumerate(part.windows):
            np.testing.assert_array_equal(part.tokens[row], np.arange(7 * window, 7 * window + 7))
