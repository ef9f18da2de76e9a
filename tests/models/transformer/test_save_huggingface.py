"""Saved folders: the same parameters, logits and tokens when they are loaded again, and never half a model."""

import dataclasses
import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file

from models.transformer import save_huggingface as saving
from models.transformer.chat import render_chat, stop_tokens
from models.transformer.load import check_source, load_model
from models.transformer.save_huggingface import save_huggingface, saved_metadata
from models.transformer.stack import unroll
from tests.models.transformer.test_stack import noisy_model
from tests.models.transformer.tiny_folder import (
    END_OF_TEXT,
    TINY,
    TOKENS,
    byte_tokenizer,
    random_tensors,
    tiny_model,
    write_folder,
    write_gguf,
)

FAMILIES = {
    "tied": TINY,
    "untied": dataclasses.replace(TINY, tied_head=False),
    "biases": dataclasses.replace(TINY, query_key_value_bias=True, output_bias=True),
    "qwen2": dataclasses.replace(TINY, query_key_value_bias=True),
    "qwen3": dataclasses.replace(TINY, query_key_norm=True, head_width=16),
    "mistral": dataclasses.replace(TINY, window=3),
}
TEXT = f"the light of the lamp, thé 12 + 30{END_OF_TEXT}  then\n"
TEMPLATE = "{{ bos_token }}{{ messages[-1]['content'] }}{{ eos_token }}"

run = nnx.jit(lambda model, tokens: model(tokens), graph_updates=False)


def parameters(model) -> dict:
    return {path: np.asarray(value.get_value()) for path, value in nnx.to_flat_state(nnx.state(model, nnx.Param))}


def logits(loaded) -> np.ndarray:
    tokens = jnp.array([loaded.tokenizer.encode(TEXT, add_special_tokens=False).ids])
    return np.asarray(run(loaded.model, tokens))


def save_loaded(folder, loaded, **options):
    save_huggingface(folder, loaded.model, loaded.tokenizer, source=loaded.source, **options)
    return load_model(folder)


def check_equal(one, other):
    assert one.config == other.config
    first, second = parameters(one.model), parameters(other.model)
    assert first.keys() == second.keys()
    for path, value in first.items():
        np.testing.assert_array_equal(value, second[path])
    assert one.tokenizer.get_vocab() == other.tokenizer.get_vocab()
    for special in (False, True):
        encoded = (each.tokenizer.encode(TEXT, add_special_tokens=special).ids for each in (one, other))
        assert len({tuple(ids) for ids in encoded}) == 1


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("kind", ["gguf", "folder"])
def test_every_family_comes_back(tmp_path, config, kind):
    source = write_gguf(tmp_path / "x.gguf", config) if kind == "gguf" else write_folder(tmp_path / "x", config)
    loaded = load_model(source)
    again = save_loaded(tmp_path / "saved", loaded)
    check_equal(loaded, again)
    np.testing.assert_array_equal(logits(loaded), logits(again))


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_tensors_are_those_that_the_model_was_made_of(tmp_path, config):
    """Names, axes and row order: what goes in is what the transformers library would hold, whatever the source."""
    tensors = random_tensors(config)
    save_loaded(tmp_path / "saved", load_model(write_gguf(tmp_path / "x.gguf", config, tensors)))
    saved = load_file(tmp_path / "saved" / "model.safetensors")
    assert saved.keys() == tensors.keys()
    assert ("lm_head.weight" in saved) != config.tied_head
    for name, value in tensors.items():
        np.testing.assert_array_equal(saved[name], value)


def test_the_order_of_rotary_pairs_matters(tmp_path):
    """The test above could not fail if reordering changed nothing."""
    loaded = load_model(write_gguf(tmp_path / "x.gguf"))
    stored = loaded.source.read("blk.0.attn_q.weight")
    save_loaded(tmp_path / "saved", loaded)
    saved = load_file(tmp_path / "saved" / "model.safetensors")["model.layers.0.self_attn.q_proj.weight"]
    assert np.any(saved != stored)
    np.testing.assert_array_equal(np.sort(saved, axis=0), np.sort(stored, axis=0))


