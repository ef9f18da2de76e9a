"""Folders of encoders: what is read, what is left aside, what is refused."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models.encoder.config import EncoderConfig
from models.encoder.load import check_encoder, load_encoder
from tests.models.encoder import tiny_encoders as tiny


def rewritten(folder: Path, change: Callable[[dict], dict], config: dict = tiny.BERT) -> Path:
    """A folder whose tensors went through `change`."""
    tiny.write_encoder(folder, config)
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file)
    return folder


def test_the_shape_of_a_model(tmp_path):
    stored = check_encoder(tiny.write_encoder(tmp_path))
    assert stored.config == EncoderConfig(
        layers=2,
        width=32,
        heads=4,
        hidden_width=64,
        vocabulary=len(tiny.TOKENS),
        context=64,
        position_offset=0,
        kinds=2,
        activation="gelu",
        norm_epsilon=1e-12,
        pooling="mean",
        labels=("negative", "neutral", "positive"),
    )
    assert len(stored.sha256) == 64
    roberta = check_encoder(tiny.write_encoder(tmp_path / "roberta", tiny.ROBERTA)).config
    assert (roberta.context, roberta.position_offset, roberta.activation) == (64, 2, "gelu_tanh")


def test_defaults_are_those_of_bert_base():
    config = EncoderConfig.from_huggingface({"model_type": "bert"}, classes=0, pooling="mean")
    # Devlin et al., 2019, section 3: 110 million; with the pooler (0.59 million) 109.48.
    assert config.parameters == 108_891_648


def test_names_without_a_prefix_old_norms_and_foreign_heads_are_read(tmp_path):
    def old(tensors: dict) -> dict:
        # A model saved without a task, by an old version, with its buffer of integers and a language model's head.
        kept = {name.removeprefix("bert."): value for name, value in tensors.items() if name != "classifier.weight"}
        for new, letters in (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta")):
            kept = {name.replace(new, letters): value for name, value in kept.items()}
        kept["embeddings.position_ids"] = np.arange(64)[None]
        return kept | {"cls.predictions.bias": np.zeros(3, np.float32)}

    plain = load_encoder(tiny.write_encoder(tmp_path / "new"), head=False)
    other = load_encoder(rewritten(tmp_path / "old", old))
    assert other.config.labels == () and other.model.classifier is None
    norms = [one.model.layers.mlp_norm.scale[...] for one in (plain, other)]
    np.testing.assert_array_equal(*norms)
    assert np.ptp(norms[0]) > 0.5


def test_padding_and_cutting_in_a_tokenizer_are_switched_off(tmp_path):
    tiny.write_encoder(tmp_path)
    tokenizer = tiny.word_tokenizer()
    tokenizer.enable_padding(length=32)
    tokenizer.enable_truncation(4)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    stored = check_encoder(tmp_path)
    assert stored.tokenizer is not None
    assert stored.tokenizer.encode("the light is bright").ids == [2, 5, 6, 8, 10, 3]


@pytest.mark.parametrize(("mean", "cls", "expected"), [(True, False, "mean"), (False, True, "cls")])
def test_pooling_as_sentence_transformers_state_it(tmp_path, mean, cls, expected):
    tiny.write_encoder(tmp_path)
    (tmp_path / "1_Pooling").mkdir()
    stated = {"pooling_mode_mean_tokens": mean, "pooling_mode_cls_token": cls}
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(stated))
    assert check_encoder(tmp_path).config.pooling == expected


def without(name: str) -> Callable[[dict], dict]:
    return lambda tensors: {key: value for key, value in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (without("bert.encoder.layer.1.output.dense.bias"), "missing: encoder.layer.1.output.dense.bias"),
        (lambda tensors: tensors | {"bert.extra": np.zeros(2, np.float32)}, "not expected: extra"),
        (
            lambda tensors: tensors | {"bert.embeddings.word_embeddings.weight": np.zeros((9, 32), np.float32)},
            r"wrong shape: embeddings.word_embeddings.weight \(9, 32\) instead of \(\d+, 32\)",
        ),
        (lambda tensors: tensors | {"classifier.weight": np.zeros((4, 32), np.float32)}, "must name the 4 classes"),
        (lambda tensors: tensors | {"embeddings.LayerNorm.beta": np.zeros(32, np.float32)}, "a second time"),
        (lambda tensors: tensors | {"classifier.bias": np.zeros(3, np.int64)}, "has type I64, which is not supported"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path, change, expected):
    with pytest.raises(ValueError, match=expected):
        check_encoder(rewritten(tmp_path, change))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"model_type": "distilbert"}, "'model_type' in config.json is 'distilbert'; supported: 'bert', 'roberta'"),
        ({"hidden_act": "relu"}, "'hidden_act' in config.json is 'relu'"),
        ({"position_embedding_type": "relative_key"}, "relative_key"),
        ({"is_decoder": True}, "is_decoder"),
        ({"num_hidden_layers": "two"}, "must be one integer, not 'two'"),
        ({"hidden_size": 30}, r"width \(30\) must be a multiple of heads \(4\)"),
        ({"layer_norm_eps": 0}, "norm_epsilon must be above 0"),
        ({"num_hidden_layers": 0}, "layers of an encoder must be a positive integer, not 0"),
        ({"vocab_size": 10}, "wrong shape"),
        ({"id2label": {"0": "a", "1": "b", "2": "a"}}, "the same name"),
    ],
)
def test_configurations_that_are_not_supported_are_refused(tmp_path, change, expected):
    tiny.write_encoder(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**tiny.BERT, **change}))
    with pytest.raises(ValueError, match=expected) as refusal:
        check_encoder(tmp_path)
    assert str(tmp_path) in str(refusal.value)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_incomplete_and_damaged_folders_are_refused(tmp_path, file):
    tiny.write_encoder(tmp_path)
    content = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=file):
        check_encoder(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(ValueError, match=file):
        check_encoder(tmp_path)


def test_a_folder_is_checked_without_jax(tmp_path):
    tiny.write_encoder(tmp_path)
    code = (
        f"import sys; from models.encoder.load import check_encoder; check_encoder({str(tmp_path)!r}); "
        "print(sorted({'jax', 'flax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
