import json
import math
from pathlib import Path

import pytest

from experiments import scaling_runs
from experiments.errors import RequestError
from experiments.runs import CONFIG_FILE, ENVIRONMENT_FILE, RESULT_FILE
from experiments.scaling_runs import record, stored_runs, write_stored
from photonics.catalogue import load_engine
from photonics.families import FAMILIES
from tests.corruption import check_line
from tests.experiments.accuracy_runs import points, write_accuracy_run


def refusal(folder: Path) -> str:
    with pytest.raises(RequestError) as caught:
        record(folder)
    check_line(str(caught.value))
    assert str(caught.value).startswith(f"--accuracy {folder}")
    return str(caught.value)


# A run ---------------------------------------------------------------------------------------------------------


def test_a_record_holds_what_the_run_says(tmp_path):
    held = record(write_accuracy_run(tmp_path, overrides=("adc.bits=11",)))
    assert held["points"] == [
        {name: value for name, value in point.items() if name != "energy_per_token_j"}
        for point in points() + points(rotate=False)
    ]
    assert held["engine"]["adc.bits"] == 11 and set(held["engine"]) < set(FAMILIES["free-space"].row_of)
    assert held["overrides"] == ["adc.bits=11"]
    assert held["inputs_per_tile"] == 600.0
    assert (held["model_sha256"], held["text_sha256"]) == ("cd" * 32, "ab" * 32)
    assert (held["tokens"], held["context"], held["seed"], held["generator"]) == (1016, 128, 3, "counter")
    assert (held["date"], held["python"], held["cpu"], held["cpus"]) == (
        "2026-11-23T12:00:00+00:00",
        "3.11.7",
        "a CPU",
        2,
    )
    assert held["packages"] == {"exalight": "0.1.0"} and held["source_sha256"] == "ef" * 32


def test_a_record_does_not_say_where_it_ran(tmp_path):
    held = record(write_accuracy_run(tmp_path))
    assert (held["model"], held["text"], held["engine_name"]) == ("a-model", "a-text.txt", "free-space-1024")
    text = json.dumps(held)
    assert "somewhere" not in text and "a-host" not in text and str(tmp_path) not in text


def test_a_record_of_an_older_run_leaves_open_what_it_does_not_say(tmp_path):
    folder = write_accuracy_run(tmp_path, result={"inputs_per_tile": None}, document={"options": {}})
    (folder / ENVIRONMENT_FILE).unlink()
    held = record(folder)
    assert held["inputs_per_tile"] is None and held["date"] is None and held["packages"] == {}
    assert held["model"] is None and held["engine_name"] is None and held["overrides"] == []


# Refusals ------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_or_a_file_is_refused(tmp_path):
    assert "config.toml cannot be read (No such file or directory); give the folder" in refusal(tmp_path / "none")
    (tmp_path / "file").touch()
    assert "config.toml cannot be read (Not a directory)" in refusal(tmp_path / "file")
    assert "config.toml cannot be read (File name too long)" in refusal(tmp_path / ("a" * 300))


def test_an_unfinished_run_is_refused(tmp_path):
    (write_accuracy_run(tmp_path) / RESULT_FILE).unlink()
    assert "result.json cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"experiment": "generate"}, "holds a run of 'generate'; give one of exalight accuracy"),
        ({"experiment": 3}, "holds a run of 3"),
        ({"options": {"task": "embed"}}, "measured --task 'embed', which has no KL divergence per token"),
        ({"options": {"task": "classify"}}, "measured --task 'classify'"),
        ({"options": 3}, "config.toml has no table [options]"),
        ({"engine": 3}, "config.toml has no table [engine]"),
        ({"model": None}, "config.toml has no table [model]"),
    ],
)
def test_another_kind_of_run_is_refused(tmp_path, document, words):
    assert words in refusal(write_accuracy_run(tmp_path, document=document))


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"points": None}, "result.json has no points"),
        ({"points": []}, "result.json has no points"),
        ({"points": [3]}, "points[0] is 3; it should be a table"),
        ({"points": [{"rotate": 1}]}, "points[0].rotate is 1; it should be true or false"),
        ({"inputs_per_tile": 0.5}, "inputs_per_tile is 0.5; it should be a number from 1"),
        ({"inputs_per_tile": "many"}, "inputs_per_tile is 'many'"),
    ],
)
def test_a_result_that_does_not_say_it_is_refused(tmp_path, result, words):
    message = refusal(write_accuracy_run(tmp_path, result=result))
    assert words in message and message.endswith("run exalight accuracy again, or give another folder")


