"""Model files that are wrong in ways nobody thought of: checked, or refused in one line, without reading far."""

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.transformer.checkpoint import read_parameters
from models.transformer.load import check_source
from tests.corruption import (
    HOSTILE_FLOATS,
    HOSTILE_INTEGERS,
    brackets,
    damaged_bytes,
    damaged_document,
    fuzzed,
    json_of,
    refused,
    texts,
    values,
)
from tests.models.transformer.tiny_folder import TINY, TOKENS, config_json, write_folder, write_gguf

INDEX = "model.safetensors.index.json"


def check(source: Path) -> str | None:
    """What the check, and reading all weights where it passes, say about a model."""

    def read() -> None:
        for _, value in read_parameters(check_source(source)):
            assert value.dtype == np.float32

    return refused(read)


# GGUF ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gguf_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("gguf") / "model.gguf")


def header_places(path: Path) -> list[tuple[int, int]]:
    """(offset, length) of every number and text in the header of a GGUF file, vocabulary left out but for its ends."""
    reader = gguf.GGUFReader(path)
    places = []
    for field in [*reader.fields.values(), *(tensor.field for tensor in reader.tensors)]:
        start, parts = field.offset, []
        for part in field.parts:
            parts.append((start, part.nbytes))
            start += part.nbytes
        places += parts[:12] + parts[-2:]
    return [(offset, length) for offset, length in places if length]


