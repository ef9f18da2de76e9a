"""GGUF files: header, metadata and tensors of the weight format of llama.cpp.

The header is read here, in one pass, because that is what tells a truncated file from a whole one before any tensor is
touched (the reader of the `gguf` package fails somewhere inside NumPy then, and takes 2.5 s for SmolLM2's vocabulary);
the quantised blocks are decoded by the `gguf` package.

Format: GGUF specification, versions 2 and 3, little-endian, in the documentation of ggml.
"""

import dataclasses
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np

SUPPORTED_TENSOR_TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q4_K", "Q6_K")
"""Encodings whose decoding is tested; others are refused by name."""

# struct letters of the scalar metadata types, by their number in the format; 8 is a string and 9 an array.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

# What a damaged length may not ask for. A vocabulary of 262144 tokens with its merges takes 16 MB.
_LARGEST_HEADER_BYTE, _DEEPEST_ARRAY, _MOST_DIMENSIONS = 1 << 26, 4, 8


@dataclasses.dataclass(frozen=True)
class GgufTensor:
    """Where one tensor lies in the file, and how it is encoded."""

    name: str
    shape: tuple[int, ...]
    """In C order: the outputs of a linear layer first, its inputs last."""
    encoding: str
    offset_byte: int
    size_byte: int
    """Bytes that the encoded tensor takes."""


@dataclasses.dataclass(frozen=True)
class GgufFile:
    """A GGUF file that is known to be whole and to hold supported tensors only; tensors are read on demand."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, GgufTensor]

    def read(self, name: str) -> np.ndarray:
        """One tensor as float32 in its own shape, decoded; never a view of the file."""
        from gguf import GGMLQuantizationType
        from gguf.quants import dequantize

        tensor = self.tensors[name]
        raw = np.memmap(self.path, mode="r", offset=tensor.offset_byte, shape=(tensor.size_byte,))
        if tensor.encoding in ("F32", "F16"):
            values = raw.view("<f4" if tensor.encoding == "F32" else "<f2").reshape(tensor.shape)
            return np.array(values, dtype=np.float32)
        rows = np.asarray(raw).reshape(*tensor.shape[:-1], -1)
        # Damaged scales are no numbers; who reads the values sees that, and NumPy need not say it too.
        with np.errstate(all="ignore"):
            return dequantize(rows, GGMLQuantizationType[tensor.encoding]).reshape(tensor.shape)


def open_gguf(path: Path) -> GgufFile:
    """Reads the header of a GGUF file and checks that every tensor lies inside the file.

    ValueError, one sentence, for a file that is not GGUF, of another version or byte order, truncated, with a tensor
    encoding outside SUPPORTED_TENSOR_TYPES, or with a row that is not a whole number of blocks.
    """
    size_byte = path.stat().st_size
    if size_byte < 24:
        raise ValueError(f"{path} is not a GGUF file: it holds {size_byte} bytes, less than the header of one")
    header = _Header(path, size_byte)
    header.check_magic()
    tensor_count, field_count = header.scalar("Q"), header.scalar("Q")
    metadata = {}
    for _ in range(field_count):
        key = header.string()
        metadata[key] = header.value(header.scalar("I"))
    entries = [header.tensor_entry() for _ in range(tensor_count)]
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1:
        raise ValueError(f"general.alignment in {path} must be a positive integer, not {alignment!r}")
    data_start = -(-header.position // alignment) * alignment
    tensors = {name: _place(path, name, shape, kind, data_start + offset) for name, shape, kind, offset in entries}
    if len(tensors) != tensor_count:
        raise ValueError(f"{path} names a tensor twice")
    promised = max((t.offset_byte + t.size_byte for t in tensors.values()), default=data_start)
    if promised > size_byte:
        raise ValueError(
            f"{path} is truncated: it holds {size_byte} bytes and its header promises {promised}; download it again"
        )
    return GgufFile(path, metadata, tensors)


def _place(path: Path, name: str, shape: tuple[int, ...], kind: int, offset_byte: int) -> GgufTensor:
    """Extent of one tensor in the file, from the block size of its encoding."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        encoding = GGMLQuantizationType(kind)
    except ValueError:
        known = False
        label = f"number {kind}"
    else:
        label = encoding.name
        known = label in SUPPORTED_TENSOR_TYPES
    if not known:
        raise ValueError(
            f"tensor {name!r} in {path} has type {label}, which is not supported; "
            f"supported are {', '.join(SUPPORTED_TENSOR_TYPES)}"
        )
    block, block_byte = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    if not shape or shape[-1] % block:
        raise ValueError(f"tensor {name!r} in {path} has shape {shape}; {label} needs rows of a multiple of {block}")
    return GgufTensor(name, shape, label, offset_byte, math.prod(shape) // block * block_byte)


class _Header:
    """A cursor over the bytes of a GGUF header."""

    def __init__(self, path: Path, size_byte: int) -> None:
        self.path, self.size_byte, self.position = path, size_byte, 0
        self.data = np.memmap(path, mode="r")

    def check_magic(self) -> None:
        if self.take(4) != b"GGUF":
            raise ValueError(
                f"{self.path} does not start with the letters GGUF: give a GGUF file, or a Hugging Face folder"
            )
        version = self.scalar("I")
        if version not in (2, 3):
            raise ValueError(f"{self.path} has GGUF version {version}; little-endian versions 2 and 3 are supported")

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > self.size_byte:
            raise ValueError(
                f"{self.path} is truncated: its header goes on beyond the {self.size_byte} bytes that the file holds; "
                "download it again"
            )
        if end > _LARGEST_HEADER_BYTE:
            raise ValueError(f"{self.path} is damaged: its header asks for more than {_LARGEST_HEADER_BYTE >> 20} MiB")
        piece = self.data[self.position : end].tobytes()
        self.position = end
        return piece

    def scalar(self, letter: str) -> Any:
        return struct.unpack("<" + letter, self.take(struct.calcsize("<" + letter)))[0]

    def string(self) -> str:
        raw = self.take(self.scalar("Q"))
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.path} is damaged: its header holds a string that is not UTF-8") from error

    def value(self, kind: int, depth: int = 0) -> Any:
        if kind in _SCALARS:
            return self.scalar(_SCALARS[kind])
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            if depth == _DEEPEST_ARRAY:
                raise ValueError(f"{self.path} is damaged: its header nests arrays more than {_DEEPEST_ARRAY} deep")
            element, count = self.scalar("I"), self.scalar("Q")
            if element in _SCALARS:
                letter = _SCALARS[element]
                return list(struct.unpack(f"<{count}{letter}", self.take(count * struct.calcsize("<" + letter))))
            return [self.value(element, depth + 1) for _ in range(count)]
        raise ValueError(f"{self.path} is damaged: its header holds a value of the unknown type {kind}")

    def tensor_entry(self) -> tuple[str, tuple[int, ...], int, int]:
        name = self.string()
        dimensions = self.scalar("I")
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError(f"{self.path} is damaged: its header holds a tensor of {dimensions} dimensions")
        extents = struct.unpack(f"<{dimensions}Q", self.take(8 * dimensions))
        return name, tuple(reversed(extents)), self.scalar("I"), self.scalar("Q")
