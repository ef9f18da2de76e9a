"""Tiny IDX files in the form of MNIST, for tests only: they stand for nothing."""

import gzip
import struct
from collections.abc import Sequence
from pathlib import Path


def idx(shape: Sequence[int], content: bytes) -> bytes:
    """An IDX file of unsigned bytes."""
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + content


def write_folder(folder: Path, parts: dict[str, tuple[Sequence[bytes], bytes]], side: int, packed: bool) -> Path:
    """The files of "train" and "t10k": images as bytes of side x side pixels, and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, (images, labels) in parts.items():
        files = {
            f"{part}-images-idx3-ubyte": idx((len(images), side, side), b"".join(images)),
            f"{part}-labels-idx1-ubyte": idx((len(labels),), labels),
        }
        for name, content in files.items():
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(content, 1) if packed else content)
    return folder
