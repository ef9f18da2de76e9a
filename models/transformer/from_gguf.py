"""The shape of a model from the metadata of a GGUF file."""

import math
from collections.abc import Collection, Mapping
from typing import Any

from models.transformer.config import TransformerConfig, linear_divisors
from models.transformer.fields import Fields

ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""Architectures that are read; Mistral's files call themselves `llama`."""

ROTARY_DIVISORS = "rope_freqs.weight"
"""The tensor in which the files of Llama 3.1 and later keep the divisors of the rotary frequencies."""

_PAIRED = ("llama",)


def stores_rotary_pairs(metadata: Mapping[str, Any]) -> bool:
    """Whether the rows of queries and keys stand in the order of neighbouring rotary pairs."""
    return metadata.get("general.architecture") in _PAIRED


def config_from_gguf(
    metadata: Mapping[str, Any], tensors: Collection[str], *, vocabulary: int, divisors: tuple[float, ...] = ()
) -> TransformerConfig:
    """The configuration in the metadata of a GGUF file of one of ARCHITECTURES.

    The format has no field for some things: a file without `output.weight` has a tied head, one with `attn_q.bias` has
    biases, the vocabulary is the number of rows of the embedding, and `divisors` are the values of the tensor
    `rope_freqs.weight`. ValueError names a field that is missing or not supported.

    Field names: GGUF specification in the documentation of ggml.
    """
    architecture = metadata.get("general.architecture")
    if architecture not in ARCHITECTURES:
        raise ValueError(f"the GGUF architecture is {architecture!r}; supported are {', '.join(ARCHITECTURES)}")
    field = _Prefixed(metadata, architecture)
    if field.integer("expert_count", 0):
        raise ValueError(f"{architecture}.expert_count is not zero; mixtures of experts are not supported")
    heads = field.integer("attention.head_count")
    width = field.integer("embedding_length")
    head_width = field.integer("attention.key_length", width // max(heads, 1))
    for name in ("attention.value_length", "rope.dimension_count"):
        if field.integer(name, head_width) != head_width:
            raise ValueError(
                f"{architecture}.{name} differs from the head width {head_width}; only equal widths are supported"
            )
    return TransformerConfig(
        layers=field.integer("block_count"),
        width=width,
        heads=heads,
        key_value_heads=field.integer("attention.head_count_kv", heads),
        head_width=head_width,
        hidden_width=field.integer("feed_forward_length"),
        vocabulary=vocabulary,
        context=field.integer("context_length"),
        rope_theta=field.number("rope.freq_base", 1e4),
        norm_epsilon=_shortest(field.number("attention.layer_norm_rms_epsilon")),
        tied_head="output.weight" not in tensors,
        rotary_divisors=_divisors(field, head_width, divisors),
        query_key_value_bias=architecture == "qwen2" or "blk.0.attn_q.bias" in tensors,
        output_bias="blk.0.attn_output.bias" in tensors,
        query_key_norm=architecture == "qwen3",
        window=field.integer("attention.sliding_window", 0) or None,
    )


class _Prefixed(Fields):
    """Fields under the name of the architecture."""

    def __init__(self, metadata: Mapping[str, Any], architecture: str) -> None:
        prefix = architecture + "."
        inside = {name: value for name, value in metadata.items() if name.startswith(prefix)}
        super().__init__(inside, "GGUF metadata", f"a {architecture} model")
        self.prefix = prefix

    def _value(self, name: str, default: Any) -> Any:
        return super()._value(self.prefix + name, default)


def _divisors(field: _Prefixed, head_width: int, stored: tuple[float, ...]) -> tuple[float, ...]:
    """The product of a linear scaling in the metadata and of the stored divisors, if there are any."""
    kind = field.values.get(field.prefix + "rope.scaling.type", "none")
    if kind == "none":
        return stored
    if kind != "linear":
        raise ValueError(
            f"{field.prefix}rope.scaling.type is {kind!r}; supported rotary scalings are 'none', 'linear' and the "
            f"divisors of Llama 3 in {ROTARY_DIVISORS}"
        )
    linear = linear_divisors(head_width, field.number("rope.scaling.factor"))
    return tuple(math.prod(pair) for pair in zip(linear, stored, strict=False)) if stored else linear


def _shortest(value: float) -> float:
    """A float32 that was widened to float64, as the shortest decimal that rounds to it: 9.99999974e-06 -> 1e-05."""
    return float(f"{value:.7g}")
