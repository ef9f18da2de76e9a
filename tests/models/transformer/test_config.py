"""The shape of a model from the two kinds of metadata, and what is refused."""

import dataclasses

import pytest

from models.transformer.config import LLAMA_3_1_70B, TransformerConfig
from tests.models.transformer.tiny_folder import TINY, config_json

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


def from_gguf(**changes):
    metadata = SMOLLM2_METADATA | {name.replace("__", "."): value for name, value in changes.items()}
    return TransformerConfig.from_gguf(
        {name: value for name, value in metadata.items() if value is not None}, tied_head=True, vocabulary=49152
    )


def test_gguf_metadata():
    config = from_gguf()
    assert config == TransformerConfig(
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
    assert config.parameters == 134_515_008  # what the file's tensors add up to


def test_gguf_defaults_of_the_format():
    config = from_gguf(llama__attention__head_count_kv=None, llama__rope__freq_base=None)
    assert (config.key_value_heads, config.rope_theta) == (9, 1e4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general__architecture": "qwen2"}, "architecture is 'qwen2'; only 'llama'"),
        ({"llama__rope__scaling__type": "linear"}, "scaled rotary positions are not supported yet"),
        ({"llama__expert_count": 8}, "mixtures of experts"),
        ({"llama__block_count": None}, "has no field 'llama.block_count'"),
        ({"llama__attention__head_count_kv": [3, 3]}, "must be one integer"),
        ({"llama__attention__layer_norm_rms_epsilon": "small"}, "must be a number"),
        ({"llama__rope__dimension_count": 32}, "differs from the head width 64"),
        ({"llama__attention__head_count_kv": 2}, r"heads \(9\) must be a multiple of key_value_heads \(2\)"),
    ],
)
def test_gguf_refusals(changes, message):
    with pytest.raises(ValueError, match=message):
        from_gguf(**changes)


def test_huggingface_config():
    assert TransformerConfig.from_huggingface(config_json(TINY)) == TINY


def test_huggingface_defaults_are_those_of_llama_config():
    needed = ("model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size")
    fields = {name: value for name, value in config_json(TINY).items() if name in (*needed, "vocab_size")}
    config = TransformerConfig.from_huggingface(fields | {"head_dim": None})
    assert config == dataclasses.replace(
        TINY, key_value_heads=4, context=2048, rope_theta=1e4, norm_epsilon=1e-6, tied_head=False
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"rope_theta": 5e4},
        {"rope_theta": None, "rope_parameters": {"rope_theta": 5e4, "rope_type": "default"}},
        {"rope_theta": 1e4, "rope_parameters": {"rope_theta": 50000}},
        {"rope_theta": 5e4, "rope_scaling": None},
    ],
)
def test_rotary_base_of_either_generation(fields):
    assert TransformerConfig.from_huggingface(config_json(TINY) | fields).rope_theta == 5e4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "mistral"}, "'mistral'; only 'llama'"),
        ({"hidden_act": "gelu"}, "'gelu'; only 'silu'"),
        ({"attention_bias": True}, "attention_bias in config.json is true"),
        ({"mlp_bias": True}, "mlp_bias in config.json is true"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "rotary type in config.json is 'llama3'"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rotary type in config.json is 'linear'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rotary type in config.json is 'yarn'"),
        ({"rope_scaling": "linear"}, "must be objects"),
        ({"hidden_size": None}, "config.json has no field 'hidden_size'"),
        ({"hidden_size": 32.0}, "must be one integer"),
        ({"num_attention_heads": 0}, "heads of a transformer must be a positive integer"),
        ({"head_dim": 7}, "head_width must be even, not 7"),
        ({"rms_norm_eps": float("nan")}, "norm_epsilon must be positive and finite"),
    ],
)
def test_huggingface_refusals(fields, message):
    with pytest.raises(ValueError, match=message):
        TransformerConfig.from_huggingface(config_json(TINY) | fields)


def test_llama_70b_has_the_published_size():
    assert LLAMA_3_1_70B.parameters == 70_553_706_496
