"""Keys and values of the tokens that a model has seen, so that the next token costs one pass instead of all of them."""

import dataclasses

import jax
import jax.numpy as jnp
from jax import Array

from models.transformer.config import TransformerConfig


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class KeyValueCache:
    """Rotated keys and values of every layer, and how many tokens of each sequence they belong to. A plain pytree.

    Slot s of a sequence holds its token s, counted from 0: rows of different lengths have no gaps, and what lies in
    the slots from `lengths` on is never seen. Writing returns a new cache; inside a compiled function whose cache
    argument is donated the buffers are updated in place.
    """

    keys: Array
    """(layers, batch, capacity, key_value_heads, head_width)"""
    values: Array
    """The same axes as `keys`."""
    lengths: Array
    """(batch,) tokens held, int32."""

    @property
    def capacity(self) -> int:
        """How many tokens of one sequence fit."""
        return self.keys.shape[2]

    def write(self, layer: Array | int, slots: Array, keys: Array, values: Array) -> "KeyValueCache":
        """The cache with one layer's new keys and values (batch, time, key_value_heads, head_width).

        Token t of row r goes to slot slots[r, t]; a slot of `capacity` or beyond drops it. Lengths stay as they are.
        """
        rows = jnp.arange(slots.shape[0])[:, None]
        where = (layer, rows, slots)
        return dataclasses.replace(
            self,
            keys=self.keys.at[where].set(keys.astype(self.keys.dtype), mode="drop"),
            values=self.values.at[where].set(values.astype(self.values.dtype), mode="drop"),
        )

    def layer(self, layer: Array | int) -> tuple[Array, Array]:
        """Keys and values of one layer, each (batch, capacity, key_value_heads, head_width)."""
        return tuple(jax.lax.dynamic_index_in_dim(x, layer, keepdims=False) for x in (self.keys, self.values))


def empty_cache(
    config: TransformerConfig, batch: int, capacity: int, dtype: jax.typing.DTypeLike = jnp.float32
) -> KeyValueCache:
    """A cache without tokens for `batch` sequences of at most `capacity` tokens each.

    It takes 2 * layers * batch * capacity * key_value_heads * head_width elements of `dtype`; with bfloat16 keys and
    values are rounded when they are stored. ValueError if batch or capacity is not positive.
    """
    for name, value in (("batch", batch), ("capacity", capacity)):
        if value < 1:
            raise ValueError(f"{name} of a key-value cache must be a positive integer, not {value!r}")
    shape = (config.layers, batch, capacity, config.key_value_heads, config.head_width)
    return KeyValueCache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype), jnp.zeros(batch, jnp.int32))
