"""The `config.json` of a Hugging Face folder for the shape of a model: `from_huggingface`, backwards."""

import math
from collections.abc import Mapping
from typing import Any

from models.transformer.config import TransformerConfig, llama3_divisors
from models.transformer.from_huggingface import config_from_huggingface

_CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}

# The files of Llama 3.1 and later all have these; only the factor and the original context (8192) differ.
_LOW_FREQUENCY_FACTOR, _HIGH_FREQUENCY_FACTOR = 1.0, 4.0
_ORIGINAL_CONTEXTS = tuple(1 << power for power in range(5, 21))

# GGUF files keep the divisors as float32, computed from frequencies in float32.
_DIVISOR_ROUNDING = 1e-5


def config_to_huggingface(config: TransformerConfig, like: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The fields of a `config.json` from which `config_from_huggingface` reads this configuration.

    The `model_type` is the one that has these biases, norms and windows: llama, mistral, qwen2 or qwen3. `like` is the
    `config.json` that the model came from: if it states this very configuration it is kept with all its other fields
    (less those that speak of how its weights were stored). Rotary divisors are turned back into the factor of a linear
    scaling, or into the four numbers of the "llama3" scaling, which a GGUF file no longer has: they are recovered to
    1e-5, the rounding of that file.

    ValueError for a combination of features that no supported `model_type` has, and for other rotary divisors.
    Field names: the transformers library; those that its versions 4 and 5 both read.
    """
    if like is not None and _states(like, config):
        storage = ("torch_dtype", "dtype", "quantization_config", "_name_or_path")
        return {name: value for name, value in like.items() if name not in storage}
    kind = _model_type(config)
    return {
        "architectures": [_CLASSES[kind]],
        "model_type": kind,
        "hidden_act": "silu",
        "num_hidden_layers": config.layers,
        "hidden_size": config.width,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.key_value_heads,
        "head_dim": config.head_width,
        "intermediate_size": config.hidden_width,
        "vocab_size": config.vocabulary,
        "max_position_embeddings": config.context,
        "rope_theta": config.rope_theta,
        "rope_scaling": _rotary_scaling(config),
        "rms_norm_eps": config.norm_epsilon,
        "tie_word_embeddings": config.tied_head,
        **_own_fields(kind, config),
    }


def _states(like: Mapping[str, Any], config: TransformerConfig) -> bool:
    try:
        return config_from_huggingface(like) == config
    except ValueError:
        return False


def _model_type(config: TransformerConfig) -> str:
    biases = (config.query_key_value_bias, config.output_bias)
    windowed = config.window is not None
    if config.query_key_norm and biases in ((False, False), (True, True)):
        return "qwen3"
    if not config.query_key_norm and biases == (True, False):
        return "qwen2"
    if not config.query_key_norm and biases == (False, False):
        return "mistral" if windowed else "llama"
    if not config.query_key_norm and biases == (True, True) and not windowed:
        return "llama"
    raise ValueError(
        f"no model_type of a Hugging Face folder has query_key_value_bias={config.query_key_value_bias}, "
        f"output_bias={config.output_bias}, query_key_norm={config.query_key_norm} and window={config.window} together"
    )


def _own_fields(kind: str, config: TransformerConfig) -> dict[str, Any]:
    """What only one family states."""
    if kind == "mistral":
        return {"sliding_window": config.window}
    fields: dict[str, Any] = {"attention_bias": config.output_bias} if kind in ("llama", "qwen3") else {}
    if kind in ("qwen2", "qwen3"):
        windowed = config.window is not None
        fields |= {"use_sliding_window": windowed, "sliding_window": config.window}
        fields |= {"max_window_layers": 0 if windowed else config.layers}
    if kind == "llama":
        fields["mlp_bias"] = False
    return fields


def _rotary_scaling(config: TransformerConfig) -> dict[str, Any] | None:
    divisors = config.rotary_divisors
    if not divisors:
        return None
    if len(set(divisors)) == 1:
        return {"rope_type": "linear", "factor": divisors[0]}
    for original in _ORIGINAL_CONTEXTS:
        candidate = {
            "factor": max(divisors),
            "low_freq_factor": _LOW_FREQUENCY_FACTOR,
            "high_freq_factor": _HIGH_FREQUENCY_FACTOR,
            "original_max_position_embeddings": original,
        }
        stated = llama3_divisors(
            *(config.head_width, config.rope_theta),
            factor=max(divisors),
            low_frequency_factor=_LOW_FREQUENCY_FACTOR,
            high_frequency_factor=_HIGH_FREQUENCY_FACTOR,
            original_context=original,
        )
        pairs = zip(stated, divisors, strict=True)
        if all(math.isclose(a, b, rel_tol=_DIVISOR_ROUNDING) for a, b in pairs):
            return {"rope_type": "llama3", **candidate}
    raise ValueError(
        f"the rotary divisors {divisors[0]:.6g} to {divisors[-1]:.6g} are neither those of a linear scaling nor of a "
        "'llama3' scaling with the frequency factors 1 and 4, so no config.json can state them"
    )
