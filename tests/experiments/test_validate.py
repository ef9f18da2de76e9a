"""`exalight validate` as a command on a few cases: what it writes, what it keeps, how it ends."""

import json

import pytest

from experiments import validate
from experiments.cli import main
from experiments.tables import read_table
from tests.experiments.validation import CASES, PASSES, command, one, written

KEYS = [
    *("id", "quantity", "unit", "published", "simulated", "relative_error", "tolerance", "pass", "source", "kind"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("validate")
    status, out, err = command("--cases", str(written(folder)), "--out", str(folder / "run"))
    return folder, status, out, err


def test_a_case_that_fails_fails_the_command(run):
    folder, status, out, _ = run
    assert status == 1
    assert out.splitlines()[-1] == str(folder / "run" / "result.json")
    assert "engines fails" in out and "two passes for each vector" in out
    assert "1 of 3 cases pass, 1 fail, 1 skipped" in out


def test_every_case_has_what_scripts_read(run):
    folder, *_ = run
    result = json.loads((folder / "run" / "result.json").read_text())
    assert result["experiment"] == "validate" and result["seed"] == 0
    assert result["summary"] == {"cases": 3, "passed": 1, "failed": 1, "skipped": 1, "by_construction": 0}
    murmann, engines, minutes = result["cases"]
    for case in result["cases"]:
        assert set(KEYS) <= set(case)
    assert murmann["pass"] is True and engines["pass"] is False and minutes["pass"] is None
    assert murmann["at"] == [6, 10] and murmann["published"] == [2.676e-13, 4.19e-13]
    assert murmann["simulated"][1] == pytest.approx(0.267e-12 + 0.145e-18 * 4**10)
    # 2 passes at 2 GHz are as much as one at 1 GHz: 1e18 / (2 1024^2 1e9).
    assert engines["simulated"] == pytest.approx(476.84, abs=0.01)
    assert engines["relative_error"] == pytest.approx(476.84 / 400 - 1, abs=1e-4)
    assert engines["tolerance"] == {"absolute": 1.0}
    assert minutes["simulated"] is None and "--slow" in minutes["reason"]


def test_a_run_writes_what_every_run_writes(run):
    folder, _, _, err = run
    names = {path.name for path in (folder / "run").iterdir()}
    assert names == {
        *("config.toml", "result.json", "environment.json", "validate.png", "validate.svg", "points"),
        *("cases.parquet", "cases.csv", "points.parquet", "points.csv"),
    }
    points = read_table(folder / "run", "points").to_dicts()
    assert [point["id"] for point in points] == ["murmann", "murmann", "engines"]
    assert "[1/2" in err and "minutes is skipped" in err


def test_what_is_stored_is_not_computed_again(run, monkeypatch):
    folder, *_ = run
    monkeypatch.setattr(validate, "computed_values", lambda *_: pytest.fail("computed again"))
    status, out, err = command("--cases", str(folder / "cases.toml"), "--out", str(folder / "run"))
    assert status == 1 and err.count("(kept from before)") == 2
    assert "1 of 3 cases pass" in out


def test_all_that_was_asked_for_passing_is_success(tmp_path):
    cases = str(written(tmp_path))
    status, out, _ = command("--cases", cases, "--only", "^murm", "--no-plot", "--out", str(tmp_path / "run"))
    assert status == 0 and "1 of 1 cases pass, 0 fail, 0 skipped" in out
    assert not (tmp_path / "run" / "validate.png").exists()


def test_slow_cases_run_when_asked_for(tmp_path):
    status, _, _ = command(
        "--cases", str(written(tmp_path)), "--slow", "--only", "minutes", "--out", str(tmp_path / "r")
    )
    (case,) = json.loads((tmp_path / "r" / "result.json").read_text())["cases"]
    assert status == 1 and case["simulated"] == pytest.approx(2.337e-19, rel=1e-3)


def test_a_case_that_breaks_fails_and_the_others_go_on(tmp_path, monkeypatch):
    real = validate.computed_values

    def broken(case, files, mnist):
        if case.id == "murmann":
            raise ZeroDivisionError("no light")
        return real(case, files, mnist)

    monkeypatch.setattr(validate, "computed_values", broken)
    status, out, _ = command("--cases", str(written(tmp_path)), "--out", str(tmp_path / "run"))
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert status == 1 and "no light" in out
    assert result["cases"][0]["pass"] is False and "no light" in result["cases"][0]["error"]
    assert result["cases"][1]["simulated"] is not None


def test_interruption_keeps_what_is_finished(tmp_path, monkeypatch):
    real = validate.computed_values

    def stopped(case, files, mnist):
        if case.id == "engines":
            raise KeyboardInterrupt
        return real(case, files, mnist)

    argv = ["--cases", str(written(tmp_path)), "--out", str(tmp_path / "run")]
    monkeypatch.setattr(validate, "computed_values", stopped)
    status, _, err = command(*argv)
    assert status == 1 and "finished cases are kept" in err and not (tmp_path / "run" / "result.json").exists()
    monkeypatch.setattr(validate, "computed_values", real)
    (murmann, engines) = (line for line in command(*argv)[2].splitlines() if line.startswith("["))
    assert "kept from before" in murmann and "kept from before" not in engines


def test_an_argument_that_the_engine_refuses_is_a_wrong_request(tmp_path):
    text = one('arguments = { part = "adcs" }', text=PASSES.replace("adc_energy", "power").replace('"J"', '"W"'))
    status, out, err = command("--cases", str(written(tmp_path, text)), "--out", str(tmp_path / "run"))
    last = err.splitlines()[-1]
    assert status == 2 and out == ""
    assert last.startswith("exalight: case murmann: argument part") and "'adc'" in last and "laser" in last


def test_another_file_of_cases_is_another_run(tmp_path):
    argv = ["--cases", str(written(tmp_path)), "--only", "murmann", "--no-plot", "--out", str(tmp_path / "run")]
    assert command(*argv)[0] == 0
    written(tmp_path, CASES.replace("2.676e-13", "2.677e-13"))
    status, _, err = command(*argv)
    assert status == 2 and "another configuration" in err


def test_the_figure_can_be_drawn_again(run):
    folder, *_ = run
    (folder / "run" / "validate.svg").unlink()
    assert main(["plot", str(folder / "run")]) == 0
    assert (folder / "run" / "validate.svg").exists()
