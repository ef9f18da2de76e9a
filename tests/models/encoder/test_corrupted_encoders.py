"""Folders of encoders that are wrong in ways nobody thought of: checked, or refused in one line."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.encoder.load import check_encoder
from models.vision.load import check_vision
from tests.corruption import HOSTILE_INTEGERS, damaged_bytes, damaged_document, fuzzed, json_of, refused, values
from tests.models.encoder import tiny_encoders as tiny

CHECKS: dict[str, Any] = {"bert": check_encoder, "roberta": check_encoder, "vit": check_vision}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Good folders of which each test damages one file."""
    root = tmp_path_factory.mktemp("damaged")
    tiny.write_encoder(root / "bert")
    tiny.write_encoder(root / "roberta", tiny.ROBERTA)
    tiny.write_vision(root / "vit")
    pooling = root / "bert" / "1_Pooling"
    pooling.mkdir()
    (pooling / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return {kind: root / kind for kind in CHECKS}


def check_with(folder: Path, name: str, content: bytes) -> str | None:
    """The check of a folder in which one file has another content; undone afterwards. Weights are read as well."""
    file = folder / name
    before = file.read_bytes()

    def read() -> None:
        for _ in CHECKS[folder.name](folder).parameters():
            pass

    try:
        file.write_bytes(content)
        return refused(read)
    finally:
        file.write_bytes(before)


def documents(content: bytes) -> st.SearchStrategy[bytes]:
    """Contents of a JSON file: any value in any of its fields, other fields, other documents, damaged bytes."""
    good = json.loads(content)
    known = [*good, "position_embedding_type", "is_decoder", "do_rescale", "rescale_factor", "pooling_mode_cls_token"]
    field = st.tuples(st.sampled_from(known), st.one_of(values, st.sampled_from(HOSTILE_INTEGERS)))
    changed = st.lists(field, min_size=1, max_size=2).map(lambda changes: json_of(good | dict(changes)).encode())
    return st.one_of(
        changed,
        damaged_document(good).map(lambda document: json_of(document).encode()),
        damaged_bytes(content),
        values.map(lambda value: json_of(value).encode()),
    )


def weights(content: bytes) -> st.SearchStrategy[bytes]:
    """Contents of `model.safetensors`: the table that its header is, or bytes of the header, damaged."""
    (length,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + length]), content[8 + length :]

    @st.composite
    def one_tensor(draw: st.DrawFn) -> bytes:
        copy = json.loads(json.dumps(header))
        entry = copy[draw(st.sampled_from(sorted(copy)))]
        key = draw(st.sampled_from(["dtype", "shape", "data_offsets"]))
        ends = st.lists(st.sampled_from(HOSTILE_INTEGERS), max_size=3)
        entry[key] = draw(st.sampled_from(["F64", "I64", "BOOL", "F16", "f32"]) if key == "dtype" else ends)
        return assembled(copy)

    def assembled(table: Any) -> bytes:
        raw = json_of(table).encode()
        return struct.pack("<Q", len(raw)) + raw + body

    return st.one_of(damaged_document(header).map(assembled), one_tensor(), damaged_bytes(content, length + 8))


FILES = [
    ("bert", "config.json"),
    ("bert", "1_Pooling/config.json"),
    ("roberta", "config.json"),
    ("vit", "config.json"),
    ("vit", "preprocessor_config.json"),
]


def fuzz(data: st.DataObject, folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    check_with(folder, name, data.draw((weights if name.endswith(".safetensors") else documents)(content)))


@pytest.mark.parametrize(("kind", "name"), [*FILES, ("bert", "model.safetensors"), ("vit", "model.safetensors")])
@fuzzed(40)
@given(data=st.data())
def test_damaged_folders(folders, kind, name, data):
    fuzz(data, folders[kind], name)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), [*FILES, ("bert", "model.safetensors"), ("vit", "model.safetensors")])
@fuzzed(400)
@given(data=st.data())
def test_damaged_folders_at_length(folders, kind, name, data):
    fuzz(data, folders[kind], name)


@pytest.mark.parametrize("kind", CHECKS)
def test_undamaged_folders_are_read(folders, kind):
    assert check_with(folders[kind], "config.json", (folders[kind] / "config.json").read_bytes()) is None


@pytest.mark.parametrize("change", [{"num_hidden_layers": 10**9}, {"model_type": ["bert"]}, {"id2label": {"0": []}}])
def test_cursed_configurations_are_refused(folders, change):
    for kind in CHECKS:
        config = json.loads((folders[kind] / "config.json").read_text())
        assert check_with(folders[kind], "config.json", json_of(config | change).encode()) is not None


def test_a_scalar_where_the_classifier_should_be_is_refused(folders):
    for kind, name in (("bert", "classifier.weight"), ("vit", "classifier.weight")):
        content = (folders[kind] / "model.safetensors").read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        header[name]["shape"] = []
        raw = json.dumps(header).encode()
        assert check_with(folders[kind], "model.safetensors", struct.pack("<Q", len(raw)) + raw + content[8 + length :])


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("vit", {"num_hidden_layers": 2**24}),
        ("vit", {"num_channels": 10**12}),
        ("vit", {"model_type": "v" * 10**6}),
        ("bert", {"layer_norm_eps": 10**400}),
        ("bert", {"id2label": 3}),
    ],
)
def test_numbers_beyond_any_model_are_refused_at_once(folders, kind, change):
    config = json.loads((folders[kind] / "config.json").read_text())
    message = check_with(folders[kind], "config.json", json_of(config | change).encode())
    assert message is not None and str(folders[kind]) in message


def test_trillions_of_empty_classes_are_refused(folders):
    content = (folders["vit"] / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    header["classifier.weight"] = {"dtype": "F32", "shape": [10**12, 0], "data_offsets": [0, 0]}
    raw = json_of(header).encode()
    assert check_with(folders["vit"], "model.safetensors", struct.pack("<Q", len(raw)) + raw + content[8 + length :])


def test_weights_that_are_no_numbers_are_refused(tmp_path):
    tensors = tiny.random_tensors(tiny.bert_shapes(tiny.BERT))
    name = next(name for name in tensors if name.endswith("layer.1.output.dense.weight"))
    tensors[name][0, 3] = float("nan")
    folder = tiny.write_encoder(tmp_path / "bert", tiny.BERT, tensors)
    with pytest.raises(ValueError, match=r"layer\..*output\.dense\.weight.* holds values that are not finite"):
        list(check_encoder(folder).parameters())
