"""Tables of a run on disk: Parquet for programs, CSV for everybody."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs import plain, write_file

if TYPE_CHECKING:
    import polars


def write_table(folder: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows of equal keys as `name.parquet` and `name.csv`; what is not finite becomes null."""
    import polars

    frame = polars.DataFrame([plain(row) for row in rows], infer_schema_length=None)
    parquet, csv = io.BytesIO(), io.BytesIO()
    frame.write_parquet(parquet)
    frame.write_csv(csv)
    write_file(folder / f"{name}.parquet", parquet.getvalue())
    write_file(folder / f"{name}.csv", csv.getvalue())


def read_table(folder: Path, name: str) -> "polars.DataFrame":
    """A table that `write_table` wrote."""
    import polars

    return polars.read_parquet(folder / f"{name}.parquet")
