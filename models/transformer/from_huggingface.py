"""The shape of a model from the `config.json` of a Hugging Face folder."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from models.transformer.config import TransformerConfig, linear_divisors, llama3_divisors
from models.transformer.fields import Fields


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Family:
    """What a `model_type` implies and what its absent fields mean, as in the transformers library (5.23)."""

    key_value_heads: int | None = None
    """None for as many as there are heads."""
    head_width: int | None = None
    """None for hidden_size / heads."""
    context: int = 2048
    bias: bool | None = None
    """Biases of queries, keys and values; None where `attention_bias` tells, which is then true of the output too."""
    query_key_norm: bool = False


_FAMILIES = {
    "llama": _Family(),
    "mistral": _Family(key_value_heads=8, context=131072, bias=False),
    "qwen2": _Family(key_value_heads=32, context=32768, bias=True),
    "qwen3": _Family(key_value_heads=32, head_width=128, context=32768, query_key_norm=True),
}

MODEL_TYPES = tuple(_FAMILIES)
"""Values of `model_type` that are read."""

_DEFAULT_WINDOW = 4096


def config_from_huggingface(config: Mapping[str, Any]) -> TransformerConfig:
    """The configuration in a `config.json` whose `model_type` is one of MODEL_TYPES.

    Absent fields take the defaults of the transformers library. ValueError names what is missing or not supported.
    """
    kind = config.get("model_type")
    family = _FAMILIES.get(kind) if isinstance(kind, str) else None
    if family is None:
        raise ValueError(f"model_type in config.json is {kind!r}; supported are {', '.join(MODEL_TYPES)}")
    if config.get("hidden_act", "silu") != "silu":
        raise ValueError(f"hidden_act in config.json is {config['hidden_act']!r}; only 'silu' is supported")
    if config.get("mlp_bias", False):
        raise ValueError("mlp_bias in config.json is true; a feed-forward block with biases is not supported")
    field = Fields(config, "config.json", f"a {kind} model")
    layers = field.integer("num_hidden_layers")
    heads = field.integer("num_attention_heads")
    width = field.integer("hidden_size")
    head_width = field.integer("head_dim", family.head_width or width // max(heads, 1))
    context = field.integer("max_position_embeddings", family.context)
    theta, divisors = _rotary(config, head_width, context)
    attention_bias = field.boolean("attention_bias", False) if family.bias is None else False
    return TransformerConfig(
        layers=layers,
        width=width,
        heads=heads,
        key_value_heads=_key_value_heads(field, family, heads),
        head_width=head_width,
        hidden_width=field.integer("intermediate_size"),
        vocabulary=field.integer("vocab_size"),
        context=context,
        rope_theta=theta,
        norm_epsilon=field.number("rms_norm_eps", 1e-6),
        tied_head=field.boolean("tie_word_embeddings", False),
        rotary_divisors=divisors,
        query_key_value_bias=attention_bias or bool(family.bias),
        output_bias=attention_bias,
        query_key_norm=family.query_key_norm,
        window=_window(field, str(kind), layers),
    )


def _key_value_heads(field: Fields, family: _Family, heads: int) -> int:
    """An explicit null means one per head, in every family; an absent field means the family's default."""
    absent = "num_key_value_heads" not in field.values
    return field.integer("num_key_value_heads", (family.key_value_heads or heads) if absent else heads)


def _window(field: Fields, kind: str, layers: int) -> int | None:
    """The sliding window of all layers, or None; ValueError where only some layers have one."""
    if kind == "llama":
        return None
    if kind == "mistral":
        absent = "sliding_window" not in field.values
        return field.integer("sliding_window", _DEFAULT_WINDOW) if absent or field.has("sliding_window") else None
    if not field.boolean("use_sliding_window", False) or not field.has("sliding_window"):
        return None
    kinds = field.values.get("layer_types")
    if kinds is None:
        first = field.integer("max_window_layers", 28)
        all_full, all_sliding = first >= layers, first <= 0
    elif not isinstance(kinds, list) or not all(isinstance(one, str) for one in kinds):
        raise ValueError("layer_types in config.json must be a list of texts")
    else:
        all_full, all_sliding = set(kinds) == {"full_attention"}, set(kinds) == {"sliding_attention"}
    if all_full:
        return None
    if not all_sliding:
        raise ValueError(
            "config.json gives a sliding window to some layers only (max_window_layers or layer_types); supported are "
            "windows in all layers or in none"
        )
    return field.integer("sliding_window", _DEFAULT_WINDOW)


def _rotary(config: Mapping[str, Any], head_width: int, context: int) -> tuple[float, tuple[float, ...]]:
    """Base and divisors of the rotary frequencies: two top-level fields until transformers 4, one object since 5."""
    parameters = config.get("rope_parameters") or {}
    scaling = config.get("rope_scaling") or parameters
    if not isinstance(parameters, Mapping) or not isinstance(scaling, Mapping):
        raise ValueError("rope_parameters and rope_scaling in config.json must be objects")
    field = Fields(
        {"rope_theta": config.get("rope_theta"), **parameters, **scaling}, "the rotary parameters of config.json"
    )
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    theta = field.number("rope_theta", 1e4)
    partial = config.get("partial_rotary_factor") or field.number("partial_rotary_factor", 1.0)
    if partial != 1:
        raise ValueError(
            f"partial_rotary_factor in config.json is {partial!r}; only rotation of whole heads is supported"
        )
    if kind == "default":
        return theta, ()
    if kind == "linear":
        return theta, linear_divisors(head_width, field.number("factor"))
    if kind == "llama3":
        original = field.integer("original_max_position_embeddings", context)
        return theta, llama3_divisors(
            *(head_width, theta),
            factor=field.number("factor"),
            low_frequency_factor=field.number("low_freq_factor"),
            high_frequency_factor=field.number("high_freq_factor"),
            original_context=original,
        )
    raise ValueError(
        f"the rotary type in config.json is {kind!r}; supported are 'default', 'linear' and 'llama3', not those "
        "that depend on the length of the text or temper the softmax (dynamic, longrope, yarn)"
    )
