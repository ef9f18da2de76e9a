"""The four IDX files of MNIST: found, read, and told from any other data set. Standard library only.

LeCun, Cortes, Burges, The MNIST database of handwritten digits: 60,000 and 10,000 images of 28 x 28 pixels. Data sets
of the same form (Fashion-MNIST, KMNIST, EMNIST) have other numbers of each digit and are refused.
"""

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from experiments.errors import RequestError

TRAIN, TEST = "train", "t10k"
# How often each digit occurs.
_DIGITS = {
    TRAIN: (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949),
    TEST: (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009),
}
_SIDE = 28
_UNSIGNED_BYTE = 0x08


class Idx(NamedTuple):
    """An IDX file of bytes: its shape, and the bytes in row order."""

    shape: tuple[int, ...]
    content: bytes


def check_mnist(folder: Path) -> str:
    """SHA-256 over the contents of the four files; RequestError where they are absent, damaged, or of other data."""
    digest = hashlib.sha256()
    for part, digits in _DIGITS.items():
        images, labels = read_part(folder, part)
        count = sum(digits)
        if images.shape != (count, _SIDE, _SIDE) or labels.shape != (count,):
            raise RequestError(
                f"--mnist {folder}: the {part} files hold images {images.shape} and labels {labels.shape}; "
                f"MNIST has {(count, _SIDE, _SIDE)} and {(count,)}"
            )
        found = tuple(labels.content.count(digit) for digit in range(10))
        if found != digits:
            raise RequestError(
                f"--mnist {folder} is not MNIST: its {part} labels occur {found} times, those of MNIST {digits}; "
                "no other data set stands in for it"
            )
        digest.update(images.content + labels.content)
    return digest.hexdigest()


def read_part(folder: Path, part: str) -> tuple[Idx, Idx]:
    """Images (count, rows, columns) and labels (count,) of "train" or "t10k"; RequestError as in `check_mnist`."""
    return _read(folder, f"{part}-images", "idx3-ubyte"), _read(folder, f"{part}-labels", "idx1-ubyte")


def _read(folder: Path, start: str, form: str) -> Idx:
    # Both spellings are in use: train-images-idx3-ubyte and train-images.idx3-ubyte.
    names = [f"{start}{mark}{form}{ending}" for mark in "-." for ending in ("", ".gz")]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise RequestError(f"--mnist {folder} holds no {names[0]}, compressed (.gz) or not")
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        return parsed(content)
    except OSError as error:
        raise RequestError(f"--mnist {path} cannot be read ({error.strerror or error})") from error
    except (EOFError, zlib.error, ValueError) as error:
        raise RequestError(f"--mnist {path} is damaged: {error}") from error


def parsed(content: bytes) -> Idx:
    """An IDX file of unsigned bytes: two zeros, 0x08, rank, sizes as big-endian 32-bit numbers, data.

    ValueError for anything else, and for data that is shorter or longer than the sizes say.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _UNSIGNED_BYTE:
        raise ValueError("it is no IDX file of bytes")
    rank = content[3]
    start = 4 + 4 * rank
    if len(content) < start:
        raise ValueError("it ends within its header")
    shape = struct.unpack(f">{rank}I", content[4:start])
    if len(content) - start != math.prod(shape):
        raise ValueError(f"it has {len(content) - start} bytes of data, and its header says {shape}")
    return Idx(shape, content[start:])
