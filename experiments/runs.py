"""The folder of a run: its configuration, finished points, tables and results, never a half-written file.

    DIR/config.toml        what was asked for, with every value of the engine and the hashes of text and model
    DIR/environment.json   versions, machine, source revision, command
    DIR/points/*.npz       finished points, stored at once; an interrupted run goes on from them
    DIR/result.json        the condensed result, written last
    DIR/*.parquet, *.csv   tables           DIR/*.png, *.svg   figures, drawn from the tables

Every file is written under a temporary name and renamed. Imports no JAX; NumPy only when points are read or written.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import math
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.errors import RequestError

if TYPE_CHECKING:
    import numpy as np

CONFIG_FILE, RESULT_FILE, ENVIRONMENT_FILE = "config.toml", "result.json", "environment.json"
_TEMPORARY = ".part"


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Where a run puts its files, and the document (tables of plain values) that says which run it is."""

    path: Path
    document: Mapping[str, Any]

    def check(self) -> None:
        """Refuse a folder that cannot be written or holds another run; creates and leaves nothing."""
        try:
            occupied = self.path.exists() and not self.path.is_dir()
        except OSError as error:  # a name too long for any file
            raise self._not_writable(error) from error
        if occupied:
            raise RequestError(f"--out {self.path} is a file; give a folder")
        self._check_same_run()
        place = self.path
        while not place.exists():
            place = place.parent
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            raise self._not_writable(error) from error

    def _check_same_run(self) -> None:
        held, wanted = self.path / CONFIG_FILE, tomllib.loads(to_toml(self.document))
        try:
            if not held.exists():
                if (self.path / RESULT_FILE).exists():
                    raise RequestError(f"--out {self.path} holds a {RESULT_FILE} without {CONFIG_FILE}; give another")
                return
            other = tomllib.loads(held.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise RequestError(f"{held} cannot be read ({error}); give another folder with --out") from error
        if other != wanted:
            raise RequestError(
                f"--out {self.path} holds a run with another configuration ({_first_difference(other, wanted)}); "
                "give another folder, or none for one of its own"
            )

    def open(self) -> None:
        """Create the folder, remove what a killed run left half-written, and write the configuration."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for folder in (self.path, self.points):
                for leftover in folder.glob(f".*{_TEMPORARY}"):
                    leftover.unlink(missing_ok=True)
            write_file(self.path / CONFIG_FILE, to_toml(self.document).encode())
        except OSError as error:
            raise self._not_writable(error) from error

    @property
    def points(self) -> Path:
        """Folder of the finished points."""
        return self.path / "points"

    def write_json(self, name: str, value: Any) -> Path:
        """Write a value as JSON: plain numbers, null for what is not finite."""
        path = self.path / name
        write_file(path, (json.dumps(plain(value), indent=2, allow_nan=False, ensure_ascii=False) + "\n").encode())
        return path

    def _not_writable(self, error: OSError) -> RequestError:
        reason = error.strerror or type(error).__name__
        return RequestError(f"--out {self.path} cannot be written ({reason}); give a folder you may write to")


@dataclasses.dataclass(frozen=True)
class PointStore:
    """Finished points as NumPy archives (no pickle), each stamped with what produced it.

    A point with another stamp (other code, other library versions) or a damaged file counts as absent.
    """

    folder: Path
    stamp: str

    def load(self, label: str) -> dict[str, "np.ndarray"] | None:
        """The arrays stored under a label, or None."""
        import zipfile

        import numpy as np

        try:
            # Opened here, because NumPy leaves the file open where it is no archive.
            with self._path(label).open("rb") as file, np.load(file, allow_pickle=False) as archive:
                arrays = dict(archive)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None
        return arrays if str(arrays.pop("stamp", "")) == self.stamp else None

    def save(self, label: str, arrays: Mapping[str, Any]) -> None:
        """Store arrays under a label."""
        import numpy as np

        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, stamp=np.array(self.stamp), **arrays)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_file(self._path(label), buffer.getvalue())

    def _path(self, label: str) -> Path:
        return self.folder / f"{label}.npz"


def write_file(path: Path, content: bytes) -> None:
    """Write a file under a temporary name beside it, then rename: readers see the old or the whole new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def plain(value: Any) -> Any:
    """A value as JSON knows it: arrays as lists, scalars as Python numbers, NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | str | int):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    number = float(value)
    return number if math.isfinite(number) else None


def to_toml(document: Mapping[str, Any]) -> str:
    """A document of plain values and one level of tables as TOML; values of None are left out."""
    tables = {key: value for key, value in document.items() if isinstance(value, Mapping)}
    lines = [_toml_line(key, value) for key, value in document.items() if key not in tables and value is not None]
    for name, table in tables.items():
        lines += ["", f"[{name}]"]
        lines += [_toml_line(key, value) for key, value in table.items() if value is not None]
    return "\n".join(lines) + "\n"


def short_hash(document: Mapping[str, Any]) -> str:
    """Ten hexadecimal digits that tell one document from another: the name of a default folder."""
    return hashlib.sha256(to_toml(document).encode()).hexdigest()[:10]


def _toml_line(key: str, value: Any) -> str:
    bare = key.replace("_", "").replace("-", "").isalnum() and key.isascii()
    return f"{key if bare else _toml_value(key)} = {_toml_value(value)}"


def _toml_value(value: Any) -> str:
    if isinstance(value, str):
        # A JSON string is a basic TOML string once nothing but control characters is escaped.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    return repr(value)


def _first_difference(other: Mapping[str, Any], wanted: Mapping[str, Any], where: str = "") -> str:
    for key in dict.fromkeys((*wanted, *other)):
        there, here = other.get(key), wanted.get(key)
        if there == here:
            continue
        if isinstance(there, dict) and isinstance(here, dict):
            return _first_difference(there, here, f"{where}{key}.")
        return f"{where}{key} is {_shown(there)} there and {_shown(here)} here"
    return "no difference"


def _shown(value: Any) -> str:
    text = "absent" if value is None else "a table" if isinstance(value, dict) else _toml_value(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
