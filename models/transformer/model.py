"""A decoder-only transformer of the Llama family in plain flax nnx.

Every weight product is an `nnx.Linear` (or the tied head below), so that its `dot_general` can be replaced after
construction; biases are added to what it returns. Module paths and `jax.named_scope`s agree: `layers/attention/query`,
`.../key`, `.../value`, `.../output`, `layers/mlp/gate`, `.../up`, `.../down`, `embed`, `final_norm`, `head`.

Touvron et al., LLaMA: Open and Efficient Foundation Language Models, 2023; Ainslie et al., GQA, 2023; Shazeer, GLU
Variants Improve Transformer, 2020; Su et al., RoFormer, 2021; Zhang and Sennrich, Root Mean Square Layer
Normalization, 2019.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from models.transformer.cache import KeyValueCache
from models.transformer.config import TransformerConfig
from models.transformer.data_product import DataProduct
from models.transformer.stack import run_layers

Rotary = tuple[Array, Array]
Recall = Callable[[Array, Array], tuple[Array, Array]]
Carry = tuple[Array, KeyValueCache, Array]


def rotary_table(positions: Array, head_width: int, theta: float, divisors: tuple[float, ...] = ()) -> Rotary:
    """Cosine and sine of the rotary angles at positions (...), each (..., head_width / 2), float32.

        angle[t, j] = t * theta ** (-2 j / head_width) / divisors[j]

    Without divisors they are 1. Su et al., 2021.
    """
    frequency = theta ** (-jnp.arange(0, head_width, 2, dtype=jnp.float32) / head_width)
    if divisors:
        frequency = frequency / jnp.array(divisors, dtype=jnp.float32)
    angle = positions.astype(jnp.float32)[..., None] * frequency
    return jnp.cos(angle), jnp.sin(angle)


def rotate(x: Array, rotary: Rotary) -> Array:
    """Turns each pair of elements of x (batch, time, heads, head_width) by the angle of its position.

    The tables are (batch, time, head_width / 2), or (time, head_width / 2) where all sequences have the same positions.

    Element j of the first half is paired with element j of the second half, the order of Hugging Face weights; GGUF
    files pair neighbours and are reordered when they are read.
    """
    cos, sin = (table[..., None, :] for table in rotary)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def visible_slots(positions: Array, slots: int, window: int | None = None) -> Array:
    """Which of the slots 0 to slots - 1 a token at positions (...) sees: (..., slots).

    Those up to its own, s <= t; with a window the last `window` of them, t - window < s <= t.
    """
    slot, position = jnp.arange(slots), positions[..., None]
    seen = slot <= position
    return seen if window is None else seen & (slot > position - window)


def attend(
    query: Array,
    key: Array,
    value: Array,
    visible: Array,
    score: Callable[..., Array] = jax.lax.dot_general,
    mix: Callable[..., Array] = jax.lax.dot_general,
) -> Array:
    """Softmax attention in which position t sees the slots s where visible[..., t, s] is true.

        y[t] = sum_s softmax_s(q[t] . k[s] / sqrt(head_width)) v[s]

    query (batch, time, heads, head_width); key and value (batch, slots, key_value_heads, head_width), each of whose
    heads serves heads / key_value_heads consecutive query heads; visible (batch or nothing, time, slots), at least one
    slot for every position. `score` and `mix` are called as `jax.lax.dot_general` for the two products. Returns (batch,
    time, heads, head_width).
    """
    batch, time, heads, head_width = query.shape
    shared = key.shape[2]
    grouped = query.reshape(batch, time, shared, heads // shared, head_width) * head_width**-0.5
    with jax.named_scope("scores"):  # (batch, shared, time, heads of a group, slots)
        scores = score(grouped, key.astype(query.dtype), (((4,), (3,)), ((0, 2), (0, 2))))
    masked = jnp.where(jnp.expand_dims(visible, (-4, -2)), scores, -jnp.inf)
    shares = jax.nn.softmax(masked, axis=-1)
    with jax.named_scope("mix"):
        mixed = mix(shares, value.astype(query.dtype), (((4,), (1,)), ((0, 1), (0, 2))))
    return mixed.swapaxes(1, 2).reshape(query.shape)


def _present(key: Array, value: Array) -> tuple[Array, Array]:
    """Keys and values to attend to where nothing came before."""
    return key, value


class Attention(nnx.Module):
    """Causal self-attention with rotary positions and shared key-value heads, (batch, time, width) to the same."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> None:
        inner, shared = config.heads * config.head_width, config.key_value_heads * config.head_width
        bias = config.query_key_value_bias
        self.head_width = config.head_width
        self.query = nnx.Linear(config.width, inner, use_bias=bias, rngs=rngs)
        self.key = nnx.Linear(config.width, shared, use_bias=bias, rngs=rngs)
        self.value = nnx.Linear(config.width, shared, use_bias=bias, rngs=rngs)
        self.output = nnx.Linear(inner, config.width, use_bias=config.output_bias, rngs=rngs)
        self.scores, self.mix = DataProduct(), DataProduct()
        if config.query_key_norm:
            self.query_norm = nnx.RMSNorm(config.head_width, epsilon=config.norm_epsilon, rngs=rngs)
            self.key_norm = nnx.RMSNorm(config.head_width, epsilon=config.norm_epsilon, rngs=rngs)

    def __call__(self, x: Array, rotary: Rotary, visible: Array, recall: Recall = _present) -> Array:
        """Attention of x (batch, time, width) with the tables of `rotary_table`, over what `recall` makes of its keys.

        `recall` takes the keys and values of x (batch, time, key_value_heads, head_width) and returns those of all
        slots that `visible` speaks of.
        """
        query = rotate(self._normed("query_norm", self._heads("query", x)), rotary)
        key = rotate(self._normed("key_norm", self._heads("key", x)), rotary)
        mixed = attend(query, *recall(key, self._heads("value", x)), visible, self.scores, self.mix)
        with jax.named_scope("output"):
            return self.output(mixed.reshape(*x.shape[:-1], -1))

    def _heads(self, name: str, x: Array) -> Array:
        with jax.named_scope(name):
            return getattr(self, name)(x).reshape(*x.shape[:-1], -1, self.head_width)

    def _normed(self, name: str, heads: Array) -> Array:
        if not hasattr(self, name):
            return heads
        with jax.named_scope(name):
            return getattr(self, name)(heads)


