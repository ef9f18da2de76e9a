import polars
import pytest

from experiments.sweep_axes import read_axes
from experiments.sweep_config import SweepConfig
from experiments.sweep_plan import Chunk, make_plan
from experiments.sweep_store import ChunkStore, tidy_frame
from tests.experiments.swept import SWEPT, Swept


@pytest.fixture(scope="module")
def chunk() -> Chunk:
    config = SweepConfig(experiment="swept", set=("x=1,2,3",))
    (only,) = make_plan(config, SWEPT, read_axes(SWEPT, config.set), Swept()).chunks
    return only


def rows_of(chunk: Chunk):
    values = [{"y": 0.1, "n": 1, "ok": True}, {"y": 1 / 3, "n": 2, "ok": False}, {"y": None, "n": None, "ok": None}]
    errors = [None, None, "out of light"]
    return [
        {"identity": planned.identity, **value, "error": error}
        for planned, value, error in zip(chunk.points, values, errors, strict=True)
    ]


def test_rows_come_back_to_the_last_bit(tmp_path, chunk):
    store = ChunkStore(tmp_path / "points", "stamp")
    assert store.load(chunk) is None
    store.save(chunk, rows_of(chunk))
    assert store.load(chunk) == rows_of(chunk)
    assert [file.name for file in store.folder.iterdir()] == [f"{chunk.name}.parquet"]


def test_other_code_counts_as_absent(tmp_path, chunk):
    ChunkStore(tmp_path, "stamp").save(chunk, rows_of(chunk))
    assert ChunkStore(tmp_path, "other").load(chunk) is None


def test_rows_of_other_points_count_as_absent(tmp_path, chunk):
    store = ChunkStore(tmp_path, "stamp")
    store.save(chunk, rows_of(chunk)[::-1])
    assert store.load(chunk) is None


def test_a_file_cut_anywhere_counts_as_absent(tmp_path, chunk, capfd):
    store = ChunkStore(tmp_path, "stamp")
    store.save(chunk, rows_of(chunk))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for length in range(0, len(whole), 97):
        file.write_bytes(whole[:length])
        assert store.load(chunk) is None
    capfd.readouterr()


def test_no_changed_byte_changes_a_value(tmp_path, chunk, capfd):
    store = ChunkStore(tmp_path, "stamp")
    store.save(chunk, rows_of(chunk))
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for place in range(0, len(whole), 41):
        changed = bytearray(whole)
        changed[place] ^= 0x55
        file.write_bytes(changed)
        assert store.load(chunk) in (None, rows_of(chunk))
    capfd.readouterr()


def test_a_foreign_table_counts_as_absent(tmp_path, chunk):
    store = ChunkStore(tmp_path, "stamp")
    polars.DataFrame({"x": [1, 2, 3]}).write_parquet(tmp_path / f"{chunk.name}.parquet")
    assert store.load(chunk) is None


def test_columns_have_one_type_each():
    rows = [
        {"a": 1, "b": 1, "c": True, "d": "x", "e": 1, "big": 2**70, "error": None},
        {"a": 2, "b": 0.5, "c": None, "d": 3, "f": float("nan"), "big": 1, "error": None},
    ]
    frame = tidy_frame(rows)
    assert {name: str(kind) for name, kind in frame.schema.items()} == {
        "a": "Int64",
        "b": "Float64",
        "c": "Boolean",
        "d": "String",
        "e": "Int64",
        "big": "Float64",
        "error": "String",
        "f": "Float64",
    }
    assert frame["d"].to_list() == ["x", "3"]
    assert frame["f"].to_list() == [None, None]
