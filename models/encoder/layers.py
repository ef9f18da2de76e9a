"""Layers that see a whole sequence: attention both ways, the GELU feed-forward block, norms before or after.

Every weight product is an `nnx.Linear`, so that its `dot_general` can be replaced after construction; biases are added
outside of the product. Module paths and `jax.named_scope`s agree: `attention/query`, `.../key`, `.../value`,
`.../output`, `mlp/up`, `mlp/down`.

Vaswani et al., Attention Is All You Need, 2017; Hendrycks and Gimpel, Gaussian Error Linear Units, 2016.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from models.transformer.data_product import DataProduct


class Lookup(nnx.Module):
    """A table (rows, width) that is read row by row and never multiplied.

    `nnx.Embed` has a product of its own (`attend`), which a report of products without a seam has to name; this has
    none, and says so.
    """

    multiplies = False

    def __init__(self, rows: int, width: int, *, rngs: nnx.Rngs) -> None:
        self.table = nnx.Param(0.02 * jax.random.normal(rngs.params(), (rows, width)))

    def __call__(self, numbers: Array) -> Array:
        """Rows (..., width) of numbers (...); a number outside the table gives its last row."""
        return self.table[...][numbers]


def attention(
    query: Array,
    key: Array,
    value: Array,
    visible: Array | None,
    score: Callable[..., Array] = jax.lax.dot_general,
    mix: Callable[..., Array] = jax.lax.dot_general,
) -> Array:
    """Softmax attention in which every position sees every visible one.

        y[t] = sum_s softmax_s(q[t] . k[s] / sqrt(head_width)) v[s],   s visible

    query, key, value (batch, time, heads, head_width); visible (batch, time) booleans, at least one true in each row,
    or None where all are. `score` and `mix` are called as `jax.lax.dot_general` for the two products. Returns (batch,
    time, heads, head_width).
    """
    with jax.named_scope("scores"):  # (batch, heads, time, time seen)
        scores = score(query * query.shape[-1] ** -0.5, key, (((3,), (3,)), ((0, 2), (0, 2))))
    if visible is not None:
        scores = jnp.where(visible[:, None, None, :], scores, -jnp.inf)
    shares = jax.nn.softmax(scores, axis=-1)
    with jax.named_scope("mix"):
        mixed = mix(shares, value, (((3,), (1,)), ((0, 1), (0, 2))))
    return mixed.swapaxes(1, 2)


class SelfAttention(nnx.Module):
    """Attention of a sequence to itself, (batch, time, width) to the same."""

    def __init__(self, width: int, heads: int, *, input_bias: bool = True, rngs: nnx.Rngs) -> None:
        self.heads = heads
        self.query, self.key, self.value = (nnx.Linear(width, width, use_bias=input_bias, rngs=rngs) for _ in range(3))
        self.output = nnx.Linear(width, width, rngs=rngs)
        self.scores, self.mix = DataProduct(), DataProduct()

    def __call__(self, x: Array, visible: Array | None) -> Array:
        """Attention over x (batch, time, width) among the visible positions (batch, time)."""
        query, key, value = (self._heads(name, x) for name in ("query", "key", "value"))
        mixed = attention(query, key, value, visible, self.scores, self.mix)
        with jax.named_scope("output"):
            return self.output(mixed.reshape(x.shape))

    def _heads(self, name: str, x: Array) -> Array:
        with jax.named_scope(name):
            return getattr(self, name)(x).reshape(*x.shape[:-1], self.heads, -1)


class FeedForward(nnx.Module):
    """down(gelu(up(x))), (batch, time, width) to the same."""

    def __init__(
        self, width: int, hidden_width: int, *, activation: Literal["gelu", "gelu_tanh"], rngs: nnx.Rngs
    ) -> None:
        self.tanh = activation == "gelu_tanh"
        self.up = nnx.Linear(width, hidden_width, rngs=rngs)
        self.down = nnx.Linear(hidden_width, width, rngs=rngs)

    def __call__(self, x: Array) -> Array:
        """The block's output for x (batch, time, width)."""
        with jax.named_scope("up"):
            hidden = self.up(x)
        with jax.named_scope("down"):
            return self.down(jax.nn.gelu(hidden, approximate=self.tanh))


class EncoderLayer(nnx.Module):
    """One layer of an encoder.

        norm after    x = norm(x + attention(x)),  x = norm(x + mlp(x))          BERT
        norm before   x = x + attention(norm(x)),  x = x + mlp(norm(x))          ViT

    Xiong et al., On Layer Normalization in the Transformer Architecture, 2020, compare the two.
    """

    def __init__(self, config: Any, *, norm: Literal["before", "after"], input_bias: bool = True, rngs: nnx.Rngs):
        self.norm_first = norm == "before"
        self.attention_norm = layer_norm(config, rngs)
        self.attention = SelfAttention(config.width, config.heads, input_bias=input_bias, rngs=rngs)
        self.mlp_norm = layer_norm(config, rngs)
        self.mlp = FeedForward(config.width, config.hidden_width, activation=config.activation, rngs=rngs)

    def __call__(self, x: Array, visible: Array | None) -> Array:
        """The vectors x (batch, time, width) after this layer."""
        x = self._step("attention", x, lambda inner: self.attention(inner, visible))
        return self._step("mlp", x, self.mlp)

    def _step(self, name: str, x: Array, block: Callable[[Array], Array]) -> Array:
        def norm(x: Array) -> Array:
            with jax.named_scope(f"{name}_norm"):
                return getattr(self, f"{name}_norm")(x)

        inner = norm(x) if self.norm_first else x
        with jax.named_scope(name):
            x = x + block(inner)
        return x if self.norm_first else norm(x)


def layer_norm(config: Any, rngs: nnx.Rngs) -> nnx.LayerNorm:
    """Layer normalisation over `config.width` elements; the variance is that of the centred vector."""
    # The default takes the difference of two large numbers, which loses digits.
    return nnx.LayerNorm(config.width, epsilon=config.norm_epsilon, use_fast_variance=False, rngs=rngs)


def stack_of(count: int, make: Callable[[nnx.Rngs], nnx.Module], rngs: nnx.Rngs) -> Any:
    """`count` modules as one whose every variable has a leading layer axis, as `run_layers` wants them."""

    @nnx.split_rngs(splits=count)
    @nnx.vmap(in_axes=0)
    def stacked(rngs: nnx.Rngs) -> nnx.Module:
        return make(rngs)

    return stacked(rngs)
