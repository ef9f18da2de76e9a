"""The shape of a Llama-type transformer; `from_gguf` and `from_huggingface` read it from the two kinds of files."""

import dataclasses
import math

# Far beyond any model: a damaged width must not decide how many frequencies are computed.
_WIDEST_HEAD = 1 << 16


@dataclasses.dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Sizes and constants of a decoder-only transformer of the Llama family.

    Each layer does, with h = RMSNorm(x) before either step:

        x += output(attention(query(h), key(h), value(h)))
        x += down(silu(gate(h)) * up(h))

    The last six fields are what tells Llama 3, Qwen2, Qwen3 and Mistral from Llama 2. Left out: biases of the
    feed-forward block, windows in some layers only, mixtures of experts, rotary scalings that depend on the length of
    the text (dynamic) or also temper the softmax (YaRN).

    Touvron et al., LLaMA: Open and Efficient Foundation Language Models, 2023, section 2.2; Ainslie et al., GQA, 2023;
    Jiang et al., Mistral 7B, 2023; Yang et al., Qwen2 Technical Report, 2024, and Qwen3 Technical Report, 2025.
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
    rotary_divisors: tuple[float, ...] = ()
    """What divides each of the head_width / 2 rotary frequencies, fastest first; empty for 1. See `linear_divisors` and
    `llama3_divisors`."""
    query_key_value_bias: bool = False
    """Whether the projections to queries, keys and values have biases."""
    output_bias: bool = False
    """Whether the projection out of the attention has a bias."""
    query_key_norm: bool = False
    """Whether each head's query and key pass an RMSNorm over head_width before they are rotated."""
    window: int | None = None
    """How many tokens a token sees, itself included; None for all that came before."""

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
        if len(self.rotary_divisors) not in (0, self.head_width // 2):
            raise ValueError(
                f"rotary_divisors must hold head_width / 2 = {self.head_width // 2} numbers or none, "
                f"not {len(self.rotary_divisors)}"
            )
        if not all(math.isfinite(value) and value > 0 for value in self.rotary_divisors):
            raise ValueError(f"rotary_divisors must be positive and finite, not {self.rotary_divisors}")
        if self.window is not None and (isinstance(self.window, bool) or self.window < 1):
            raise ValueError(f"window must be a positive number of tokens or None, not {self.window!r}")

    @property
    def parameters(self) -> int:
        """Number of weights, the shared matrix of a tied head counted once."""
        attention = self.width * self.head_width * (2 * self.heads + 2 * self.key_value_heads)
        heads = self.heads + 2 * self.key_value_heads
        attention += heads * self.head_width * self.query_key_value_bias + self.width * self.output_bias
        attention += 2 * self.head_width * self.query_key_norm
        layer = attention + 3 * self.width * self.hidden_width + 2 * self.width
        tables = self.vocabulary * self.width * (1 if self.tied_head else 2)
        return self.layers * layer + tables + self.width


def linear_divisors(head_width: int, factor: float) -> tuple[float, ...]:
    """Every rotary frequency divided by `factor`. Chen et al., Extending Context Window by Interpolation, 2023."""
    if head_width > _WIDEST_HEAD:
        raise ValueError(f"scaled rotary positions need heads of at most {_WIDEST_HEAD}, not {head_width}")
    return (factor,) * (head_width // 2)


def llama3_divisors(
    head_width: int,
    theta: float,
    *,
    factor: float,
    low_frequency_factor: float,
    high_frequency_factor: float,
    original_context: int,
) -> tuple[float, ...]:
    """Divisors of the rotary frequencies of Llama 3.1 and later: `factor` for slow ones, 1 for fast ones.

        turns[j] = original_context * theta ** (-2 j / head_width) / (2 pi)
        share    = clip((turns - low) / (high - low), 0, 1)
        divisor  = 1 / (share + (1 - share) / factor)

    where turns[j] is how often pair j turns within the context of the first training. ValueError unless all factors
    are positive and low < high.

    Grattafiori et al., The Llama 3 Herd of Models, 2024; the rope type "llama3" of the transformers library.
    """
    low, high = low_frequency_factor, high_frequency_factor
    if not (1 <= theta < math.inf and head_width <= _WIDEST_HEAD):
        raise ValueError(
            f"the llama3 rotary scaling needs a base from 1 and heads of at most {_WIDEST_HEAD}, "
            f"not {theta} and {head_width}"
        )
    if not (0 < factor < math.inf and 0 < low < high and original_context > 0):
        raise ValueError(
            "the llama3 rotary scaling needs factor > 0, original context > 0 and 0 < low frequency factor < high "
            f"frequency factor, not {factor}, {original_context}, {low} and {high}"
        )
    divisors = []
    for j in range(head_width // 2):
        turns = original_context * theta ** (-2 * j / head_width) / (2 * math.pi)
        share = min(max((turns - low) / (high - low), 0.0), 1.0)
        divisors.append(1 / (share + (1 - share) / factor))
    return tuple(divisors)


def _llama_3_1(layers: int, width: int, heads: int, hidden_width: int) -> TransformerConfig:
    return TransformerConfig(
        layers=layers,
        width=width,
        heads=heads,
        key_value_heads=8,
        head_width=128,
        hidden_width=hidden_width,
        vocabulary=128256,
        context=131072,
        rope_theta=5e5,
        rotary_divisors=llama3_divisors(
            *(128, 5e5), factor=8, low_frequency_factor=1, high_frequency_factor=4, original_context=8192
        ),
    )


LLAMA_3_1_8B = _llama_3_1(layers=32, width=4096, heads=32, hidden_width=14336)
"""Shape of Llama 3.1 8B (Grattafiori et al., The Llama 3 Herd of Models, 2024, table 3; scaling from its files)."""

LLAMA_3_1_70B = _llama_3_1(layers=80, width=8192, heads=64, hidden_width=28672)
"""Shape of Llama 3.1 70B (the same source)."""

LLAMA_3_1_405B = _llama_3_1(layers=126, width=16384, heads=128, hidden_width=53248)
"""Shape of Llama 3.1 405B (the same source)."""
