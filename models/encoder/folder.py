"""What a Hugging Face folder of an encoder holds: its configuration, and tensors under names without a prefix."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from models.transformer.huggingface import open_folder
from models.transformer.messages import shortened

T = TypeVar("T")

# Old checkpoints call the two parameters of a layer norm by the letters of its paper.
_RENAMED = (("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"))


@dataclasses.dataclass(frozen=True)
class EncoderFolder:
    """A folder whose weight files are known to be whole; tensors are read on demand."""

    path: Path
    config: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    read: Callable[[str], np.ndarray]
    files: tuple[Path, ...]


def open_encoder_folder(path: Path, *, prefixes: tuple[str, ...], ignored: Callable[[str], bool]) -> EncoderFolder:
    """Reads the configuration and the headers of the weight files of a folder.

    The first of `prefixes` that a tensor's name starts with is cut off; tensors for whose name (then) `ignored` is true
    are left out, whatever their type. ValueError, one sentence, for a file that is missing or damaged, a tensor that
    the index promises and that is not there, an element type that is not supported.
    """
    folder = open_folder(path, needed=("config.json",), ignored=lambda name: ignored(_plain(name, prefixes)))
    stored: dict[str, str] = {}
    for name, file in folder.files.items():
        plain = _plain(name, prefixes)
        if plain in stored:
            raise ValueError(f"{file} holds the tensor {plain} a second time, as {name!r}")
        stored[plain] = name
    shapes = {plain: folder.shapes[name] for plain, name in stored.items()}
    files = tuple({*folder.files.values()})
    return EncoderFolder(path, folder.config, shapes, lambda plain: folder.read(stored[plain]), files)


def in_one_sentence(path: Path, read: Callable[[Path], T]) -> T:
    """`read(path)`; what goes wrong with the files becomes a ValueError of one short line."""
    try:
        return read(path)
    except (OSError, ValueError) as error:
        cause = f"the model {path} cannot be read: {error}" if isinstance(error, OSError) else str(error)
        raise ValueError(shortened(cause)) from error


def _plain(name: str, prefixes: tuple[str, ...]) -> str:
    for prefix in prefixes:
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            break
    for old, new in _RENAMED:
        name = name.replace(old, new)
    return name