@st.composite
def damaged_header(draw: st.DrawFn, content: bytes, places: list[tuple[int, int]]) -> bytes:
    """`content` with other numbers in one to three places of the header."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        offset, length = draw(st.sampled_from(places))
        number = draw(st.one_of(st.sampled_from(HOSTILE_INTEGERS), st.integers(0, 40), st.integers(0, 2**64 - 1)))
        data[offset : offset + length] = (number % 2 ** (8 * length)).to_bytes(length, "little")
    return bytes(data)


def text_bytes(text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    return struct.pack("<Q", len(raw)) + raw


def value_bytes(kind: int, value: Any) -> bytes:
    """One value of the metadata: its type and its bytes; kinds as in the format, 9 for a list of (kind, value)."""
    return struct.pack("<I", kind) + payload(kind, value)


def payload(kind: int, value: Any) -> bytes:
    if kind == 8:
        return text_bytes(value)
    if kind == 9:
        inner = value[0][0] if value else 4
        return struct.pack("<IQ", inner, len(value)) + b"".join(payload(inner, item) for _, item in value)
    return struct.pack("<" + {4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 12: "d"}[kind], value)


def typed() -> st.SearchStrategy[tuple[int, Any]]:
    """(kind, value) of one value of the metadata, lists and lists of lists included."""
    plain = st.one_of(
        st.tuples(st.just(4), st.one_of(st.integers(0, 70), st.integers(0, 2**32 - 1))),
        st.tuples(st.just(5), st.integers(-(2**31), 2**31 - 1)),
        st.tuples(st.just(6), st.floats(width=32)),
        st.tuples(st.just(7), st.booleans()),
        st.tuples(
            st.just(8), st.one_of(texts, st.sampled_from(["llama", "gpt2", "smollm", "qwen2", "linear", "none"]))
        ),
        st.tuples(st.just(10), st.integers(0, 2**64 - 1)),
        st.tuples(st.just(12), st.floats()),
    )

    def lists(inner: st.SearchStrategy[tuple[int, Any]]) -> st.SearchStrategy[tuple[int, Any]]:
        several = st.lists(inner, max_size=3).map(lambda items: [item for item in items if item[0] == items[0][0]])
        return st.tuples(st.just(9), several)

    return st.recursive(plain, lists, max_leaves=4)


@st.composite
def other_metadata(draw: st.DrawFn, path: Path, typed: st.SearchStrategy[tuple[int, Any]], *names: str) -> bytes:
    """A whole GGUF file of the same tensors whose metadata hold, in some fields, values of other types."""
    content, reader = path.read_bytes(), gguf.GGUFReader(path)
    fields = {name: field for name, field in reader.fields.items() if not name.startswith("GGUF.")}
    pieces = {}
    for name, field in fields.items():
        end = field.offset + sum(part.nbytes for part in field.parts)
        pieces[name] = content[field.offset : end]
    for name in names or draw(st.lists(st.one_of(st.sampled_from(sorted(fields)), texts), min_size=1, max_size=2)):
        pieces[name] = text_bytes(name) + value_bytes(*draw(typed))
    if not names and draw(st.booleans()):
        pieces.pop(draw(st.sampled_from(sorted(pieces))))
    first, last = reader.tensors[0].field, reader.tensors[-1].field
    entries = content[first.offset : last.offset + sum(part.nbytes for part in last.parts)]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(reader.tensors), len(pieces)) + b"".join(pieces.values()) + entries
    return head + b"\0" * (-len(head) % 32) + content[reader.data_offset :]


def gguf_contents(path: Path) -> st.SearchStrategy[bytes]:
    content, places = path.read_bytes(), header_places(path)
    reach = places[-1][0] + places[-1][1]
    return st.one_of(damaged_header(content, places), other_metadata(path, typed()), damaged_bytes(content, reach))


def check_gguf(folder: Path, content: bytes) -> str | None:
    file = folder / "damaged.gguf"
    file.write_bytes(content)
    return check(file)


@fuzzed(150)
@given(data=st.data())
def test_damaged_gguf_files(gguf_file, data):
    check_gguf(gguf_file.parent, data.draw(gguf_contents(gguf_file)))


@pytest.mark.parametrize("field", ["tokens", "token_type", "merges"])
@fuzzed(10)
@given(data=st.data())
def test_vocabularies_of_other_things(gguf_file, field, data):
    count = len(TOKENS)
    item = st.sampled_from([(4, 7), (6, float("nan")), (7, True), (8, "a"), (9, []), (9, [(4, 1)])])
    same = item.map(lambda one: (9, [one] * count))
    content = data.draw(other_metadata(gguf_file, same, f"tokenizer.ggml.{field}"))
    check_gguf(gguf_file.parent, content)


@pytest.mark.slow
@fuzzed(1400)
@given(data=st.data())
def test_damaged_gguf_files_at_length(gguf_file, data):
    check_gguf(gguf_file.parent, data.draw(gguf_contents(gguf_file)))


def test_the_undamaged_gguf_file_is_read(gguf_file):
    assert check(gguf_file) is None
    # Taking it apart and putting it together changes nothing, so that the fuzzed ones are wrong where we want it.
    places = header_places(gguf_file)
    assert len(places) > 100
    assert max(offset + length for offset, length in places) < gguf_file.stat().st_size


def metadata_only(*pieces: bytes, tensors: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, len(pieces)) + b"".join(pieces)


def array_of(kind: int, count: int, body: bytes = b"") -> bytes:
    return text_bytes("key") + struct.pack("<IIQ", 9, kind, count) + body


CURSED_GGUF = {
    "arrays in arrays": metadata_only(text_bytes("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 30_000),
    "array without an end": metadata_only(array_of(4, 2**61)),
    "array of empty arrays": metadata_only(array_of(9, 2**40, struct.pack("<IQ", 4, 0) * 1000)),
    "text without an end": metadata_only(struct.pack("<Q", 2**63)),
    "more fields than bytes": b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63) + b"\0" * 1000,
    "more tensors than bytes": b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0) + b"\0" * 1000,
    "many dimensions": metadata_only(tensors=1) + text_bytes("t") + struct.pack("<I", 2**31) + b"\0" * 64,
    "huge dimensions": metadata_only(tensors=1) + text_bytes("t") + struct.pack("<IQQQQIQ", 4, *[2**63] * 4, 0, 0),
    "no dimensions": metadata_only(tensors=1) + text_bytes("t") + struct.pack("<IIQ", 0, 0, 0),
    "many empty dimensions": metadata_only(tensors=1) + text_bytes("t") + struct.pack("<I", 9000) + b"\0" * 72100,
    "alignment zero": metadata_only(text_bytes("general.alignment") + value_bytes(4, 0)),
    "alignment text": metadata_only(text_bytes("general.alignment") + value_bytes(8, "a" * 9999)),
}


@pytest.mark.parametrize("name", CURSED_GGUF)
def test_cursed_gguf_files_are_refused(tmp_path, name):
    message = check_gguf(tmp_path, CURSED_GGUF[name])
    assert message is not None and "damaged.gguf" in message


def test_an_array_that_fills_a_large_file_is_not_expanded(tmp_path):
    # Sparse: 3 GB that are nowhere. As Python numbers they would take ten times that.
    file = tmp_path / "damaged.gguf"
    file.write_bytes(metadata_only(array_of(0, 3 << 30)))
    with file.open("r+b") as stream:
        stream.truncate((3 << 30) + 200)
    assert check(file) is not None
    file.write_bytes(metadata_only(text_bytes("key") + struct.pack("<IQ", 8, 3 << 30)))
    with file.open("r+b") as stream:
        stream.truncate((3 << 30) + 200)
    assert check(file) is not None


# Folders ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good folder of which each test damages one file."""
    return write_folder(tmp_path_factory.mktemp("damaged") / "model")


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("damaged") / "model", shards=2)


