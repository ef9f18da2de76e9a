"""The shape of a model from a `config.json`, of either generation of the transformers library, and what is refused."""

import dataclasses

import pytest

from models.transformer.config import linear_divisors, llama3_divisors
from models.transformer.from_huggingface import config_from_huggingface
from tests.models.transformer.tiny_folder import TINY, config_json

NEEDED = (
    *("model_type", "num_hidden_layers", "hidden_size", "num_attention_heads"),
    *("intermediate_size", "vocab_size"),
)
LLAMA_3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}
TINY_LLAMA_3 = llama3_divisors(
    *(8, 1e4), factor=8.0, low_frequency_factor=1.0, high_frequency_factor=4.0, original_context=128
)


def read(**fields):
    return config_from_huggingface(config_json(TINY) | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"query_key_value_bias": True, "output_bias": True},
        {"query_key_value_bias": True},
        {"query_key_norm": True, "head_width": 16},
        {"query_key_norm": True, "query_key_value_bias": True, "output_bias": True},
        {"window": 7},
    ],
    ids=["llama", "llama with biases", "qwen2", "qwen3", "qwen3 with biases", "mistral"],
)
def test_families(fields):
    config = dataclasses.replace(TINY, **fields)
    stated = config_json(config) | ({"attention_bias": True} if config.output_bias else {})
    assert config_from_huggingface(stated) == config


@pytest.mark.parametrize(
    ("kind", "fields"),
    # The defaults of LlamaConfig, MistralConfig, Qwen2Config and Qwen3Config in transformers 5.23.
    [
        ("llama", {"key_value_heads": 4, "context": 2048}),
        ("mistral", {"key_value_heads": 8, "context": 131072, "window": 4096}),
        ("qwen2", {"key_value_heads": 32, "context": 32768, "query_key_value_bias": True}),
        ("qwen3", {"key_value_heads": 32, "context": 32768, "head_width": 128, "query_key_norm": True}),
    ],
)
def test_absent_fields_take_the_defaults_of_the_library(kind, fields):
    heads = fields["key_value_heads"]
    stated = {name: value for name, value in config_json(TINY).items() if name in NEEDED}
    stated |= {"model_type": kind, "num_attention_heads": heads}
    expected = {"heads": heads, "head_width": TINY.width // heads, "norm_epsilon": 1e-6, "tied_head": False} | fields
    if expected["head_width"] % 2:  # 32 heads of one element each: the library would take them, rotary pairs do not
        stated["hidden_size"], expected["width"], expected["head_width"] = 64, 64, fields.get("head_width", 2)
    assert config_from_huggingface(stated | {"head_dim": None}) == dataclasses.replace(TINY, **expected)


def test_null_means_one_key_value_head_per_head_and_no_window():
    assert read(model_type="qwen2", num_key_value_heads=None).key_value_heads == TINY.heads
    assert read(model_type="mistral", sliding_window=None).window is None


@pytest.mark.parametrize(
    ("fields", "window"),
    [
        ({"sliding_window": 5}, None),
        ({"sliding_window": 5, "use_sliding_window": True}, None),  # max_window_layers is 28
        ({"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 0}, 5),
        ({"sliding_window": None, "use_sliding_window": True, "max_window_layers": 0}, None),
        ({"sliding_window": 5, "use_sliding_window": True, "layer_types": ["sliding_attention"] * 2}, 5),
        ({"sliding_window": 5, "use_sliding_window": True, "layer_types": ["full_attention"] * 2}, None),
    ],
)
def test_window_of_qwen(fields, window):
    assert read(model_type="qwen2", **fields).window == window


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
    assert read(**fields).rope_theta == 5e4


@pytest.mark.parametrize(
    ("fields", "divisors"),
    [
        ({"rope_scaling": LLAMA_3}, TINY_LLAMA_3),
        ({"rope_theta": None, "rope_parameters": LLAMA_3 | {"rope_theta": 1e4}}, TINY_LLAMA_3),
        ({"rope_scaling": {"type": "linear", "factor": 2}}, linear_divisors(8, 2.0)),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, linear_divisors(8, 2.0)),
        ({"rope_scaling": {"rope_type": "default"}}, ()),
    ],
)
def test_rotary_scaling_of_either_generation(fields, divisors):
    assert read(**fields).rotary_divisors == divisors
    assert read(**fields).rope_theta == 1e4


def test_absent_original_context_is_the_context():
    scaling = {name: value for name, value in LLAMA_3.items() if name != "original_max_position_embeddings"}
    assert read(rope_scaling=scaling, max_position_embeddings=128).rotary_divisors == TINY_LLAMA_3


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "gpt2"}, "'gpt2'; supported are llama, mistral, qwen2, qwen3"),
        ({"model_type": ["llama"]}, "supported are llama"),
        ({"hidden_act": "gelu"}, "'gelu'; only 'silu'"),
        ({"attention_bias": 1}, "'attention_bias' in config.json must be true or false, not 1"),
        ({"mlp_bias": True}, "mlp_bias in config.json is true"),
        ({"rope_scaling": LLAMA_3 | {"factor": None}}, "rotary parameters of config.json has no field 'factor'"),
        ({"rope_scaling": LLAMA_3 | {"high_freq_factor": 1.0}}, "0 < low frequency factor < high frequency factor"),
        ({"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "'dynamic'; supported are 'default', 'linear'"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "rotary type in config.json is 'yarn'"),
        ({"rope_scaling": "linear"}, "must be objects"),
        ({"partial_rotary_factor": 0.5}, r"partial_rotary_factor in config\.json is 0\.5"),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, r"partial_rotary_factor in config\.json is 0\.5"),
        ({"hidden_size": None}, r"config\.json has no field 'hidden_size', which a llama model needs"),
        ({"hidden_size": 32.0}, "must be one integer"),
        ({"num_attention_heads": 0}, "heads of a transformer must be a positive integer"),
        ({"head_dim": 7}, "head_width must be even, not 7"),
        ({"rms_norm_eps": float("nan")}, "norm_epsilon must be positive and finite"),
        ({"model_type": "mistral", "sliding_window": 0}, "window must be a positive number"),
        (
            {"model_type": "qwen2", "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
            "sliding window to some layers only",
        ),
        (
            {"model_type": "qwen3", "use_sliding_window": True, "sliding_window": 5, "layer_types": [[], {}]},
            "layer_types in config.json must be a list of texts",
        ),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(ValueError, match=message):
        read(**fields)
