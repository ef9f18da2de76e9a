"""Safetensors files written one tensor at a time, the same bytes for the same content.

The library's own writer wants all tensors in memory at once, and writes the texts of the header in an order that
differs from one process to the next, so that two equal models would have different hashes.

Format: the README of safetensors (8 bytes of header length, little-endian; a JSON header; the tensors without gaps).
"""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

# Element types by their letters in the format, in the order in which tensors are laid down: each then begins at a
# multiple of its own element's size.
_LETTERS = {"float32": "F32", "bfloat16": "BF16"}
_ALIGNMENT = 8


def write_safetensors(
    path: Path,
    tensors: Mapping[str, tuple[str, tuple[int, ...]]],
    read: Callable[[str], np.ndarray],
    metadata: Mapping[str, str],
) -> None:
    """Writes tensors, given by name as (dtype "float32" or "bfloat16", shape), with texts in the header.

    `read` is asked for one tensor after the other, by name, and must give it in its shape; it is rounded to the dtype
    (to nearest, ties to even). Metadata are {"format": "pt"}, without which some readers refuse the file, and those
    given. ValueError for metadata that are not texts or that name the format, for another shape than the one
    announced, and for values that are not finite.
    """
    texts = _texts(metadata)
    order = sorted(tensors, key=lambda name: (list(_LETTERS).index(tensors[name][0]), name))
    header: dict[str, object] = {"__metadata__": texts}
    end = 0
    for name in order:
        dtype, shape = tensors[name]
        start, end = end, end + math.prod(shape) * np.dtype(_element(dtype)).itemsize
        header[name] = {"dtype": _LETTERS[dtype], "shape": list(shape), "data_offsets": [start, end]}
    encoded = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    encoded += b" " * (-len(encoded) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little"))
        file.write(encoded)
        for name in order:
            dtype, shape = tensors[name]
            value = np.asarray(read(name))
            if value.shape != shape:
                raise ValueError(f"tensor {name!r} has the shape {value.shape}, not {shape}")
            stored = np.ascontiguousarray(value, dtype=_element(dtype))
            # Asked of what is stored: float32 near its limit becomes infinite in bfloat16.
            if stored.size and not (np.isfinite(stored.min()) and np.isfinite(stored.max())):
                raise ValueError(f"tensor {name!r} holds values that are not finite, so no reader would take it")
            file.write(stored.view(np.uint8).data)


def _texts(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, value in metadata.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValueError(f"the metadata of a safetensors file are texts by name, not {key!r}: {value!r}")
    if "format" in metadata:
        raise ValueError("the metadata of a safetensors file cannot state 'format': it is always 'pt' here")
    return {"format": "pt", **metadata}


def _element(dtype: str) -> type:
    if dtype == "float32":
        return np.float32
    import ml_dtypes  # what JAX has its bfloat16 from

    return ml_dtypes.bfloat16
