"""What `exalight engines NAME --plot` writes."""

import json

import pytest

from experiments.cli import main
from experiments.engines_config import EnginesConfig
from experiments.engines_output import noise_sweep, run_folder, tables
from experiments.errors import RequestError
from experiments.tables import read_table
from photonics import load_engine
from photonics.catalogue import apply_overrides, read_engine_file
from photonics.explain import explain


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A whole command: its folder, and what it printed."""
    import contextlib
    import io

    folder, printed = tmp_path_factory.mktemp("engines") / "run", io.StringIO()
    argv = ["engines", "free-space-1024", "--plot", "--set", "ranging.sigmas=3", "--out", str(folder)]
    with contextlib.redirect_stdout(printed):
        assert main(argv) == 0
    return folder, printed.getvalue()


def test_the_last_line_is_the_path_of_the_result(run):
    folder, printed = run
    assert printed.splitlines()[-1] == str(folder / "result.json")


def test_a_run_writes_what_every_run_writes(run):
    folder, _ = run
    names = {path.name for path in folder.iterdir()}
    assert {"config.toml", "result.json", "environment.json", "engines.png", "engines.svg"} <= names
    for table in ("link", "noise", "power", "conversion", "sweep", "warnings"):
        assert {f"{table}.parquet", f"{table}.csv"} <= names
    assert not [name for name in names if name.startswith(".") or name == "points"]


def test_the_result_is_the_explanation(run):
    folder, printed = run
    result = json.loads((folder / "result.json").read_text())
    assert (result["experiment"], result["seed"]) == ("engines", 0)
    assert result["config"]["set"] == ["ranging.sigmas=3"]
    told = explain(load_engine("free-space-1024", ["ranging.sigmas=3"])).to_dict()
    assert {key: result[key] for key in told} == json.loads(json.dumps(told))
    (clipped,) = (warning for warning in result["warnings"] if warning["code"] == "clipped_codes")
    assert clipped["message"] in " ".join(printed.split())


def test_tables_hold_the_budgets(run):
    folder, _ = run
    result = json.loads((folder / "result.json").read_text())
    assert read_table(folder, "power")["power_w"].sum() == pytest.approx(sum(result["power_w"].values()))
    assert read_table(folder, "noise")["share"].sum() == pytest.approx(1.0)
    assert read_table(folder, "link")["electrons"][0] > read_table(folder, "link")["electrons"][-1]
    assert read_table(folder, "conversion")["snr_db"][0] == pytest.approx(result["snr_db"])


def test_the_sweep_goes_through_the_operating_point():
    catalogue = load_engine("free-space-1024")
    rows = noise_sweep(catalogue)
    powers_w = sorted({row["laser_power_w"] for row in rows})
    at_w = float(catalogue.operating_point.laser_power_w)
    assert powers_w[0] < at_w < powers_w[-1]
    for power_w in powers_w[::20]:
        chosen = [row for row in rows if row["laser_power_w"] == power_w]
        told = explain(catalogue.at(laser_power_w=power_w))
        assert sum(row["variance_electrons2"] for row in chosen) == pytest.approx(told.electrons.noise_rms**2)
        assert chosen[0]["snr_db"] == pytest.approx(told.snr_db)


def test_the_tables_of_an_ideal_engine_have_no_ratio():
    engine = load_engine("ideal")
    found = tables(engine, explain(engine))
    assert found["conversion"][0]["snr_db"] is None
    assert found["sweep"] == found["noise"] == []


def test_another_configuration_is_refused(run, capsys):
    folder, _ = run
    assert main(["engines", "free-space-1024", "--plot", "--out", str(folder)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "holds a run with another configuration" in captured.err


def test_each_set_of_options_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = read_engine_file("ideal")
    plain = run_folder(EnginesConfig(name="ideal", plot=True), file)
    other = run_folder(
        EnginesConfig(name="ideal", plot=True, set=("adc.bits=8",)), apply_overrides(file, ["adc.bits=8"])
    )
    assert plain.path.parts[:3] == ("runs", "engines", "ideal") == other.path.parts[:3]
    assert plain.path != other.path
    assert run_folder(EnginesConfig(name="ideal", plot=True), file).path == plain.path
    assert list(tmp_path.iterdir()) == []  # asking writes nothing


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RequestError, match="is a file"):
        run_folder(EnginesConfig(name="ideal", plot=True, out=str(tmp_path / "file")), read_engine_file("ideal"))