class FeedForward(nnx.Module):
    """The SwiGLU block, down(silu(gate(x)) * up(x)), (batch, time, width) to the same. Shazeer, 2020."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> None:
        self.gate = nnx.Linear(config.width, config.hidden_width, use_bias=False, rngs=rngs)
        self.up = nnx.Linear(config.width, config.hidden_width, use_bias=False, rngs=rngs)
        self.down = nnx.Linear(config.hidden_width, config.width, use_bias=False, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """The block's output for x (batch, time, width)."""
        with jax.named_scope("gate"):
            gate = self.gate(x)
        with jax.named_scope("up"):
            up = self.up(x)
        with jax.named_scope("down"):
            return self.down(jax.nn.silu(gate) * up)


class Layer(nnx.Module):
    """One layer: x + attention(norm(x)), then x + mlp(norm(x)), both norms RMSNorm with a learned scale."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> None:
        self.attention_norm = nnx.RMSNorm(config.width, epsilon=config.norm_epsilon, rngs=rngs)
        self.attention = Attention(config, rngs=rngs)
        self.mlp_norm = nnx.RMSNorm(config.width, epsilon=config.norm_epsilon, rngs=rngs)
        self.mlp = FeedForward(config, rngs=rngs)

    def __call__(self, x: Array, rotary: Rotary, visible: Array, recall: Recall = _present) -> Array:
        """The residual stream x (batch, time, width) after this layer; the rest as in `Attention`."""
        with jax.named_scope("attention_norm"):
            normed = self.attention_norm(x)
        with jax.named_scope("attention"):
            x = x + self.attention(normed, rotary, visible, recall)
        with jax.named_scope("mlp_norm"):
            normed = self.mlp_norm(x)
        with jax.named_scope("mlp"):
            return x + self.mlp(normed)

    def extend(self, carry: Carry, rotary: Rotary, visible: Array, slots: Array) -> Carry:
        """(x, cache, number of this layer) to the same of the next layer; x's keys and values go to `slots`."""
        x, cache, number = carry

        def recall(key: Array, value: Array) -> tuple[Array, Array]:
            nonlocal cache
            cache = cache.write(number, slots, key, value)
            return cache.layer(number)

        x = self(x, rotary, visible, recall)
        return x, cache, number + 1