def check_with(folder: Path, name: str, content: bytes) -> str | None:
    """The check of a folder in which one file has another content; undone afterwards."""
    file = folder / name
    before = file.read_bytes()
    try:
        file.write_bytes(content)
        return check(folder)
    finally:
        file.write_bytes(before)


def safetensors_of(header: Any, body: bytes) -> bytes:
    raw = header if isinstance(header, bytes) else json_of(header).encode()
    return struct.pack("<Q", len(raw)) + raw + body


def weights(folder: Path) -> st.SearchStrategy[bytes]:
    """Contents of `model.safetensors`: damaged in bytes of the header, or in the table that the header is."""
    content = (folder / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    kinds = st.sampled_from(["F64", "F8_E4M3", "F4", "I8", "BOOL", "BF16", "F16", "U64", "f32", "C64"])
    ends = st.lists(st.sampled_from(HOSTILE_INTEGERS), max_size=3)

    @st.composite
    def one_tensor(draw: st.DrawFn) -> bytes:
        copy = json.loads(json.dumps(header))
        entry = copy[draw(st.sampled_from(sorted(copy)))]
        key = draw(st.sampled_from(["dtype", "shape", "data_offsets"]))
        entry[key] = draw(kinds if key == "dtype" else ends)
        return safetensors_of(copy, body)

    table = damaged_document(header).map(lambda document: safetensors_of(document, body))
    return st.one_of(table, one_tensor(), damaged_bytes(content, length + 8))


_MORE_FIELDS = (
    *("rope_scaling", "rope_parameters", "partial_rotary_factor", "attention_bias", "mlp_bias", "quantization_config"),
    *("use_sliding_window", "sliding_window", "max_window_layers", "layer_types", "architectures", "hidden_act"),
)
_ROTARY_TYPES = st.one_of(st.sampled_from(["llama3", "linear", "default", "yarn"]), texts)
_ROTARY_NUMBERS = st.one_of(values, st.sampled_from([8.0, 1.0, 4.0, 8192, *HOSTILE_INTEGERS, *HOSTILE_FLOATS]))
_ROTARY: dict[Any, st.SearchStrategy] = dict.fromkeys(
    ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings", "rope_theta"), _ROTARY_NUMBERS
)


def configurations() -> st.SearchStrategy[bytes]:
    """Contents of `config.json`: any value in any field that the loader knows, or damaged bytes."""
    good = config_json(TINY)
    known = [*good, *_MORE_FIELDS]
    field = st.tuples(st.sampled_from(known), st.one_of(values, st.sampled_from(HOSTILE_INTEGERS)))
    family = st.sampled_from(["llama", "mistral", "qwen2", "qwen3", "bert", "vit"])
    rotary = st.tuples(st.just("rope_scaling"), st.fixed_dictionaries({"rope_type": _ROTARY_TYPES}, optional=_ROTARY))
    changes = st.lists(st.one_of(field, field, rotary), min_size=1, max_size=3)
    changed = st.builds(
        lambda family, changes: json_of(good | {"model_type": family} | dict(changes)).encode(), family, changes
    )
    return st.one_of(
        changed,
        damaged_document(good).map(lambda document: json_of(document).encode()),
        damaged_bytes(json_of(good).encode()),
        values.map(lambda value: json_of(value).encode()),
    )


def tokenizers(folder: Path) -> st.SearchStrategy[bytes]:
    content = (folder / "tokenizer.json").read_bytes()
    table = damaged_document(json.loads(content)).map(lambda document: json_of(document).encode())
    return st.one_of(table, damaged_bytes(content))


def indices(sharded: Path) -> st.SearchStrategy[bytes]:
    content = (sharded / INDEX).read_bytes()
    table = damaged_document(json.loads(content)).map(lambda document: json_of(document).encode())
    return st.one_of(table, damaged_bytes(content))


@fuzzed(150)
@given(data=st.data())
def test_damaged_weights(folder, data):
    check_with(folder, "model.safetensors", data.draw(weights(folder)))


@fuzzed(150)
@given(content=configurations())
def test_damaged_configurations(folder, content):
    check_with(folder, "config.json", content)


@fuzzed(75)
@given(data=st.data())
def test_damaged_tokenizers(folder, data):
    check_with(folder, "tokenizer.json", data.draw(tokenizers(folder)))


@fuzzed(75)
@given(data=st.data())
def test_damaged_indices(sharded, data):
    check_with(sharded, INDEX, data.draw(indices(sharded)))


@pytest.mark.slow
@fuzzed(600)
@given(data=st.data())
def test_damaged_weights_at_length(folder, data):
    check_with(folder, "model.safetensors", data.draw(weights(folder)))


@pytest.mark.slow
@fuzzed(600)
@given(content=configurations())
def test_damaged_configurations_at_length(folder, content):
    check_with(folder, "config.json", content)


@pytest.mark.slow
@fuzzed(200)
@given(data=st.data())
def test_damaged_tokenizers_at_length(folder, data):
    check_with(folder, "tokenizer.json", data.draw(tokenizers(folder)))


@pytest.mark.slow
@fuzzed(100)
@given(data=st.data())
def test_damaged_indices_at_length(sharded, data):
    check_with(sharded, INDEX, data.draw(indices(sharded)))


def test_undamaged_folders_are_read(folder, sharded):
    assert check(folder) is None
    assert check(sharded) is None


def changed(**fields: Any) -> bytes:
    return json_of(config_json(TINY) | fields).encode()


_LLAMA3 = {
    **{"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0},
    "original_max_position_embeddings": 8192,
}
_WINDOW = {"use_sliding_window": True, "sliding_window": 8}

CURSED_CONFIGURATIONS = {
    "deep": b'{"a": ' + brackets(100_000).encode() + b"}",
    "billions of layers": changed(num_hidden_layers=10**10),
    "a number of 400 digits": changed(rope_theta=10**400),
    "another one": changed(rms_norm_eps=10**400),
    "a number of 5000 digits": b'{"model_type": "llama", "hidden_size": ' + b"9" * 5000 + b"}",
    "a long text": changed(model_type="k" * 100_000),
    "heads without width": changed(num_attention_heads=10**30, head_dim=None),
    "a base below zero": changed(rope_scaling=_LLAMA3 | {"factor": 8.0, "rope_theta": -2.0}),
    "a base of nothing": changed(rope_scaling=_LLAMA3 | {"factor": 8.0, "rope_theta": 1e-320}),
    "stretched to infinity": changed(rope_scaling=_LLAMA3 | {"factor": float("inf")}),
    "very wide heads": changed(rope_scaling=_LLAMA3 | {"factor": 8.0}, head_dim=10**12),
    "wide heads": changed(rope_scaling=_LLAMA3 | {"factor": 8.0}, head_dim=2**24),
    "heads stretched": changed(rope_scaling={"rope_type": "linear", "factor": 2.0}, head_dim=2**40),
    "kinds of layers as a number": changed(model_type="qwen2", layer_types=3, **_WINDOW),
    "kinds of layers as lists": changed(model_type="qwen2", layer_types=[[1], [2]], **_WINDOW),
    "many layers with windows": changed(model_type="qwen2", num_hidden_layers=10**9, **_WINDOW),
    "not UTF-8": b'{"model_type": "\xff"}',
    "UTF-16": '{"model_type": "llama"}'.encode("utf-16"),
    "nothing": b"",
    "null bytes": b"\0" * 100,
}


@pytest.mark.parametrize("name", CURSED_CONFIGURATIONS)
def test_cursed_configurations_are_refused(folder, name):
    message = check_with(folder, "config.json", CURSED_CONFIGURATIONS[name])
    assert message is not None and str(folder) in message


CURSED_WEIGHTS = {
    "header longer than the file": struct.pack("<Q", 2**62) + b"{}",
    "header of negative length": struct.pack("<q", -1) + b"{}",
    "deep header": safetensors_of(b'{"a": ' + brackets(100_000).encode() + b"}", b""),
    "header of no table": safetensors_of([1, 2], b""),
    "no tensors": safetensors_of({}, b""),
    "one byte": b"\x08",
}


@pytest.mark.parametrize("name", CURSED_WEIGHTS)
def test_cursed_weights_are_refused(folder, name):
    message = check_with(folder, "model.safetensors", CURSED_WEIGHTS[name])
    assert message is not None and str(folder) in message


@pytest.mark.parametrize("file", ["../model.safetensors", "/dev/zero", "\0", "a" * 5000, ".", "", "\ud800"])
def test_an_index_that_points_elsewhere_is_refused(sharded, file):
    index = json.loads((sharded / INDEX).read_text())
    index["weight_map"]["model.norm.weight"] = file
    message = check_with(sharded, INDEX, json.dumps(index).encode())
    assert message is not None


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_in_place_of_a_file_is_refused(folder, tmp_path, name):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    (copy / name).unlink()
    (copy / name).mkdir()
    assert check(copy) is not None


@pytest.mark.parametrize("source", ["", ".", "/", "\0", "a" * 300, "\ud800", "~", "/dev/null"])
def test_names_of_no_model(tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    assert refused(lambda: check_source(source)) is not None
