import math

import polars

from experiments.tables import read_table, write_table


def test_parquet_and_csv_hold_the_same(tmp_path):
    rows = [{"rotate": True, "kl_nats": 0.5, "power": None}, {"rotate": False, "kl_nats": math.nan, "power": 2.0}]
    write_table(tmp_path, "points", rows)
    expected = [{**rows[0]}, {**rows[1], "kl_nats": None}]
    assert read_table(tmp_path, "points").to_dicts() == expected
    assert polars.read_csv(tmp_path / "points.csv").to_dicts() == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["points.csv", "points.parquet"]


def test_a_column_of_nothing_is_kept(tmp_path):
    write_table(tmp_path, "iso", [{"target": 0.1, "power": None}])
    assert read_table(tmp_path, "iso").to_dicts() == [{"target": 0.1, "power": None}]


def test_a_table_without_rows(tmp_path):
    write_table(tmp_path, "rotation", [])
    assert read_table(tmp_path, "rotation").to_dicts() == []