def test_bfloat16_is_what_holding_bfloat16_gives(tmp_path):
    config = FAMILIES["qwen2"]
    source = write_folder(tmp_path / "x", config)
    exact, held = load_model(source), load_model(source, dtype="bfloat16")
    again = save_loaded(tmp_path / "saved", exact, dtype="bfloat16")
    check_equal(again, load_model(tmp_path / "saved", dtype="bfloat16"))
    np.testing.assert_array_equal(logits(again), logits(held))
    assert np.any(logits(again) != logits(exact))
    assert check_source(tmp_path / "saved").metadata["torch_dtype"] == "bfloat16"
    kinds = {name: value.dtype.name for name, value in load_file(tmp_path / "saved" / "model.safetensors").items()}
    assert kinds["model.embed_tokens.weight"] == kinds["model.layers.1.mlp.up_proj.weight"] == "bfloat16"
    assert kinds["model.norm.weight"] == kinds["model.layers.0.self_attn.q_proj.bias"] == "float32"
    check_equal(held, save_loaded(tmp_path / "from-held", held))  # held in bfloat16, stored as float32


def test_unrolled_and_foreign_modules_save_as_the_plain_model(tmp_path):
    save_huggingface(tmp_path / "plain", tiny_model(), byte_tokenizer())
    expected = (tmp_path / "plain" / "model.safetensors").read_bytes()
    for name, model in (("unrolled", unroll(tiny_model())), ("foreign", noisy_model())):
        save_huggingface(tmp_path / name, model, byte_tokenizer())
        assert (tmp_path / name / "model.safetensors").read_bytes() == expected
    loaded = load_model(tmp_path / "plain")
    jax.tree.map(np.testing.assert_array_equal, parameters(loaded.model), parameters(tiny_model()))


def test_metadata_and_bytes_are_the_same_each_time(tmp_path):
    texts = {"ranges": json.dumps({"layers/0/mlp/up": [1.5, 2.5]}), "engine": "[[name]]\nλ = 850"}
    for name in ("one", "two"):
        save_huggingface(tmp_path / name, tiny_model(), byte_tokenizer(), metadata=texts)
    assert saved_metadata(tmp_path / "one") == texts
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()
    save_huggingface(tmp_path / "one", tiny_model(), byte_tokenizer())
    assert saved_metadata(tmp_path / "one") == {}
    with pytest.raises(ValueError, match="cannot be read"):
        saved_metadata(tmp_path)


def test_template_and_ends_of_a_gguf_file(tmp_path):
    fields = {
        "tokenizer.chat_template": TEMPLATE,
        "tokenizer.ggml.bos_token_id": TOKENS.index("A"),
        "tokenizer.ggml.eos_token_id": TOKENS.index("B"),
        "tokenizer.ggml.padding_token_id": 0,
    }
    loaded = load_model(write_gguf(tmp_path / "x.gguf", fields=fields))
    again = save_loaded(tmp_path / "saved", loaded)
    assert render_chat(again.source, "hello") == render_chat(loaded.source, "hello") == "AhelloB"
    assert stop_tokens(again.source) == stop_tokens(loaded.source) == (0, TOKENS.index("B"))  # and the one by name
    assert again.source.metadata["bos_token_id"] == TOKENS.index("A")
    stated = json.loads((tmp_path / "saved" / "tokenizer_config.json").read_text())
    assert stated["pad_token"] == END_OF_TEXT and stated["eos_token"] == "B"


def test_what_a_folder_says_about_its_tokens_is_copied(tmp_path):
    source = write_folder(tmp_path / "x")
    (source / "tokenizer_config.json").write_text('{"eos_token": "B", "added": true}')
    (source / "chat_template.jinja").write_text(TEMPLATE)
    (source / "generation_config.json").write_text('{"eos_token_id": [3, 4]}')
    edited = json.loads((source / "config.json").read_text()) | {"eos_token_id": 5, "initializer_range": 0.1}
    (source / "config.json").write_text(json.dumps(edited))
    loaded = load_model(source)
    again = save_loaded(tmp_path / "saved", loaded)
    assert stop_tokens(again.source) == stop_tokens(loaded.source) == (3, 4, 5, TOKENS.index("B"))
    assert render_chat(again.source, "hello") == render_chat(loaded.source, "hello")
    assert again.source.metadata == edited | {"torch_dtype": "float32"}


def test_a_head_that_was_untied(tmp_path):
    """A model whose configuration differs from its source's is stated anew, with the source's end token."""
    source = write_folder(tmp_path / "x")
    edited = json.loads((source / "config.json").read_text()) | {"eos_token_id": 5, "initializer_range": 0.1}
    (source / "config.json").write_text(json.dumps(edited))
    untied = tiny_model(FAMILIES["untied"])
    save_huggingface(tmp_path / "saved", untied, byte_tokenizer(), source=check_source(source))
    again = load_model(tmp_path / "saved")
    assert not again.config.tied_head
    assert again.source.metadata["eos_token_id"] == 5
    jax.tree.map(np.testing.assert_array_equal, parameters(again.model), parameters(untied))


