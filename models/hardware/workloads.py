"""What machines are given to do: prompts of Llama 3.1 read by the model (prefill), and full matrices without a pause.

    llama-3.1-70b:prefill:8192          one prompt of 8,192 tokens
    llama-3.1-70b:prefill:8192:4        four of them at once
    dense                               peak: one full panel, shown vectors without end

The work is built from shapes, with the names, sizes and order that `photonics.count_contractions` finds in the
transformer itself (`models.transformer`): no model is made, nothing is computed and JAX is not imported.
"""

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType

from models.hardware.decoder import GroupedQueryAttention, decoder
from photonics.schema import nearest
from photonics.work import Contraction, Work

DENSE = "dense"
DENSE_VECTORS = 1_000_000
"""Vectors of the dense peak, so many that loading the panel does not count; as `photonics.cost.power_budget` has it."""
PHASES = ("prefill",)
# A count that a person can mean; digits without end must not decide how much is computed.
_LARGEST_COUNT = 2**31


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Sizes of a decoder of the Llama family that decide its products; the head is a matrix of its own.

    Attributes:
        layers: layers, L.
        width: length of a token's vector, d.
        heads, key_value_heads, head_width: h, g and w of the attention.
        hidden_width: length of the vector inside the feed-forward block.
        vocabulary: tokens known.
    """

    layers: int
    width: int
    heads: int
    key_value_heads: int
    head_width: int
    hidden_width: int
    vocabulary: int

    @property
    def parameters(self) -> int:
        """Numbers that are learned: every matrix, the embedding and the scales of the norms."""
        heads = 2 * self.heads + 2 * self.key_value_heads
        layer = self.width * self.head_width * heads + 3 * self.width * self.hidden_width + 2 * self.width
        return self.layers * layer + 2 * self.vocabulary * self.width + self.width


def _shape(name: str) -> ModelShape:
    """The shape of a dense card with grouped queries; the cards are the one place where sizes stand."""
    card = decoder(name)
    if not isinstance(card.attention, GroupedQueryAttention):
        raise TypeError(f"{name} has no grouped queries, which the products here are built from")
    return ModelShape(
        layers=card.layers,
        width=card.width,
        heads=card.attention.heads,
        key_value_heads=card.attention.key_value_heads,
        head_width=card.attention.head_width,
        hidden_width=card.hidden_width,
        vocabulary=card.vocabulary,
    )


MODELS: Mapping[str, ModelShape] = MappingProxyType(
    {name: _shape(name) for name in ("llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b")}
)
"""Shapes by name, from the cards of `models.hardware.decoder`, where their sources stand."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A workload as its name states it.

    Attributes:
        model: key of `MODELS`, or "dense".
        tokens: tokens of each prompt, 0 for dense.
        batch: prompts read together, 0 for dense.
    """

    model: str
    tokens: int = 0
    batch: int = 0


def parse_workload(text: str) -> Request:
    """The request that a name stands for; ValueError that says what there is for one that does not exist."""
    model, *rest = text.split(":")
    if model == DENSE:
        if rest:
            raise ValueError(f"workload {text!r}: {DENSE} stands alone")
        return Request(DENSE)
    if model not in MODELS:
        raise ValueError(
            f"workload {text!r}: model {model!r} is not known; the nearest is {nearest(model, (*MODELS, DENSE))!r} "
            f"(there are {', '.join((*MODELS, DENSE))})"
        )
    if len(rest) not in (2, 3):
        raise ValueError(f"workload {text!r} should be MODEL:PHASE:TOKENS or MODEL:PHASE:TOKENS:BATCH")
    if rest[0] not in PHASES:
        raise ValueError(f"workload {text!r}: phase {rest[0]!r} is not known (there is {', '.join(PHASES)})")
    tokens, *batch = (_count(text, name, value) for name, value in zip(("tokens", "batch"), rest[1:], strict=False))
    return Request(model, tokens, batch[0] if batch else 1)


def workload(text: str, *, panel: tuple[int, int] = (1024, 1024), causal: bool = True) -> Work:
    """The products of a workload by its name.

    `panel` is inputs and outputs of the panel that "dense" fills; `causal` as in `prefill`. ValueError for a name that
    `parse_workload` refuses.
    """
    request = parse_workload(text)
    if request.model == DENSE:
        return dense(*panel)
    return prefill(MODELS[request.model], request.tokens, request.batch, causal=causal)


def dense(inputs: int, outputs: int, vectors: int = DENSE_VECTORS) -> Work:
    """One matrix of inputs x outputs weights and many vectors: what an engine of that size does at its peak."""
    return Work((_weight("", vectors, inputs, outputs),))


def prefill(shape: ModelShape, tokens: int, batch: int = 1, *, causal: bool = True) -> Work:
    """The products of reading `batch` prompts of `tokens` tokens into an empty cache, up to the logits of the last.

        weights     batch tokens L (d w (2 h + 2 g) + 3 d hidden) + batch d vocabulary     multiply-accumulates
        attention   batch L h w tokens (tokens + 1)           causal: a token sees itself and what came before
                    batch L h w 2 tokens^2                    all pairs, half of them masked afterwards

    Without `causal` the work is what `photonics.count_contractions` finds in the transformer's `extend` with
    `last_only`, record by record. With it the scores keep batch and contraction, but m and n become sizes of the same
    product as the pairs that are seen (the mix alike with m and k): right for what they cost in operations, not the
    shape of a matrix that a panel would hold. ValueError unless tokens and batch are at least 1.
    """
    if min(tokens, batch) < 1:
        raise ValueError(f"a prompt needs at least 1 token and a batch at least 1 prompt, not {tokens} and {batch}")
    rows, inner, shared = batch * tokens, shape.heads * shape.head_width, shape.key_value_heads * shape.head_width
    seen, slots = _pairs(tokens) if causal else (tokens, tokens)
    seen *= shape.heads // shape.key_value_heads
    groups = batch * shape.key_value_heads

    def layer(part: str, k: int, n: int) -> Contraction:
        return _stacked(_weight(f"layers/{part}", rows, k, n), shape.layers)

    def pairs(part: str, k: int, n: int) -> Contraction:
        product = Contraction(f"layers/attention/{part}", batch=groups, m=seen, k=k, n=n)
        return _stacked(product, shape.layers)

    return Work(
        (
            layer("attention/query", shape.width, inner),
            layer("attention/key", shape.width, shared),
            layer("attention/value", shape.width, shared),
            pairs("scores", shape.head_width, slots),
            pairs("mix", slots, shape.head_width),
            layer("attention/output", inner, shape.width),
            layer("mlp/gate", shape.width, shape.hidden_width),
            layer("mlp/up", shape.width, shape.hidden_width),
            layer("mlp/down", shape.hidden_width, shape.width),
            _weight("head", batch, shape.width, shape.vocabulary),
        )
    )


def attention_share(work: Work) -> float:
    """Share of the operations that multiply data by data, which no weight panel can do; 0 for no work."""
    return work.digital_macs / work.macs if work.macs else 0.0


def weights(work: Work) -> int:
    """Distinct weights that the products use. An embedding and the scales of norms multiply no vector: not in it."""
    return sum(one.k * one.n * one.matrices for one in work if one.weights)


def weight_bytes(work: Work, bits: int) -> float:
    """Bytes of those weights at so many bits each, scales of blocks left out."""
    return weights(work) * bits / 8


def kv_cache_bytes(shape: ModelShape, tokens: int, batch: int = 1, bits: int = 16) -> float:
    """Bytes of the keys and values that a prompt leaves behind: 2 layers key_value_heads head_width tokens batch."""
    return 2 * shape.layers * shape.key_value_heads * shape.head_width * tokens * batch * bits / 8


def panels_needed(work: Work, inputs: int, outputs: int) -> int:
    """Panels of inputs x outputs that hold every weight at once, whole panels per matrix.

        sum over matrices of ceil(k / inputs) ceil(n / outputs)

    A matrix narrower than a panel takes a whole one, and matrices do not share. See `panels_by_area` for the count
    without this padding.
    """
    return sum(math.ceil(one.k / inputs) * math.ceil(one.n / outputs) * one.matrices for one in work if one.weights)


def panels_by_area(parameters: float, inputs: int, outputs: int) -> float:
    """Parameters over weights per panel: panels if the weights were poured in without regard to their matrices.

    Published counts are of this kind: 70.6e9 parameters of Llama 70B, embedding included, over 2048^2 are 16,832.4 and
    over 1024^2 67,329.5, published as 16,832 and 67,329: the fraction is cut off. The matrices themselves need 16,892
    panels of 2048^2 and 66,288 of 1024^2 (`panels_needed`).
    """
    return parameters / (inputs * outputs)


def _count(text: str, name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 12 and 1 <= int(value) < _LARGEST_COUNT):
        raise ValueError(f"workload {text!r}: {name} is {value!r}; it should be a whole number of at least 1")
    return int(value)


def _pairs(tokens: int) -> tuple[int, int]:
    """Two whole numbers whose product is the number of pairs of a token and one that it sees, t (t + 1) / 2."""
    return (tokens + 1, tokens // 2) if tokens % 2 == 0 else (tokens, (tokens + 1) // 2)


def _weight(name: str, vectors: int, k: int, n: int) -> Contraction:
    return Contraction(name, batch=1, m=vectors, k=k, n=n, weights=True)


def _stacked(one: Contraction, layers: int) -> Contraction:
    """The product of every layer of a scanned stack; the layer's index stands after "layers"."""
    return dataclasses.replace(one, count=layers, stacked=(layers,), index_after=(1,))