@pytest.mark.parametrize(
    ("name", "value"),
    [("kl_nats", None), ("laser_power_w", 0.0), ("laser_power_w", "1 W"), ("photons_per_mac", 0), ("snr_db", True)],
)
def test_a_point_without_a_number_is_refused(tmp_path, name, value):
    wrong = points()
    wrong[1][name] = value
    assert f"points[1].{name} is " in refusal(write_accuracy_run(tmp_path, result={"points": wrong}))


@pytest.mark.parametrize("name", [CONFIG_FILE, RESULT_FILE, ENVIRONMENT_FILE])
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    folder = write_accuracy_run(tmp_path)
    (folder / name).write_bytes(content)
    assert name in refusal(folder)


# What ships ----------------------------------------------------------------------------------------------------


def test_runs_are_stored_as_they_are_read(tmp_path, monkeypatch):
    folders = [write_accuracy_run(tmp_path / bits, overrides=(f"dac.bits={bits}",)) for bits in ("8", "6")]
    monkeypatch.setattr(scaling_runs, "_FILE", tmp_path / "stored.json")
    assert write_stored(folders) == tmp_path / "stored.json"
    assert stored_runs() == [record(folder) for folder in folders]


def bits_of(held: scaling_runs.Record) -> tuple[int, int]:
    return held["engine"]["dac.bits"], held["engine"]["panel.bits"]


def test_stored_runs_differ_in_their_bits_only():
    runs = stored_runs()
    assert len({bits_of(held) for held in runs}) == len(runs)
    assert {(8, 8), (8, 6), (6, 6), (8, 4), (4, 4)} <= {bits_of(held) for held in runs}
    moved = {"dac.bits", "panel.bits"}
    rest = [{path: value for path, value in held["engine"].items() if path not in moved} for held in runs]
    assert all(values == rest[0] for values in rest)
    same = ("model", "model_sha256", "text_sha256", "tokens", "seed", "engine_name", "packages", "source_sha256")
    assert all(held[name] == runs[0][name] for held in runs for name in same)
    assert runs[0]["tokens"] == 8 * 127 and runs[0]["engine_name"] == "free-space-1024"


@pytest.mark.parametrize("held", stored_runs(), ids=lambda held: "-".join(map(str, bits_of(held))))
def test_a_stored_run_is_complete(held):
    for name in ("model", "date", "python", "cpu", "cpus", "packages", "source_sha256", "model_sha256", "text_sha256"):
        assert held[name], name
    rotations = {point["rotate"] for point in held["points"]}
    assert rotations == ({True, False} if bits_of(held) == (8, 8) else {True})
    for rotate in rotations:
        sweep = [point for point in held["points"] if point["rotate"] is rotate]
        assert len(sweep) == 10
        assert sweep == sorted(sweep, key=lambda point: point["laser_power_w"])
        # From useless to a plateau: 4 bits end at 2 nats, 8 bits at 0.05.
        assert sweep[0]["kl_nats"] > 10 * sweep[-1]["kl_nats"]
        assert all(0 < point["kl_standard_error_nats"] < 0.2 * point["kl_nats"] for point in sweep)
    load_engine("free-space-1024", held["overrides"])


def test_stored_inputs_per_tile_are_those_of_the_model():
    # SmolLM2-135M: width 576, which one tile of 1,024 sums at once; only the 1,536 inputs of mlp/down take two.
    down, qkvo, gate_up, head = 1536 * 576, 576 * (576 * 2 + 192 * 2), 2 * 576 * 1536, 576 * 49152
    whole = 30 * (down + qkvo + gate_up) + head
    expected = 576 + (768 - 576) * 30 * down / whole
    assert all(math.isclose(held["inputs_per_tile"], expected, rel_tol=1e-9) for held in stored_runs())