class TiedHead(nnx.Module):
    """The output head whose weight is the transposed embedding: logits = x @ embedding.T.

    It holds the embedding's own Param, not a copy. `dot_general` is called as `nnx.Linear` calls its own and may be
    replaced after construction by a module, `head.dot_general = nnx.data(module)`; `nnx.Embed.attend` has no such seam.

    Press and Wolf, Using the Output Embedding to Improve Language Models, 2017.
    """

    def __init__(self, embed: nnx.Embed, *, dot_general: Callable[..., Array] = jax.lax.dot_general) -> None:
        self.embedding = embed.embedding
        self.dot_general: Any = dot_general

    def weight_matrix(self) -> Array:
        """The weight as a linear layer holds it, (width, vocabulary), float32."""
        return self.embedding[...].T.astype(jnp.float32)

    def __call__(self, x: Array) -> Array:
        """Logits (..., vocabulary) of x (..., width)."""
        contract_last_with_first = (((x.ndim - 1,), (0,)), ((), ()))
        return self.dot_general(x, self.weight_matrix(), contract_last_with_first, precision=None, out_sharding=None)


class Transformer(nnx.Module):
    """Token numbers (batch, time) to next-token logits (batch, time, vocabulary), float32.

    `layers` is one `Layer` whose every variable carries a leading layer axis, run by a scan (`stack.run_layers`);
    `stack.unroll` gives the same model with a list of single layers. Call it inside `nnx.jit(..., graph_updates=False)`
    or `jax.jit` with `nnx.split` and `nnx.merge`: an eager call compiles the scan anew each time, and the default of
    `nnx.jit` returns every weight from the compiled function, a copy per call. Products have JAX's default precision.
    `extend` continues sequences whose keys and values are in a cache. With `rematerialise` set, a backward pass
    computes every layer again instead of keeping what is inside of it. Left out: dropout, packed sequences.
    """

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> None:
        @nnx.split_rngs(splits=config.layers)
        @nnx.vmap(in_axes=0)
        def stacked(rngs: nnx.Rngs) -> Layer:
            return Layer(config, rngs=rngs)

        self.config = config
        self.rematerialise = False
        self.embed = nnx.Embed(config.vocabulary, config.width, rngs=rngs)
        self.layers: Layer | nnx.List[Layer] = stacked(rngs)
        self.final_norm = nnx.RMSNorm(config.width, epsilon=config.norm_epsilon, rngs=rngs)
        if config.tied_head:
            self.head = TiedHead(self.embed)
        else:
            self.head = nnx.Linear(config.width, config.vocabulary, use_bias=False, rngs=rngs)

    def __call__(self, tokens: Array) -> Array:
        """Logits (batch, time, vocabulary) of the token after each position of tokens (batch, time), integers.

        TypeError for tokens that are not integers, ValueError for another number of axes. A number outside the
        vocabulary is not detected: it gives NaN or the logits of another token.
        """
        return self.logits(self.hidden(tokens))

    def hidden(self, tokens: Array) -> Array:
        """The last hidden state (batch, time, width) of tokens (batch, time), behind the final norm.

        TypeError and ValueError as for a call.
        """
        _check_tokens(tokens)
        positions = jnp.arange(tokens.shape[1])
        visible = visible_slots(positions, tokens.shape[1], self.config.window)
        x = self._embedded(tokens)
        with jax.named_scope("layers"):
            x = run_layers(self.layers, x, self._rotary(positions), visible, rematerialise=self.rematerialise)
        return self._normed(x)

    def logits(self, hidden: Array) -> Array:
        """Logits (..., vocabulary) of last hidden states (..., width)."""
        with jax.named_scope("head"):
            return self.head(hidden)

    def extend(
        self, tokens: Array, cache: KeyValueCache, *, counts: Array | None = None, last_only: bool = False
    ) -> tuple[Array, KeyValueCache]:
        """Logits of tokens (batch, time) that follow those in the cache, and the cache with them in it.

        It serves both phases of generation: a prompt of `time` tokens into an empty cache (prefill), then one token
        at a time (decode). Rows of different lengths are padded at the end: of row r the first counts[r] tokens count
        (all, if `counts` is not given), the rest leaves no trace in the cache or in any logits that count; nor does a
        token's result depend on how much padding its row or the other rows have. Positions go on from `cache.lengths`.

        Logits are (batch, time, vocabulary), or with `last_only` (batch, 1, vocabulary), those of the last token that
        counts. A token that finds its row full is not stored and its logits are NaN. The logits equal those of a call
        with the whole sequences to float32 rounding. Compile it with the cache donated, so that it is not copied:

            step = jax.jit(lambda state, tokens, cache: nnx.merge(graphdef, state).extend(tokens, cache),
                           donate_argnums=2)

        TypeError and ValueError as for a call; ValueError for a batch or for layers other than the cache's, and for
        more tokens than an empty cache holds.
        """
        _check_tokens(tokens)
        _check_fit(tokens, cache, self.config)
        time = jnp.arange(tokens.shape[1])
        end = cache.lengths + (tokens.shape[1] if counts is None else counts)
        absolute = cache.lengths[:, None] + time
        slots = jnp.where(absolute < end[:, None], absolute, cache.capacity)
        # Padding and overflow take some slot that is there, since softmax needs one.
        positions = jnp.minimum(absolute, cache.capacity - 1)
        visible = visible_slots(positions, cache.capacity, self.config.window)
        x = self._embedded(tokens)
        with jax.named_scope("layers"):
            start = (x, cache, jnp.int32(0))
            x, cache, _ = run_layers(self.layers, start, self._rotary(positions), visible, slots, call=Layer.extend)
        full = absolute >= cache.capacity
        if last_only:
            last = jnp.maximum(end - cache.lengths - 1, 0)[:, None]
            x = jnp.take_along_axis(x, last[..., None], axis=1)
            full = jnp.take_along_axis(full, last, axis=1)
        logits = jnp.where(full[..., None], jnp.nan, self.logits(self._normed(x)))
        return logits, dataclasses.replace(cache, lengths=jnp.minimum(end, cache.capacity))

    def _embedded(self, tokens: Array) -> Array:
        with jax.named_scope("embed"):
            return self.embed(tokens).astype(jnp.float32)  # the residual stream is float32 whatever the weights are

    def _rotary(self, positions: Array) -> Rotary:
        config = self.config
        return rotary_table(positions, config.head_width, config.rope_theta, config.rotary_divisors)

    def _normed(self, x: Array) -> Array:
        with jax.named_scope("final_norm"):
            return self.final_norm(x)


def _check_tokens(tokens: Array) -> None:
    if not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise TypeError(f"tokens must be integers, not {tokens.dtype}")
    if tokens.ndim != 2:
        raise ValueError(f"tokens must have the axes (batch, time), not the shape {tokens.shape}")


def _check_fit(tokens: Array, cache: KeyValueCache, config: TransformerConfig) -> None:
    expected = (config.layers, tokens.shape[0], cache.capacity, config.key_value_heads, config.head_width)
    if cache.keys.shape != expected:
        raise ValueError(
            f"the cache has the axes (layers, batch, capacity, key_value_heads, head_width) {cache.keys.shape}; "
            f"this model and batch need {expected}"
        )
    if tokens.shape[1] > cache.capacity:
        raise ValueError(f"{tokens.shape[1]} tokens per row do not fit a cache of {cache.capacity}")


def untrained(config: TransformerConfig, seed: int = 0) -> Transformer:
    """A model with random weights, as flax initialises its layers: where a training from nothing starts."""
    return Transformer(config, rngs=nnx.Rngs(seed))
