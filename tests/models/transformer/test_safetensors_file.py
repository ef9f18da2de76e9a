"""Safetensors files against the library's own reader, and their bytes against one another."""

import ml_dtypes
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from models.transformer.safetensors_file import write_safetensors

RANDOM = np.random.default_rng(5)
VALUES = {
    "b": RANDOM.standard_normal((3, 5)).astype(np.float32),
    "a": RANDOM.standard_normal(7).astype(np.float32),
    "ä.scalar": np.float32(2.5).reshape(()),
    "empty": np.zeros((0, 4), np.float32),
}
TENSORS = {name: ("bfloat16" if name == "b" else "float32", value.shape) for name, value in VALUES.items()}
METADATA = {"ranges": '{"é": [1, 2]}', "engine": "free-space", **{f"text {i}": str(i) for i in range(20)}}


def write(path, tensors=TENSORS, values=VALUES, metadata=METADATA):
    write_safetensors(path, tensors, values.__getitem__, metadata)
    return path


def test_the_library_reads_what_was_written(tmp_path):
    path = write(tmp_path / "x")
    read = load_file(path)
    assert read.keys() == VALUES.keys()
    for name, value in VALUES.items():
        rounded = value.astype(ml_dtypes.bfloat16) if name == "b" else value
        assert read[name].dtype == rounded.dtype
        np.testing.assert_array_equal(read[name].astype(np.float32), rounded.astype(np.float32))
    with safe_open(path, framework="np") as file:
        assert file.metadata() == METADATA | {"format": "pt"}


def test_bytes_are_those_of_the_library(tmp_path):
    ascii_only = {name: value for name, value in VALUES.items() if name.isascii() and value.size}
    stored = {name: value.astype(ml_dtypes.bfloat16) if name == "b" else value for name, value in ascii_only.items()}
    save_file(stored, tmp_path / "theirs", {"format": "pt"})
    ours = write(tmp_path / "ours", {name: TENSORS[name] for name in ascii_only}, metadata={})
    assert ours.read_bytes() == (tmp_path / "theirs").read_bytes()


def test_tensors_begin_at_multiples_of_eight_or_their_size(tmp_path):
    content = write(tmp_path / "x").read_bytes()
    assert (8 + int.from_bytes(content[:8], "little")) % 8 == 0
    assert content.index(VALUES["a"].tobytes()) % 4 == 0  # behind nothing of an odd number of bfloat16


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"a": 1}, "are texts by name, not 'a': 1"),
        ({1: "a"}, "are texts by name, not 1: 'a'"),
        ({"format": "np"}, "cannot state 'format'"),
    ],
)
def test_refused_metadata(tmp_path, metadata, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "x", metadata=metadata)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("a", np.zeros(6, np.float32), r"'a' has the shape \(6,\), not \(7,\)"),
        ("a", np.full(7, np.nan, np.float32), "'a' holds values that are not finite"),
        ("b", np.full((3, 5), np.finfo(np.float32).max), "'b' holds values that are not finite"),  # 3.4028e38 in bf16
    ],
)
def test_refused_tensors(tmp_path, name, value, message):
    with pytest.raises(ValueError, match=message), np.errstate(over="ignore"):
        write(tmp_path / "x", values=VALUES | {name: value})
