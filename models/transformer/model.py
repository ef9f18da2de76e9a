"""A decoder-only transformer of the Llama family in plain flax nnx.

Every weight product is an `nnx.Linear` without bias (or the tied head below), so that its `dot_general` can be replaced
after construction. Module paths and `jax.named_scope`s agree: `layers/attention/query`, `.../key`, `.../value`,
`.../output`, `layers/mlp/gate`, `.../up`, `.../down`, `embed`, `final_norm`, `head`.

Touvron et al., LLaMA: Open and Efficient Foundation Language Models, 2023; Ainslie et al., GQA, 2023; Shazeer, GLU
Variants Improve Transformer, 2020; Su et al., RoFormer, 2021; Zhang and Sennrich, Root Mean Square Layer
Normalization, 2019.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from models.transformer.config import TransformerConfig
from models.transformer.stack import run_layers

Rotary = tuple[Array, Array]


def rotary_table(length: int, head_width: int, theta: float) -> Rotary:
    """Cosine and sine of the rotary angles, each (length, head_width / 2), float32.

        angle[t, j] = t * theta ** (-2 j / head_width)

    Positions count from 0 in every sequence. Left out: scaled frequencies (Llama 3.1 and later). Su et al., 2021.
    """
    frequency = theta ** (-jnp.arange(0, head_width, 2, dtype=jnp.float32) / head_width)
    angle = jnp.arange(length, dtype=jnp.float32)[:, None] * frequency
    return jnp.cos(angle), jnp.sin(angle)


def rotate(x: Array, rotary: Rotary) -> Array:
    """Turns each pair of elements of x (batch, time, heads, head_width) by the angle of its position.

    Element j of the first half is paired with element j of the second half, the order of Hugging Face weights; GGUF
    files pair neighbours and are reordered when they are read.
    """
    cos, sin = (table[:, None, :] for table in rotary)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def causal_attention(query: Array, key: Array, value: Array) -> Array:
    """Softmax attention in which position t sees positions 0 to t.

        y[t] = sum_s softmax_s(q[t] . k[s] / sqrt(head_width)) v[s],   s <= t

    query (batch, time, heads, head_width); key and value (batch, time, key_value_heads, head_width), each of whose
    heads serves heads / key_value_heads consecutive query heads. Returns (batch, time, heads, head_width).
    """
    batch, time, heads, head_width = query.shape
    shared = key.shape[2]
    grouped = query.reshape(batch, time, shared, heads // shared, head_width) * head_width**-0.5
    with jax.named_scope("scores"):  # (batch, shared, time, heads of a group, time seen)
        scores = jax.lax.dot_general(grouped, key, (((4,), (3,)), ((0, 2), (0, 2))))
    visible = jnp.tril(jnp.ones((time, time), dtype=bool))[:, None, :]
    shares = jax.nn.softmax(jnp.where(visible, scores, -jnp.inf), axis=-1)
    with jax.named_scope("mix"):
        mixed = jax.lax.dot_general(shares, value, (((4,), (1,)), ((0, 1), (0, 2))))
    return mixed.swapaxes(1, 2).reshape(query.shape)


class Attention(nnx.Module):
    """Causal self-attention with rotary positions and shared key-value heads, (batch, time, width) to the same."""

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> None:
        inner, shared = config.heads * config.head_width, config.key_value_heads * config.head_width
        self.head_width = config.head_width
        self.query = nnx.Linear(config.width, inner, use_bias=False, rngs=rngs)
        self.key = nnx.Linear(config.width, shared, use_bias=False, rngs=rngs)
        self.value = nnx.Linear(config.width, shared, use_bias=False, rngs=rngs)
        self.output = nnx.Linear(inner, config.width, use_bias=False, rngs=rngs)

    def __call__(self, x: Array, rotary: Rotary) -> Array:
        """Attention over x (batch, time, width) with the tables of `rotary_table`."""
        query = rotate(self._heads("query", x), rotary)
        key = rotate(self._heads("key", x), rotary)
        mixed = causal_attention(query, key, self._heads("value", x))
        with jax.named_scope("output"):
            return self.output(mixed.reshape(*x.shape[:-1], -1))

    def _heads(self, name: str, x: Array) -> Array:
        with jax.named_scope(name):
            return getattr(self, name)(x).reshape(*x.shape[:-1], -1, self.head_width)


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

    def __call__(self, x: Array, rotary: Rotary) -> Array:
        """The residual stream x (batch, time, width) after this layer."""
        with jax.named_scope("attention_norm"):
            normed = self.attention_norm(x)
        with jax.named_scope("attention"):
            x = x + self.attention(normed, rotary)
        with jax.named_scope("mlp_norm"):
            normed = self.mlp_norm(x)
        with jax.named_scope("mlp"):
            return x + self.mlp(normed)


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
        """The weight as a linear layer holds it, (width, vocabulary)."""
        return self.embedding[...].T

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
    Left out: dropout, a cache of keys and values, padding masks, packed sequences, scaled rotary positions.
    """

    def __init__(self, config: TransformerConfig, *, rngs: nnx.Rngs) -> None:
        @nnx.split_rngs(splits=config.layers)
        @nnx.vmap(in_axes=0)
        def stacked(rngs: nnx.Rngs) -> Layer:
            return Layer(config, rngs=rngs)

        self.config = config
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
        if not jnp.issubdtype(tokens.dtype, jnp.integer):
            raise TypeError(f"tokens must be integers, not {tokens.dtype}")
        if tokens.ndim != 2:
            raise ValueError(f"tokens must have the axes (batch, time), not the shape {tokens.shape}")
        with jax.named_scope("embed"):
            x = self.embed(tokens)
        rotary = rotary_table(tokens.shape[1], self.config.head_width, self.config.rope_theta)
        with jax.named_scope("layers"):
            x = run_layers(self.layers, x, rotary)
        with jax.named_scope("final_norm"):
            x = self.final_norm(x)
        with jax.named_scope("head"):
            return self.head(x)
