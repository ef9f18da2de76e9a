"""Folders of safetensors: one file or shards, and what is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from models.transformer.huggingface import INDEX, SINGLE, open_folder
from tests.models.transformer.tiny_folder import TINY, config_json, random_tensors, write_folder


@pytest.fixture
def sharded(tmp_path):
    return write_folder(tmp_path / "sharded", shards=3)


def test_shards_hold_what_the_single_file_holds(sharded, tiny_model_folder):
    single, parts = open_folder(tiny_model_folder), open_folder(sharded)
    assert single.shapes == parts.shapes
    assert len(set(parts.files.values())) == 3
    for name, value in random_tensors().items():
        np.testing.assert_array_equal(single.read(name), value)
        np.testing.assert_array_equal(parts.read(name), value)


def test_configuration_is_handed_on(tiny_model_folder):
    assert open_folder(tiny_model_folder).config == config_json(TINY)


def test_missing_shard_is_named(sharded):
    (sharded / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(ValueError, match=r"model-00002-of-00003\.safetensors is missing"):
        open_folder(sharded)


def test_shard_that_lacks_a_promised_tensor(sharded):
    index = json.loads((sharded / INDEX).read_text())
    index["weight_map"]["model.extra.weight"] = "model-00001-of-00003.safetensors"
    (sharded / INDEX).write_text(json.dumps(index))
    with pytest.raises(ValueError, match=r"lacks tensors that .* promises: model\.extra\.weight"):
        open_folder(sharded)


def test_tensor_in_two_shards(sharded):
    tensors = random_tensors()
    save_file(tensors, sharded / "model-00001-of-00003.safetensors")
    with pytest.raises(ValueError, match="holds tensors that another file holds as well"):
        open_folder(sharded)


def test_index_without_a_table(sharded):
    (sharded / INDEX).write_text("{}")
    with pytest.raises(ValueError, match="has no table weight_map"):
        open_folder(sharded)


def test_integer_weights_are_refused_by_name(tmp_path):
    folder = write_folder(tmp_path / "model")
    save_file({"codes": np.zeros((2, 2), np.int8)}, folder / SINGLE)
    with pytest.raises(ValueError, match=r"'codes' in .* has type I8, .* supported are F32, F16, BF16"):
        open_folder(folder)
