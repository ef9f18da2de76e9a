"""The shape of a model from GGUF metadata, and what is refused."""

import dataclasses

import pytest

from models.transformer.config import TransformerConfig
from models.transformer.from_gguf import config_from_gguf, stores_rotary_pairs

SMOLLM2_METADATA = {
    "general.architecture": "llama",
    "llama.block_count": 30,
    "llama.context_length": 8192,
    "llama.embedding_length": 576,
    "llama.feed_forward_length": 1536,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
    "llama.rope.freq_base": 100000.0,
    "llama.attention.layer_norm_rms_epsilon": 9.999999747378752e-06,  # 1e-5 as float32
    "llama.rope.dimension_count": 64,
}
SMOLLM2 = TransformerConfig(
    layers=30,
    width=576,
    heads=9,
    key_value_heads=3,
    head_width=64,
    hidden_width=1536,
    vocabulary=49152,
    context=8192,
    rope_theta=1e5,
    norm_epsilon=1e-5,
    tied_head=True,
)


def read(tensors=(), divisors=(), architecture="llama", **changes):
    metadata = SMOLLM2_METADATA | {name.replace("__", "."): value for name, value in changes.items()}
    renamed = {name.replace("llama.", architecture + "."): value for name, value in metadata.items()}
    renamed["general.architecture"] = metadata["general.architecture"].replace("llama", architecture)
    kept = {name: value for name, value in renamed.items() if value is not None}
    return config_from_gguf(kept, tensors, vocabulary=49152, divisors=divisors)


def test_metadata():
    assert read() == SMOLLM2
    assert SMOLLM2.parameters == 134_515_008  # what the file's tensors add up to


def test_defaults_of_the_format():
    config = read(llama__attention__head_count_kv=None, llama__rope__freq_base=None)
    assert (config.key_value_heads, config.rope_theta) == (9, 1e4)


def test_tensors_tell_what_no_field_tells():
    config = read(["output.weight", "blk.0.attn_q.bias", "blk.0.attn_output.bias"])
    assert config == dataclasses.replace(SMOLLM2, tied_head=False, query_key_value_bias=True, output_bias=True)


def test_architectures():
    assert read(architecture="qwen2") == dataclasses.replace(SMOLLM2, query_key_value_bias=True)
    qwen3 = read(architecture="qwen3", llama__attention__key_length=128, llama__rope__dimension_count=None)
    assert qwen3 == dataclasses.replace(SMOLLM2, query_key_norm=True, head_width=128)
    assert read(llama__attention__sliding_window=4096) == dataclasses.replace(SMOLLM2, window=4096)
    stored = {name: stores_rotary_pairs({"general.architecture": name}) for name in ("llama", "qwen2", "qwen3")}
    assert stored == {"llama": True, "qwen2": False, "qwen3": False}


def test_rotary_scalings():
    stored = tuple(1.0 + i for i in range(32))
    assert read(divisors=stored).rotary_divisors == stored
    linear = {"llama__rope__scaling__type": "linear", "llama__rope__scaling__factor": 4.0}
    assert read(**linear).rotary_divisors == (4.0,) * 32
    assert read(divisors=stored, **linear).rotary_divisors == tuple(4 * value for value in stored)
    assert read(llama__rope__scaling__type="none") == SMOLLM2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general__architecture": "gemma"}, "architecture is 'gemma'; supported are llama, qwen2, qwen3"),
        ({"llama__rope__scaling__type": "yarn"}, r"llama\.rope\.scaling\.type is 'yarn'; supported rotary scalings"),
        ({"llama__rope__scaling__type": "linear"}, r"no field 'llama\.rope\.scaling\.factor'"),
        ({"llama__expert_count": 8}, "mixtures of experts"),
        ({"llama__block_count": None}, r"has no field 'llama\.block_count', which a llama model needs"),
        ({"llama__attention__head_count_kv": [3, 3]}, "must be one integer"),
        ({"llama__attention__layer_norm_rms_epsilon": "small"}, "must be a number"),
        ({"llama__rope__dimension_count": 32}, "differs from the head width 64"),
        ({"llama__attention__head_count_kv": 2}, r"heads \(9\) must be a multiple of key_value_heads \(2\)"),
        ({"divisors": (2.0,) * 8}, r"head_width / 2 = 32 numbers or none, not 8"),
        (
            {"divisors": (2.0,) * 8, "llama__rope__scaling__type": "linear", "llama__rope__scaling__factor": 2.0},
            r"head_width / 2 = 32 numbers or none, not 8",
        ),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(ValueError, match=message):
        read(**changes)
