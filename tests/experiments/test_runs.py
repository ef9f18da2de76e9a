import json
import math
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.errors import RequestError
from experiments.runs import PointStore, RunFolder, plain, short_hash, to_toml, write_file

DOCUMENT = {"experiment": "accuracy", "options": {"tokens": 16, "text": None}, "engine": {"adc.bits": 8}}

scalars = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.integers(-(2**53), 2**53),
    st.booleans(),
    st.floats(allow_nan=False),
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.one_of(scalars, st.lists(scalars, max_size=3))))
def test_toml_round_trip(table):
    assert tomllib.loads(to_toml({"top": 1, "table": table})) == {"top": 1, "table": table}


def test_hash_tells_documents_apart():
    assert short_hash(DOCUMENT) == short_hash(dict(DOCUMENT))
    assert short_hash(DOCUMENT) != short_hash({**DOCUMENT, "engine": {"adc.bits": 9}})


def test_check_leaves_nothing(tmp_path):
    RunFolder(tmp_path / "a" / "b", DOCUMENT).check()
    assert list(tmp_path.iterdir()) == []


def test_same_configuration_goes_on_and_another_is_refused(tmp_path):
    folder = RunFolder(tmp_path / "run", DOCUMENT)
    folder.check()
    folder.open()
    folder.check()
    held = (tmp_path / "run" / "config.toml").read_bytes()
    other = RunFolder(tmp_path / "run", {**DOCUMENT, "engine": {"adc.bits": 9}})
    with pytest.raises(RequestError, match=r"another configuration \(engine.adc.bits is 8 there and 9 here\)"):
        other.check()
    assert (tmp_path / "run" / "config.toml").read_bytes() == held


def test_strange_folders_are_refused(tmp_path):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(RequestError, match="is a file"):
        RunFolder(file, DOCUMENT).check()
    with pytest.raises(RequestError, match="cannot be written"):
        RunFolder(file / "below", DOCUMENT).check()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "result.json").touch()
    with pytest.raises(RequestError, match=r"without config\.toml"):
        RunFolder(foreign, DOCUMENT).check()
    (foreign / "config.toml").write_text("= nonsense")
    with pytest.raises(RequestError, match="cannot be read"):
        RunFolder(foreign, DOCUMENT).check()


def test_open_removes_what_a_killed_run_left(tmp_path):
    folder = RunFolder(tmp_path / "run", DOCUMENT)
    folder.open()
    folder.points.mkdir()
    (folder.points / ".power-1.npz.123.part").write_bytes(b"half")
    folder.open()
    assert sorted(path.name for path in folder.path.rglob("*")) == ["config.toml", "points"]


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "result.json"
    write_file(path, b"old")

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_file(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_no_infinities(tmp_path):
    value = {"a": math.inf, "b": [math.nan, np.float32(0.5), np.arange(2)], "c": np.bool_(True), "d": None}
    path = RunFolder(tmp_path, DOCUMENT).write_json("x.json", value)
    assert json.loads(path.read_text()) == {"a": None, "b": [None, 0.5, [0, 1]], "c": True, "d": None}
    assert plain(np.float64("inf")) is None


def test_points_come_back_unless_stamp_or_file_is_bad(tmp_path):
    store = PointStore(tmp_path, "code-1")
    assert store.load("p") is None
    store.save("p", {"kl_nats": np.arange(3.0), "layer": np.array(["a", "b"])})
    loaded = store.load("p")
    assert loaded is not None
    assert set(loaded) == {"kl_nats", "layer"}
    np.testing.assert_array_equal(loaded["kl_nats"], np.arange(3.0))
    assert PointStore(tmp_path, "code-2").load("p") is None
    (tmp_path / "p.npz").write_bytes((tmp_path / "p.npz").read_bytes()[:50])
    assert store.load("p") is None
