"""Finished chunks of a sweep on disk, one Parquet file each: identity, what was found out, and the error if any."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs import plain, write_file
from experiments.sweep_plan import Chunk

if TYPE_CHECKING:
    import polars

_SEAL = "seal"
IDENTITY, ERROR = "identity", "error"
Finished = dict[str, Any]
"""A stored row: identity, columns of the experiment, error (None for a point that was computed)."""


@dataclasses.dataclass(frozen=True)
class ChunkStore:
    """Chunks by name, each sealed with a hash over its rows and over what produced them.

    A chunk that other code or other library versions computed, and a damaged file, count as absent.

    Attributes:
        folder: of the files, made when first needed.
        stamp: what computed the chunks (`environment.stamp`).
    """

    folder: Path
    stamp: str

    def load(self, chunk: Chunk) -> list[Finished] | None:
        """The rows of a chunk in its order, or None."""
        import polars

        damaged = (OSError, polars.exceptions.PolarsError, polars.exceptions.PanicException)
        try:
            frame = polars.read_parquet(io.BytesIO(self._path(chunk).read_bytes()))
        except damaged:
            return None
        if not {IDENTITY, ERROR, _SEAL} <= set(frame.columns):
            return None
        seals = frame[_SEAL].to_list()
        rows = frame.drop(_SEAL).to_dicts()
        if seals != [self._seal(rows)] * len(chunk.points):
            return None
        return rows if [row[IDENTITY] for row in rows] == [planned.identity for planned in chunk.points] else None

    def holds(self, chunk: Chunk) -> bool:
        """Whether there is a file for a chunk, good or not."""
        return self._path(chunk).is_file()

    def save(self, chunk: Chunk, rows: Sequence[Finished]) -> None:
        """Store the rows of a chunk, in its order; OSError where they cannot be written."""
        import polars

        frame = tidy_frame(rows)
        seal = self._seal(frame.to_dicts())
        buffer = io.BytesIO()
        frame.with_columns(polars.lit(seal).alias(_SEAL)).write_parquet(buffer)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_file(self._path(chunk), buffer.getvalue())

    def _seal(self, rows: Sequence[Finished]) -> str:
        text = json.dumps([self.stamp, rows], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _path(self, chunk: Chunk) -> Path:
        return self.folder / f"{chunk.name}.parquet"


def tidy_frame(rows: Sequence[Finished]) -> "polars.DataFrame":
    """Rows as a table: columns in the order in which they first come, each of one type; what is not finite is null.

    Numbers of which one has a fraction are all floats; a column that mixes texts with anything else is all text.
    """
    import polars

    columns = dict.fromkeys(key for row in rows for key in row)
    return polars.DataFrame([_series(name, [plain(row.get(name)) for row in rows]) for name in columns])


def _series(name: str, values: list[Any]) -> "polars.Series":
    import polars

    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return polars.Series(name, values, polars.Boolean)
    if kinds == {int} and all(value is None or abs(value) < 2**63 for value in values):
        return polars.Series(name, values, polars.Int64)
    if kinds and kinds <= {int, float}:
        return polars.Series(name, [None if value is None else float(value) for value in values], polars.Float64)
    if not kinds and name != ERROR:
        return polars.Series(name, values, polars.Float64)
    return polars.Series(name, [None if value is None else str(value) for value in values], polars.String)
