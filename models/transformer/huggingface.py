"""Hugging Face model folders: `config.json`, safetensors (single or in shards) and `tokenizer.json`."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

SUPPORTED_DTYPES = ("F32", "F16", "BF16")
"""Element types of weights that are read, in the letters of safetensors."""


@dataclasses.dataclass(frozen=True)
class HuggingFaceFolder:
    """A folder whose weight files are known to be whole; tensors are read on demand."""

    path: Path
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    files: dict[str, Path]
    """Which file holds a tensor, by the tensor's name."""

    def read(self, name: str) -> np.ndarray:
        """One tensor as float32 in its stored shape."""
        with safe_open(self.files[name], framework="np") as file:
            return np.asarray(file.get_tensor(name), dtype=np.float32)


def open_folder(
    path: Path,
    needed: Sequence[str] = ("config.json", "tokenizer.json"),
    ignored: Callable[[str], bool] = lambda name: False,
) -> HuggingFaceFolder:
    """Reads the configuration and the headers of the weight files of a folder, and checks that they belong together.

    Tensors for whose name `ignored` is true are left out, whatever their type. ValueError, one sentence, for a file
    that is missing, is not JSON, is truncated, holds an element type outside SUPPORTED_DTYPES, or lacks a tensor that
    the index promises.
    """
    for name in needed:
        if not (path / name).is_file():
            raise ValueError(f"the model folder {path} has no {name}")
    config = read_json(path / "config.json")
    shapes: dict[str, tuple[int, ...]] = {}
    files: dict[str, Path] = {}
    for file, promised in _weight_files(path).items():
        held = _headers(file, ignored)
        absent = {name for name in promised if not ignored(name)} - held.keys()
        if absent:
            raise ValueError(f"{file} lacks tensors that {INDEX} promises: {', '.join(sorted(absent))}")
        twice = files.keys() & held.keys()
        if twice:
            raise ValueError(f"{file} holds tensors that another file holds as well: {', '.join(sorted(twice))}")
        shapes |= held
        files |= dict.fromkeys(held, file)
    return HuggingFaceFolder(path, config, shapes, files)


def _weight_files(path: Path) -> dict[Path, set[str]]:
    """The safetensors files of a folder, each with the tensors that the index, if there is one, promises in it."""
    if (path / SINGLE).is_file():
        return {path / SINGLE: set()}
    if not (path / INDEX).is_file():
        raise ValueError(f"the model folder {path} has no weights: neither {SINGLE} nor {INDEX}")
    places = read_json(path / INDEX).get("weight_map")
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise ValueError(f"{path / INDEX} has no table weight_map from tensors to files")
    promised: dict[Path, set[str]] = {}
    for name, file in places.items():
        promised.setdefault(path / file, set()).add(name)
    return promised


def _headers(file: Path, ignored: Callable[[str], bool]) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of one safetensors file; opening it checks that the file is as long as it says."""
    if not file.is_file():
        raise ValueError(f"the weight file {file} is missing")
    try:
        with safe_open(file, framework="np") as opened:
            names = [name for name in opened.keys() if not ignored(name)]  # noqa: SIM118 (not a mapping)
            slices = {name: opened.get_slice(name) for name in names}
            shapes = {name: tuple(piece.get_shape()) for name, piece in slices.items()}
            dtypes = {name: piece.get_dtype() for name, piece in slices.items()}
    except SafetensorError as error:
        raise ValueError(f"{file} is truncated or not a safetensors file ({error}); download it again") from error
    for name, dtype in dtypes.items():
        if dtype not in SUPPORTED_DTYPES:
            raise ValueError(
                f"tensor {name!r} in {file} has type {dtype}, which is not supported; "
                f"supported are {', '.join(SUPPORTED_DTYPES)}"
            )
    return shapes


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; ValueError, one sentence, if there is none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{file} holds lists or objects too deep to be read") from error
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} must hold a JSON object, not a {type(content).__name__}")
    return content
