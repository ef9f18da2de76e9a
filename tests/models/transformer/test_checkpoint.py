"""Names, shapes and row order of stored tensors, and the errors that list what does not fit."""

import dataclasses
import re

import numpy as np
import pytest

from models.transformer.checkpoint import check_tensors, halves_from_pairs, read_parameters, stored_shapes
from models.transformer.load import check_source
from tests.models.transformer.tiny_folder import TINY, random_tensors, write_folder

# The names as the two formats publish them (ggml's tensor names; transformers' LlamaForCausalLM.state_dict).
LAYER_1 = {
    "blk.1.attn_norm.weight": "model.layers.1.input_layernorm.weight",
    "blk.1.attn_q.weight": "model.layers.1.self_attn.q_proj.weight",
    "blk.1.attn_k.weight": "model.layers.1.self_attn.k_proj.weight",
    "blk.1.attn_v.weight": "model.layers.1.self_attn.v_proj.weight",
    "blk.1.attn_output.weight": "model.layers.1.self_attn.o_proj.weight",
    "blk.1.ffn_norm.weight": "model.layers.1.post_attention_layernorm.weight",
    "blk.1.ffn_gate.weight": "model.layers.1.mlp.gate_proj.weight",
    "blk.1.ffn_up.weight": "model.layers.1.mlp.up_proj.weight",
    "blk.1.ffn_down.weight": "model.layers.1.mlp.down_proj.weight",
}
OUTSIDE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


# What the other families add, in the same two vocabularies (transformers' Qwen2ForCausalLM and Qwen3ForCausalLM).
BIASES = {
    "blk.1.attn_q.bias": "model.layers.1.self_attn.q_proj.bias",
    "blk.1.attn_k.bias": "model.layers.1.self_attn.k_proj.bias",
    "blk.1.attn_v.bias": "model.layers.1.self_attn.v_proj.bias",
}
OUTPUT_BIAS = {"blk.1.attn_output.bias": "model.layers.1.self_attn.o_proj.bias"}
HEAD_NORMS = {
    "blk.1.attn_q_norm.weight": "model.layers.1.self_attn.q_norm.weight",
    "blk.1.attn_k_norm.weight": "model.layers.1.self_attn.k_norm.weight",
}


@pytest.mark.parametrize(
    ("fields", "added"),
    [
        ({"query_key_value_bias": True}, BIASES),
        ({"query_key_value_bias": True, "output_bias": True}, BIASES | OUTPUT_BIAS),
        ({"query_key_norm": True}, HEAD_NORMS),
    ],
)
def test_names_that_a_family_adds(fields, added):
    config = dataclasses.replace(TINY, **fields)
    gguf, folder = stored_shapes(config, "gguf"), stored_shapes(config, "huggingface")
    plain = stored_shapes(TINY, "gguf")
    pairs = {a: b for a, b in zip(gguf, folder, strict=True) if a not in plain and ".1." in a}
    assert pairs == added
    assert sum(np.prod(shape) for shape in gguf.values()) == config.parameters


@pytest.mark.parametrize("tied", [True, False])
def test_names_and_shapes_of_both_formats(tied):
    config = dataclasses.replace(TINY, tied_head=tied)
    gguf, folder = stored_shapes(config, "gguf"), stored_shapes(config, "huggingface")
    assert list(gguf.values()) == list(folder.values())
    pairs = dict(zip(gguf, folder, strict=True))
    outside = {a: b for a, b in OUTSIDE.items() if not (tied and a == "output.weight")}
    first = {a.replace(".1.", ".0."): b.replace(".1.", ".0.") for a, b in LAYER_1.items()}
    assert pairs == LAYER_1 | first | outside
    assert sum(np.prod(shape) for shape in gguf.values()) == config.parameters
    assert gguf["blk.0.attn_k.weight"] == (16, 32)
    assert gguf["blk.0.ffn_down.weight"] == (32, 64)


def test_rows_from_pairs_to_halves():
    rows = np.arange(12)[:, None] * np.ones((1, 2))  # two heads of width 6: pairs (0 1) (2 3) (4 5), (6 7) ...
    np.testing.assert_array_equal(halves_from_pairs(rows, heads=2)[:, 0], [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11])


def test_parameters_have_the_model_s_layout(tiny_model_folder):
    tensors = random_tensors()
    parameters = dict(read_parameters(check_source(tiny_model_folder)))
    down = parameters["layers", "mlp", "down", "kernel"]
    assert down.shape == (2, 64, 32)
    np.testing.assert_array_equal(down[1], tensors["model.layers.1.mlp.down_proj.weight"].T)
    np.testing.assert_array_equal(parameters["embed", "embedding"], tensors["model.embed_tokens.weight"])
    assert all(value.dtype == np.float32 for value in parameters.values())


def test_one_error_lists_missing_extra_and_misshapen(tiny_model_folder):
    checkpoint = check_source(tiny_model_folder)
    shapes = dict(checkpoint.shapes)
    del shapes["model.norm.weight"]
    shapes["model.layers.0.self_attn.q_proj.bias"] = (32,)
    shapes["model.layers.1.mlp.up_proj.weight"] = (64, 31)
    expected = (
        "missing: model.norm.weight; not expected: model.layers.0.self_attn.q_proj.bias; "
        "wrong shape: model.layers.1.mlp.up_proj.weight (64, 31) instead of (64, 32)"
    )
    with pytest.raises(ValueError, match=re.escape(expected)):
        check_tensors(dataclasses.replace(checkpoint, shapes=shapes))


def test_long_lists_are_counted(tiny_model_folder):
    checkpoint = check_source(tiny_model_folder)
    norms = {f"model.layers.{layer}.input_layernorm.weight": (TINY.width,) for layer in range(2)}
    with pytest.raises(ValueError, match=r"missing: model\.embed_tokens\.weight, .* and 10 more$"):
        check_tensors(dataclasses.replace(checkpoint, shapes=norms))


def test_stored_rotary_frequencies_are_ignored(tmp_path):
    extra = {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": np.ones(4, np.float32) for i in range(2)}
    check_source(write_folder(tmp_path, tensors=random_tensors() | extra))
