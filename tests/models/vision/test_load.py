"""Folders of vision transformers: what is read, what is refused."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models.vision.config import VisionConfig
from models.vision.load import check_vision
from tests.models.encoder import tiny_encoders as tiny


def test_the_shape_of_a_model(tmp_path):
    config = check_vision(tiny.write_vision(tmp_path)).config
    assert (config.patches, config.tokens, config.labels) == (9, 10, ("bar", "dot"))
    assert config.channel_mean == (0.5, 0.4, 0.3)
    assert config.channel_deviation == (0.5, 0.25, 0.2)
    (tmp_path / "preprocessor_config.json").unlink()
    assert check_vision(tmp_path).config.channel_mean == (0.5, 0.5, 0.5)
    (tmp_path / "preprocessor_config.json").write_text('{"do_normalize": false}')
    assert check_vision(tmp_path).config.channel_deviation == (1.0, 1.0, 1.0)


def test_defaults_are_those_of_vit_base():
    labels = {"id2label": {str(number): f"class {number}" for number in range(1000)}}
    config = VisionConfig.from_huggingface({"model_type": "vit", **labels}, {}, classes=1000)
    # Dosovitskiy et al., 2021, table 1: 86 million; with a classifier of a thousand classes 86.57.
    assert config.parameters == 86_567_656


def test_a_model_without_a_classifier_and_with_heads_of_pre_training(tmp_path):
    tiny.write_vision(tmp_path)
    file = tmp_path / "model.safetensors"
    kept = {name: value for name, value in load_file(file).items() if not name.startswith("classifier")}
    save_file(kept | {"vit.pooler.dense.bias": np.zeros(32, np.float32)}, file)
    assert check_vision(tmp_path).config.labels == ()


@pytest.mark.parametrize(
    ("config", "preprocessor", "expected"),
    [
        ({"model_type": "deit"}, {}, "'model_type' in config.json is 'deit'; supported: 'vit'"),
        ({"image_size": [12, 16]}, {}, "'image_size' in config.json must be one integer"),
        ({"patch_size": 5}, {}, r"image_size \(12\) must be a multiple of patch_size \(5\)"),
        ({"num_channels": 1}, {}, "one number for each of 1"),
        ({"hidden_act": "quick_gelu"}, {}, "quick_gelu"),
        ({}, {"image_mean": 0.5}, "'image_mean' in preprocessor_config.json must be a list"),
        ({}, {"image_std": [0.5, 0.0, 0.5]}, "channel_deviation must be above 0"),
        ({}, {"rescale_factor": 1.0}, "must be 1/255"),
        ({}, {"do_rescale": False}, "do_rescale"),
        ({"image_size": 16}, {}, "wrong shape"),
    ],
)
def test_configurations_that_are_not_supported_are_refused(tmp_path, config, preprocessor, expected):
    tiny.write_vision(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**tiny.VIT, **config}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**tiny.PREPROCESSOR, **preprocessor}))
    with pytest.raises(ValueError, match=expected) as refusal:
        check_vision(tmp_path)
    assert str(tmp_path) in str(refusal.value)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_incomplete_folders_are_refused(tmp_path, file):
    tiny.write_vision(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(ValueError, match=file):
        check_vision(tmp_path)
