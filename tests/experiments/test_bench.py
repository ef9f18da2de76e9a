"""`exalight bench` as a command on tiny products: what it writes, what it keeps when it is stopped."""

import contextlib
import io
import json

import numpy as np
import pytest

from experiments import bench
from experiments.cli import main
from experiments.tables import read_table

KEYS = [
    "name",
    "m",
    "k",
    "n",
    "ratio_median",
    "ratio_low",
    "ratio_high",
    "plain_s",
    "optical_s",
    "tokens_per_s",
    "peak_temp_byte",
]
ARGV = ["bench", "--shapes", "4x16x8", "--pairs", "3", "--set", "panel.bits=6", "--cases", "^(integer|ideal) "]


def command(*argv):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv)
    return status, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "run"
    status, out, err = command(*ARGV, "--out", str(folder))
    assert status == 0, err
    return folder, out, err


def test_every_case_has_what_scripts_read(run):
    folder, out, _ = run
    assert out.splitlines()[-1] == str(folder / "result.json")
    result = json.loads((folder / "result.json").read_text())
    assert result["experiment"] == "bench" and result["seed"] == 0
    assert result["config"]["pairs"] == 3
    assert [case["name"] for case in result["cases"]] == ["integer", "ideal"]
    for case in result["cases"]:
        assert set(KEYS) <= set(case)
        assert (case["m"], case["k"], case["n"]) == (4, 16, 8)
        assert case["ratio_low"] <= case["ratio_median"] <= case["ratio_high"]
        assert case["tokens_per_s"] == pytest.approx(4 / case["optical_s"])
        assert case["peak_temp_byte"] >= 0
        assert case["allowed_temp_byte"] == 1.5 * case["plain_peak_temp_byte"] + 4 * 4 * 8
        assert case["within_target"] is None and case["target_ratio"] is None
    assert {"python", "jax", "jaxlib", "numpy"} <= set(result["versions"])
    assert set(result["cpu"]) == {"name", "cores", "avx512_bf16", "xla_flags"}


def test_a_run_writes_what_every_run_writes_and_forgets_its_points(run):
    folder, _, _ = run
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("config.toml", "result.json", "environment.json", "bench.png", "bench.svg"),
        *("cases.parquet", "cases.csv", "pairs.parquet", "pairs.csv"),
    }
    pairs = read_table(folder, "pairs")
    assert len(pairs) == 2 * 3
    assert np.median(pairs["optical_s"][:3]) == read_table(folder, "cases")["optical_s"][0]


def test_progress_and_summary_can_be_read(run):
    _, out, err = run
    assert "[1/2" in err and "integer 4x16x8: " in err
    assert "targets of this project are shown and not judged" in err
    assert "integer weights" in out and "4x16x8" in out


def test_what_was_finished_is_kept_and_a_whole_run_is_measured_anew(tmp_path, monkeypatch):
    measured, folder = [], tmp_path / "run"
    arrays = {name: np.ones(3) for name in ("plain_s", "optical_s", "plain_cpu_s", "optical_cpu_s")}
    arrays |= {name: np.array(8.0) for name in ("plain_temp_byte", "plain_output_byte", "optical_temp_byte", "vectors")}

    def measure(case, *_):
        measured.append(case.name)
        if case.name == "ideal" and len(measured) == 2:
            raise KeyboardInterrupt
        return arrays

    monkeypatch.setattr(bench, "measure_product", measure)
    status, _, err = command(*ARGV, "--out", str(folder))
    assert status == 1
    assert f"finished cases are kept in {folder}" in err and not (folder / "result.json").exists()
    status, _, err = command(*ARGV, "--out", str(folder))
    assert status == 0 and "kept from before" in err
    assert measured == ["integer", "ideal", "ideal"]
    assert command(*ARGV, "--out", str(folder))[0] == 0
    assert measured[3:] == ["integer", "ideal"]


def test_a_machine_is_judged_only_where_the_targets_are_meant():
    machine = {"name": "one", "cores": 2, "avx512_bf16": True}
    assert bench.why_not_judged(machine, 15) == ""
    assert "at least 15 pairs" in bench.why_not_judged(machine, 14)
    assert "AVX512-BF16" in bench.why_not_judged({**machine, "avx512_bf16": False}, 15)
    assert "2 cores" in bench.why_not_judged({**machine, "cores": 8}, 15)


def test_a_model_is_measured_with_its_whole_forward_pass(tmp_path, tiny_model_folder):
    argv = [
        "bench",
        "--cases",
        "model",
        "--model",
        str(tiny_model_folder),
        "--pairs",
        "3",
        "--out",
        str(tmp_path / "m"),
    ]
    status, out, err = command(*argv)
    assert status == 0, err
    (case,) = json.loads((tmp_path / "m" / "result.json").read_text())["cases"]
    assert case["k"] is None and case["m"] % 8 == 0
    assert case["ratio_median"] > 0 and case["target_ratio"] is None
    assert f"{case['m']} tokens" in out


def test_without_the_packaged_model_its_case_is_left_out(tmp_path, monkeypatch):
    def absent(source):
        raise ValueError("the package is not installed")

    monkeypatch.setattr("models.transformer.load.check_source", absent)
    argv = ["bench", "--shapes", "4x16x8", "--pairs", "3", "--cases", "^(ideal|model)", "--out", str(tmp_path / "run")]
    status, _, err = command(*argv)
    assert status == 0 and "model is left out: --model: the package is not installed" in err
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert [case["name"] for case in result["cases"]] == ["ideal"]
    assert result["skipped"] == [{"name": "model", "reason": "--model: the package is not installed"}]
    assert command("bench", "--cases", "model")[0] == 2
