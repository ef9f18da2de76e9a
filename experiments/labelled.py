"""Labelled samples that a user gives: a CSV file of texts or of paths of images, or a folder of images by class."""

import csv
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from experiments.errors import RequestError

IMAGE_SUFFIXES = (".png", ".npy")
"""Kinds of image files that are read."""

_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Labelled:
    """Samples as they were given.

    Attributes:
        source: where they come from, in words.
        values: texts, or paths of images.
        places: where each stands, in words, for refusals.
        labels: what each is said to be; None where nothing was said.
    """

    source: str
    values: tuple[str, ...]
    places: tuple[str, ...]
    labels: tuple[str, ...] | None

    def numbers(self, known: Sequence[str]) -> list[int]:
        """Labels as indices of the classes `known`; a label may be a name or its index.

        RequestError for a label that is neither, with the place and the labels that there are.
        """
        assert self.labels is not None, "asked for only where labels were required"
        table = {str(index): index for index in range(len(known))} | {name: index for index, name in enumerate(known)}
        for label, place in zip(self.labels, self.places, strict=True):
            if label not in table:
                more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
                raise RequestError(
                    f"{place} has the label {label!r}, which the model does not know; it knows "
                    f"{', '.join(map(repr, known[:_SHOWN]))}{more}, or their indices from 0"
                )
        return [table[label] for label in self.labels]


def read_texts(path: Path, *, labels: bool) -> Labelled:
    """Texts from the column `text` of a CSV file, with the column `label` where `labels` asks for it."""
    if os.path.isdir(path):
        raise RequestError(f"--data {path} is a folder; texts are read from a CSV file with the columns text,label")
    return _read_csv(path, "text", labels)


def read_images(path: Path, *, labels: bool) -> Labelled:
    """Paths of images from a CSV file (columns path,label) or a folder with one folder of images per class.

    Relative paths in a file start at its own folder. Without a need for labels images may lie in the folder itself.
    """
    if os.path.isdir(path):
        return _read_folder(path, labels)
    given = _read_csv(path, "path", labels)
    return dataclasses.replace(given, values=tuple(str(path.parent / value) for value in given.values))


def _read_csv(path: Path, column: str, labels: bool) -> Labelled:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            missing = [name for name in (column, *(["label"] if labels else [])) if name not in names]
            if missing:
                raise RequestError(
                    f"--data {path} has no column {' and no column '.join(missing)}; its first line names "
                    f"{', '.join(map(str, names)) or 'nothing'}"
                )
            rows = [(reader.line_num, row) for row in reader]
    except FileNotFoundError:
        raise RequestError(f"--data {path}: there is no such file or folder") from None
    except OSError as error:
        raise RequestError(f"--data {path} cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise RequestError(f"--data {path} is not UTF-8 text (byte {error.start}); convert it first") from error
    except csv.Error as error:
        raise RequestError(f"--data {path} is not a CSV file ({error})") from error
    for number, row in rows:
        for name in (column, *(["label"] if labels else [])):
            if not (row[name] or "").strip():
                raise RequestError(f"--data {path}, line {number}, has no {name}")
    return Labelled(
        source=f"--data {path}",
        values=tuple(row[column] for _, row in rows),
        places=tuple(f"--data {path}, line {number}," for number, _ in rows),
        labels=tuple(row["label"].strip() for _, row in rows) if labels else None,
    )


def _read_folder(path: Path, labels: bool) -> Labelled:
    try:
        folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        loose = _images(path)
        if labels and not folders:
            raise RequestError(f"--data {path} holds no folders; images are read from one folder per class")
        if labels and loose:
            raise RequestError(f"{loose[0]} lies in no folder of a class; move it into one")
        files = [*loose, *(file for folder in folders for file in _images(folder))]
    except OSError as error:
        raise RequestError(f"--data {path} cannot be read ({error.strerror})") from error
    return Labelled(
        source=f"--data {path}",
        values=tuple(map(str, files)),
        places=tuple(map(str, files)),
        labels=tuple(file.parent.name for file in files) if labels else None,
    )


def _images(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file())
