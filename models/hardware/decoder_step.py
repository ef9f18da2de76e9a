"""What one step of a decoder does: operations and bytes of every operator, from the shape of the model alone.

    prefill     b prompts of s tokens into an empty cache, logits of the last token of each
    decode      one further token for each of b sequences that have c tokens in the cache

Weights are read once per step, the cache of a sequence once per layer and step, activations once in and once out of
every operator. Norm and residual addition are one operator, and so are scores, softmax and mix (Dao et al.,
FlashAttention, 2022, arXiv 2205.14135): the matrix of scores never leaves the chip. The embedding is a row per token.

Left out: rotary positions, biases, sampling, what a chip reads twice because its caches are small. What the inner
vectors of latent attention move is taken as one vector of all its weights over the width. No JAX.
"""

import dataclasses
from collections.abc import Iterator
from typing import Literal

from models.hardware.decoder import Decoder

Kind = Literal["weights", "attention", "elementwise"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operator:
    """Equal operators, one in each of `count` layers.

    Attributes:
        name: what it computes.
        kind: a product with weights, one of data with data, or no product.
        count: how many a step has.
        bits: of its weights; 16 where it has none.
        macs: multiply-accumulates of one.
        weight_byte, cache_byte, activation_byte: what one moves [byte]; the cache read and written.
    """

    name: str
    kind: Kind
    count: int
    bits: int = 16
    macs: float = 0.0
    weight_byte: float = 0.0
    cache_byte: float = 0.0
    activation_byte: float = 0.0

    @property
    def byte(self) -> float:
        """All that one moves [byte]."""
        return self.weight_byte + self.cache_byte + self.activation_byte


@dataclasses.dataclass(frozen=True, kw_only=True)
class Precision:
    """Bits of a stored number.

    Attributes:
        weight_bits, cache_bits, activation_bits: of weights, of keys and values, of everything between operators.
        head_bits: of the output head, which quantised checkpoints leave at 16 bits.
    """

    weight_bits: int = 16
    cache_bits: int = 16
    activation_bits: int = 16
    head_bits: int = 16


SIXTEEN_BIT = Precision()


@dataclasses.dataclass(frozen=True)
class Step:
    """The operators of one step, in the order of the first layer; sums over all layers.

    Attributes:
        operators: what is done.
        tokens: tokens that the step reads, b s or b.
        decoder: whose step it is.
        precision: bits of what is stored.
    """

    operators: tuple[Operator, ...]
    tokens: int
    decoder: Decoder
    precision: Precision

    @property
    def ops(self) -> float:
        """Operations of all products, 2 for each multiply-accumulate."""
        return 2.0 * sum(one.macs * one.count for one in self.operators)

    @property
    def weight_byte(self) -> float:
        """Weights read [byte]."""
        return sum(one.weight_byte * one.count for one in self.operators)

    @property
    def cache_byte(self) -> float:
        """Keys and values read and written [byte]."""
        return sum(one.cache_byte * one.count for one in self.operators)

    @property
    def byte(self) -> float:
        """All that is moved [byte]."""
        return sum(one.byte * one.count for one in self.operators)

    @property
    def stored_byte(self) -> float:
        """What must be in memory [byte]: all weights, idle experts and embedding included, and the cache."""
        card = self.decoder
        tables = card.head_weights * (1 if card.tied_head else 2)
        layers_byte = (card.parameters - tables) * self.precision.weight_bits / 8
        return layers_byte + tables * self.precision.head_bits / 8 + self.cache_byte


@dataclasses.dataclass(frozen=True)
class _Phase:
    """How many tokens a step reads and what they see.

    Attributes:
        tokens: tokens read together.
        last: tokens whose logits are wanted.
        sequences: sequences they belong to.
        before: tokens in the cache of each before the step.
    """

    tokens: int
    last: int
    sequences: int
    before: int

    def pairs(self, window: int) -> float:
        """Pairs of a token and one that it sees, itself included, over all sequences."""
        each, limit = self.tokens // self.sequences, window or self.before + self.tokens
        # Tokens before the window is full see one more each; the others see a whole window.
        growing = max(min(each, limit - self.before), 0)
        seen = growing * self.before + growing * (growing + 1) / 2 + (each - growing) * limit
        return self.sequences * seen

    def cached(self, window: int) -> int:
        """Tokens whose keys and values are read from the cache, over all sequences."""
        return self.sequences * (min(self.before, window) if window else self.before)


def prefill_step(decoder: Decoder, tokens: int, batch: int = 1, precision: Precision = SIXTEEN_BIT) -> Step:
    """Reading `batch` prompts of `tokens` tokens; ValueError unless both are at least 1.

    ops    2 b s (weights without head) + 2 b V d + 2 b (s (s + 1) / 2) L macs per pair        dense, no windows
    """
    _check(prompt_tokens=tokens, batch=batch)
    return _step(decoder, _Phase(batch * tokens, batch, batch, 0), precision, absorbed=False)


def decode_step(decoder: Decoder, context: int, batch: int = 1, precision: Precision = SIXTEEN_BIT) -> Step:
    """One token for each of `batch` sequences with `context` tokens in the cache; ValueError for no batch.

        byte   weights read (layers, head, experts that someone takes) + b (c + 1) cache per token + activations

    A latent cache is used as it is stored, with the up-projections absorbed.
    """
    _check(batch=batch)
    if context < 0:
        raise ValueError(f"context is {context}; it should be 0 or more")
    return _step(decoder, _Phase(batch, batch, batch, context), precision, absorbed=True)


def _check(**counts: int) -> None:
    for name, value in counts.items():
        if value < 1:
            raise ValueError(f"{name} is {value}; it should be at least 1")


def _step(decoder: Decoder, phase: _Phase, precision: Precision, *, absorbed: bool) -> Step:
    made = _Operators(decoder, phase, precision, absorbed)
    operators = (*made.attention(), *made.feed_forward(), *made.rest())
    return Step(operators, phase.tokens, decoder, precision)


@dataclasses.dataclass(frozen=True)
class _Operators:
    decoder: Decoder
    phase: _Phase
    precision: Precision
    absorbed: bool

    def attention(self) -> Iterator[Operator]:
        card, width = self.decoder, self.decoder.width
        output = card.attention.output_inputs * width
        inward = card.attention.weights(width) - output
        yield self._product("attention/inputs", card.layers, inward, self.phase.tokens * (width + inward / width))
        windowed = card.attention.windowed_layers
        if card.layers > windowed:
            yield self._pairs("attention/pairs", card.layers - windowed, 0)
        if windowed:
            yield self._pairs("attention/pairs in a window", windowed, card.attention.window)
        moved = self.phase.tokens * (card.attention.output_inputs + width)
        yield self._product("attention/output", card.layers, output, moved)

    def feed_forward(self) -> Iterator[Operator]:
        card, experts, tokens = self.decoder, self.decoder.experts, self.phase.tokens
        dense = card.layers if experts is None else experts.dense_layers
        if dense:
            yield self._product("mlp", dense, card.block_weights, self._inside(card.hidden_width))
        if experts is None:
            return
        mixed, taken = card.layers - dense, experts.active + experts.shared
        yield self._product("router", mixed, card.width * experts.count, tokens * (card.width + experts.count))
        read = (experts.distinct(tokens) + experts.shared) * card.expert_weights
        product = self._product("experts", mixed, read, taken * self._inside(experts.width))
        yield dataclasses.replace(product, macs=float(tokens * taken * card.expert_weights))

    def rest(self) -> Iterator[Operator]:
        card, last = self.decoder, self.phase.last
        # Norm and residual in one: two vectors read, two written, twice in a layer.
        norms = 8 * self.phase.tokens * card.width
        yield Operator(name="norms", kind="elementwise", count=card.layers, activation_byte=self._activations(norms))
        rows = 2 * self.phase.tokens * card.width
        yield Operator(name="embedding", kind="elementwise", count=1, activation_byte=self._activations(rows))
        head = self._product("head", 1, card.head_weights, last * (card.width + card.vocabulary))
        head_byte = card.head_weights * self.precision.head_bits / 8
        yield dataclasses.replace(
            head, macs=float(last * card.head_weights), weight_byte=head_byte, bits=self.precision.head_bits
        )

    def _inside(self, hidden_width: int) -> float:
        """Numbers moved by a gated block: in, gate and up out, both in and their product out, that in, and out."""
        return self.phase.tokens * (2 * self.decoder.width + 6 * hidden_width)

    def _product(self, name: str, count: int, weights: float, moved: float) -> Operator:
        return Operator(
            name=name,
            kind="weights",
            count=count,
            bits=self.precision.weight_bits,
            macs=float(self.phase.tokens * weights),
            weight_byte=weights * self.precision.weight_bits / 8,
            activation_byte=self._activations(moved),
        )

    def _pairs(self, name: str, count: int, window: int) -> Operator:
        attention = self.decoder.attention
        tokens = self.phase.cached(window) + self.phase.tokens
        moved = 2 * self.phase.tokens * attention.output_inputs
        return Operator(
            name=name,
            kind="attention",
            count=count,
            macs=self.phase.pairs(window) * attention.macs_per_pair(absorbed=self.absorbed),
            cache_byte=tokens * attention.cached_numbers * self.precision.cache_bits / 8,
            activation_byte=self._activations(moved),
        )

    def _activations(self, numbers: float) -> float:
        return numbers * self.precision.activation_bits / 8