def test_an_earlier_save_leaves_nothing_behind(tmp_path):
    fields = {"tokenizer.chat_template": TEMPLATE, "tokenizer.ggml.eos_token_id": 0}
    save_loaded(tmp_path / "saved", load_model(write_gguf(tmp_path / "x.gguf", fields=fields)))
    (tmp_path / "saved" / "notes.txt").write_text("mine")
    (tmp_path / "saved" / ".model.safetensors.123.part").write_text("of a process that was killed")
    save_huggingface(tmp_path / "saved", tiny_model(), byte_tokenizer())
    found = {file.name for file in (tmp_path / "saved").iterdir()}
    assert found == {"config.json", "model.safetensors", "notes.txt", "tokenizer.json", "tokenizer_config.json"}
    assert stop_tokens(check_source(tmp_path / "saved")) == ()


def snapshot(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()} if folder.exists() else None


@pytest.mark.parametrize("before", [False, True], ids=["fresh", "over an earlier one"])
def test_a_failure_leaves_the_folder_as_it_was(tmp_path, before):
    folder = tmp_path / "saved"
    if before:
        save_huggingface(folder, tiny_model(), byte_tokenizer())
    held, broken = snapshot(folder), tiny_model()
    broken.final_norm.scale[...] = jnp.full(TINY.width, jnp.inf)
    with pytest.raises(ValueError, match=r"'model\.norm\.weight' holds values that are not finite"):
        save_huggingface(folder, broken, byte_tokenizer())
    assert snapshot(folder) == held


def test_a_kill_between_two_files_leaves_a_folder_that_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "saved"
    save_huggingface(folder, tiny_model(), byte_tokenizer())
    path_type, replace, done = type(folder), type(folder).replace, []

    def replace_once(self, target):
        if done:
            raise KeyboardInterrupt
        done.append(target)
        return replace(self, target)

    monkeypatch.setattr(path_type, "replace", replace_once)
    with pytest.raises(KeyboardInterrupt):
        save_huggingface(folder, tiny_model(seed=1), byte_tokenizer())
    monkeypatch.undo()
    assert done[0].name == "model.safetensors"
    assert not [name for name in snapshot(folder) if name.endswith(".part")]
    with pytest.raises(ValueError, match=r"has no config\.json"):
        load_model(folder)
    save_huggingface(folder, tiny_model(seed=1), byte_tokenizer())
    jax.tree.map(np.testing.assert_array_equal, parameters(load_model(folder).model), parameters(tiny_model(seed=1)))


def test_refusals(tmp_path):
    source = write_folder(tmp_path / "x")
    loaded, held = load_model(source), snapshot(source)
    with pytest.raises(ValueError, match="where it was read from; give another folder"):
        save_loaded(tmp_path / "y" / ".." / "x", loaded)
    assert snapshot(source) == held
    shutil.copy(source / "config.json", tmp_path / "file")
    with pytest.raises(ValueError, match="which is a file; give a folder"):
        save_loaded(tmp_path / "file", loaded)
    with pytest.raises(ValueError, match="'float32' or 'bfloat16', not 'float16'"):
        save_loaded(tmp_path / "z", loaded, dtype="float16")
    with pytest.raises(ValueError, match="are texts by name"):
        save_loaded(tmp_path / "z", loaded, metadata={"steps": 3})
    odd = tiny_model(dataclasses.replace(TINY, output_bias=True))
    with pytest.raises(ValueError, match="no model_type"):
        save_huggingface(tmp_path / "z", odd, byte_tokenizer())
    assert not (tmp_path / "z").exists()


def test_what_can_be_saved_is_known_without_jax():
    import subprocess
    import sys
    from pathlib import Path

    code = f"import sys, {saving.__name__}; print('jax' in sys.modules or 'flax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.slow
def test_smollm2_comes_back(tmp_path, smollm2):
    again = save_loaded(tmp_path / "saved", smollm2)
    check_equal(smollm2, again)
    np.testing.assert_array_equal(logits(smollm2), logits(again))
    assert stop_tokens(again.source) == stop_tokens(smollm2.source)
    assert render_chat(again.source, "Hello!") == render_chat(smollm2.source, "Hello!")
