"""Tiny members of each model family: the fields of their `config.json`, and weights that follow from their names.

Shared by `make_golden_families.py`, which gives the weights to the transformers library, and `test_families.py`, which
gives them to ours. Only NumPy is needed, and neither side tells the other which tensors there are.
"""

import zlib

import numpy as np

SEED = 20260101
LENGTH = 24

_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 96,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}

# Field names as the published files of each family use them; Qwen3 in the form of transformers 5.
CONFIGS = {
    "llama-2": {"model_type": "llama", **_SIZES, "num_key_value_heads": 4, "rope_theta": 1e4},
    "llama-3": {
        "model_type": "llama",
        **_SIZES,
        "head_dim": 16,
        "max_position_embeddings": 512,
        "rope_theta": 5e3,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
    },
    "llama-linear": {
        "model_type": "llama",
        **_SIZES,
        "attention_bias": True,
        "rope_theta": 1e4,
        "rope_scaling": {"type": "linear", "factor": 2.5},
    },
    "qwen2": {"model_type": "qwen2", **_SIZES, "tie_word_embeddings": True, "rope_theta": 1e6, "sliding_window": 5},
    "qwen3": {
        "model_type": "qwen3",
        **_SIZES,
        "head_dim": 12,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
    },
    "mistral": {"model_type": "mistral", **_SIZES, "rope_theta": 1e4, "sliding_window": 7},
}


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The tensor of a Hugging Face name, float32: norms about 1, biases 0.5, embeddings 0.5, matrices n ** -0.5."""
    draw = np.random.default_rng([SEED, zlib.crc32(name.encode())]).standard_normal(shape)
    if name.endswith("norm.weight"):
        return (1 + 0.2 * draw).astype(np.float32)
    spread = 0.5 if name.endswith(".bias") or "embed" in name else shape[-1] ** -0.5
    return (spread * draw).astype(np.float32)


def tokens(family: str) -> np.ndarray:
    """LENGTH token numbers for one family."""
    return np.random.default_rng([SEED, zlib.crc32(family.encode())]).integers(0, _SIZES["vocab_size"], LENGTH)
