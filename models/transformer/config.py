"""The shape of a Llama-type transformer, and how the two kinds of weight files state it."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

_MISSING = object()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes and constants of a decoder-only transformer of the Llama family.

    Each layer does, with h = RMSNorm(x) before either step:

        x += output(attention(query(h), key(h), value(h)))
        x += down(silu(gate(h)) * up(h))

    Left out: rotary scaling (Llama 3.1 and later stretch the low frequencies), biases, sliding windows, mixtures of
    experts. The shapes of such a model can still be counted; its weights are refused.

    Touvron et al., LLaMA: Open and Efficient Foundation Language Models, 2023, section 2.2; Ainslie et al., GQA, 2023.
    """

    layers: int
    width: int
    """Length of a token's vector, d."""
    heads: int
    key_value_heads: int
    """Heads of keys and values; each serves heads / key_value_heads query heads."""
    head_width: int
    hidden_width: int
    """Length of the vector inside the feed-forward block."""
    vocabulary: int
    context: int
    """Longest sequence that the weights were trained for, in tokens; not enforced."""
    rope_theta: float = 1e4
    norm_epsilon: float = 1e-5
    tied_head: bool = False
    """Whether the output head is the transposed embedding."""

    def __post_init__(self) -> None:
        for field in (
            "layers",
            "width",
            "heads",
            "key_value_heads",
            "head_width",
            "hidden_width",
            "vocabulary",
            "context",
        ):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{field} of a transformer must be a positive integer, not {value!r}")
        if self.heads % self.key_value_heads:
            raise ValueError(
                f"heads ({self.heads}) must be a multiple of key_value_heads ({self.key_value_heads}): "
                "every key-value head serves the same number of query heads"
            )
        if self.head_width % 2:
            raise ValueError(f"head_width must be even, not {self.head_width}: rotary positions turn pairs of elements")
        for field in ("rope_theta", "norm_epsilon"):
            value = getattr(self, field)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{field} must be positive and finite, not {value!r}")

    @property
    def parameters(self) -> int:
        """Number of weights, the shared matrix of a tied head counted once."""
        attention = self.width * self.head_width * (2 * self.heads + 2 * self.key_value_heads)
        layer = attention + 3 * self.width * self.hidden_width + 2 * self.width
        tables = self.vocabulary * self.width * (1 if self.tied_head else 2)
        return self.layers * layer + tables + self.width

    @classmethod
    def from_gguf(cls, metadata: Mapping[str, Any], *, tied_head: bool, vocabulary: int) -> "TransformerConfig":
        """From the metadata of a GGUF file of architecture `llama`.

        The format has no field for a tied head (a file without `output.weight` is tied), and the vocabulary is what
        the embedding holds. ValueError names a field that is missing or not supported.
        """
        architecture = metadata.get("general.architecture")
        if architecture != "llama":
            raise ValueError(f"the GGUF architecture is {architecture!r}; only 'llama' is supported")
        scaling = metadata.get("llama.rope.scaling.type", "none")
        if scaling != "none":
            raise ValueError(f"llama.rope.scaling.type is {scaling!r}; scaled rotary positions are not supported yet")
        if metadata.get("llama.expert_count", 0):
            raise ValueError("llama.expert_count is not zero; mixtures of experts are not supported")
        field = _Fields(metadata, "GGUF metadata")
        heads = field.integer("llama.attention.head_count")
        width = field.integer("llama.embedding_length")
        head_width = field.integer("llama.attention.key_length", width // max(heads, 1))
        for name in ("llama.attention.value_length", "llama.rope.dimension_count"):
            if field.integer(name, head_width) != head_width:
                raise ValueError(f"{name} differs from the head width {head_width}; only equal widths are supported")
        return cls(
            layers=field.integer("llama.block_count"),
            width=width,
            heads=heads,
            key_value_heads=field.integer("llama.attention.head_count_kv", heads),
            head_width=head_width,
            hidden_width=field.integer("llama.feed_forward_length"),
            vocabulary=vocabulary,
            context=field.integer("llama.context_length"),
            rope_theta=field.number("llama.rope.freq_base", 1e4),
            norm_epsilon=_shortest(field.number("llama.attention.layer_norm_rms_epsilon")),
            tied_head=tied_head,
        )

    @classmethod
    def from_huggingface(cls, config: Mapping[str, Any]) -> "TransformerConfig":
        """From the `config.json` of a Hugging Face folder with `model_type` `llama`.

        Absent fields take the defaults of transformers' LlamaConfig. ValueError names what is missing or unsupported.
        """
        if config.get("model_type") != "llama":
            raise ValueError(f"model_type in config.json is {config.get('model_type')!r}; only 'llama' is supported")
        if config.get("hidden_act", "silu") != "silu":
            raise ValueError(f"hidden_act in config.json is {config['hidden_act']!r}; only 'silu' is supported")
        for name in ("attention_bias", "mlp_bias"):
            if config.get(name, False):
                raise ValueError(f"{name} in config.json is true; linear layers with a bias are not supported")
        field = _Fields(config, "config.json")
        heads = field.integer("num_attention_heads")
        width = field.integer("hidden_size")
        return cls(
            layers=field.integer("num_hidden_layers"),
            width=width,
            heads=heads,
            key_value_heads=field.integer("num_key_value_heads", heads),
            head_width=field.integer("head_dim", width // max(heads, 1)),
            hidden_width=field.integer("intermediate_size"),
            vocabulary=field.integer("vocab_size"),
            context=field.integer("max_position_embeddings", 2048),
            rope_theta=_rope_theta(config),
            norm_epsilon=field.number("rms_norm_eps", 1e-6),
            tied_head=bool(config.get("tie_word_embeddings", False)),
        )


class _Fields:
    """Typed access to a mapping that came from a file; null counts as absent, as it does in config.json."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = values, where

    def _value(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        if value is None:
            value = default
        if value is _MISSING:
            raise ValueError(f"{self.where} has no field {name!r}, which a llama model needs")
        return value

    def integer(self, name: str, default: Any = _MISSING) -> int:
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{name!r} in {self.where} must be one integer, not {value!r}")
        return value

    def number(self, name: str, default: Any = _MISSING) -> float:
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name!r} in {self.where} must be a number, not {value!r}")
        return float(value)


def _rope_theta(config: Mapping[str, Any]) -> float:
    """Base of the rotary frequencies: a top-level field until transformers 4, `rope_parameters` since 5."""
    parameters = config.get("rope_parameters") or {}
    scaling = config.get("rope_scaling") or parameters
    if not isinstance(parameters, Mapping) or not isinstance(scaling, Mapping):
        raise ValueError("rope_parameters and rope_scaling in config.json must be objects")
    kind = scaling.get("rope_type", scaling.get("type", "default"))
    if kind != "default":
        raise ValueError(f"the rotary type in config.json is {kind!r}; scaled rotary positions are not supported yet")
    merged = {"rope_theta": config.get("rope_theta"), **parameters}
    return _Fields(merged, "config.json").number("rope_theta", 1e4)


def _shortest(value: float) -> float:
    """A float32 that was widened to float64, as the shortest decimal that rounds to it: 9.99999974e-06 -> 1e-05."""
    return float(f"{value:.7g}")


LLAMA_3_1_70B = TransformerConfig(
    layers=80,
    width=8192,
    heads=64,
    key_value_heads=8,
    head_width=128,
    hidden_width=28672,
    vocabulary=128256,
    context=131072,
    rope_theta=5e5,
)
"""Shape of Llama 3.1 70B, for counting work (Grattafiori et al., The Llama 3 Herd of Models, 2024, table 3).

Its rotary positions are scaled, which is not modelled; neither the shapes nor the work depend on that.
"""
