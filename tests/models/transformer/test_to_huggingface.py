"""Every configuration that the loader can read, stated as a config.json and read back."""

import dataclasses

import numpy as np
import pytest

from models.transformer.config import LLAMA_3_1_8B, linear_divisors
from models.transformer.from_huggingface import config_from_huggingface
from models.transformer.to_huggingface import config_to_huggingface
from tests.models.transformer.family_weights import CONFIGS
from tests.models.transformer.tiny_folder import TINY, config_json

BIASES = {"query_key_value_bias": True, "output_bias": True}
KINDS = [
    ({}, "llama"),
    ({"tied_head": False, "norm_epsilon": 3e-6, "rope_theta": 12345.5}, "llama"),
    ({"head_width": 16, "key_value_heads": 1}, "llama"),
    (BIASES, "llama"),
    ({"rotary_divisors": linear_divisors(8, 2.5)}, "llama"),
    ({"window": 7}, "mistral"),
    ({"query_key_value_bias": True}, "qwen2"),
    ({"query_key_value_bias": True, "window": 5}, "qwen2"),
    ({"query_key_norm": True, "head_width": 12}, "qwen3"),
    ({"query_key_norm": True, "window": 5}, "qwen3"),
    ({"query_key_norm": True, **BIASES}, "qwen3"),
]


@pytest.mark.parametrize(("fields", "kind"), KINDS)
def test_what_is_stated_is_read_back(fields, kind):
    config = dataclasses.replace(TINY, **fields)
    stated = config_to_huggingface(config)
    assert stated["model_type"] == kind
    assert stated["architectures"][0].lower() == f"{kind}forcausallm"
    assert config_from_huggingface(stated) == config


@pytest.mark.parametrize("family", CONFIGS)
def test_published_forms_are_kept_or_said_anew(family):
    config = config_from_huggingface(CONFIGS[family])
    assert config_from_huggingface(config_to_huggingface(config)) == config
    like = CONFIGS[family] | {"initializer_range": 0.02, "torch_dtype": "bfloat16", "quantization_config": {}}
    kept = config_to_huggingface(config, like)
    assert kept == CONFIGS[family] | {"initializer_range": 0.02}
    changed = dataclasses.replace(config, tied_head=not config.tied_head)
    assert config_from_huggingface(config_to_huggingface(changed, like)) == changed


def test_llama3_scaling_is_recovered_from_divisors_rounded_to_float32():
    rounded = tuple(float(np.float32(divisor)) for divisor in LLAMA_3_1_8B.rotary_divisors)
    config = dataclasses.replace(LLAMA_3_1_8B, rotary_divisors=rounded)
    stated = config_to_huggingface(config)["rope_scaling"]
    assert stated == {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    assert config_from_huggingface(config_to_huggingface(config)) == LLAMA_3_1_8B


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"output_bias": True}, "no model_type of a Hugging Face folder has query_key_value_bias=False, output_bias=T"),
        ({"query_key_norm": True, "query_key_value_bias": True}, "query_key_norm=True and window=None together"),
        ({"window": 5, **BIASES}, "and window=5 together"),
        ({"rotary_divisors": (1.0, 1.5, 3.0, 2.0)}, "rotary divisors 1 to 2 are neither"),
    ],
)
def test_refusals(fields, message):
    with pytest.raises(ValueError, match=message):
        config_to_huggingface(dataclasses.replace(TINY, **fields))


def test_a_config_json_of_another_model_is_not_kept():
    wider = config_json(TINY) | {"hidden_size": 64, "marker": 1}
    assert "marker" not in config_to_huggingface(TINY, wider)
    assert "marker" not in config_to_huggingface(TINY, {"model_type": "gpt2", "marker": 1})
