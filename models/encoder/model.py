"""A BERT-type encoder in plain flax nnx.

Module paths and `jax.named_scope`s agree: `words`, `positions`, `kinds`, `embedding_norm`, `layers/attention/query` and
so on (see `layers`), and, where the model has a classifier, `pooler` and `classifier`.

Devlin et al., BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding, 2019; Reimers and
Gurevych, Sentence-BERT, 2019, for the mean of token vectors as the vector of a sentence.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from models.encoder.config import EncoderConfig
from models.encoder.layers import EncoderLayer, Lookup, layer_norm, stack_of
from models.transformer.stack import run_layers


class Encoder(nnx.Module):
    """Token numbers (batch, time) and the number of tokens in each row to vectors, float32.

    Rows are padded at their end: tokens from `lengths` on are not seen by any other, and neither `embed` nor `classify`
    depends on them. What stands there must be a number of the vocabulary. `layers` is one layer whose every variable
    carries a leading layer axis, run by a scan; call it inside a compiled function (see
    `models.transformer.model.Transformer`). Without labels in the configuration, or with `head=False`, there is no
    classifier. Left out: dropout, segments other than the first.
    """

    def __init__(self, config: EncoderConfig, *, head: bool = True, rngs: nnx.Rngs) -> None:
        self.config = config
        self.words = Lookup(config.vocabulary, config.width, rngs=rngs)
        self.positions = Lookup(config.position_offset + config.context, config.width, rngs=rngs)
        self.kinds = Lookup(config.kinds, config.width, rngs=rngs)
        self.embedding_norm = layer_norm(config, rngs)
        self.layers = stack_of(config.layers, lambda rngs: EncoderLayer(config, norm="after", rngs=rngs), rngs)
        classes = len(config.labels) if head else 0
        self.pooler = nnx.data(nnx.Linear(config.width, config.width, rngs=rngs) if classes else None)
        self.classifier = nnx.data(nnx.Linear(config.width, classes, rngs=rngs) if classes else None)

    def __call__(self, tokens: Array, lengths: Array) -> Array:
        """Vectors (batch, time, width) of tokens (batch, time), of which `lengths` (batch,) count in each row.

        TypeError for tokens that are not integers, ValueError for other axes or more tokens than there are positions.
        """
        _check(tokens, lengths, self.config.context)
        time = tokens.shape[1]
        with jax.named_scope("words"):
            x = self.words(tokens)
        with jax.named_scope("positions"):
            x = x + self.positions(self.config.position_offset + jnp.arange(time))
        with jax.named_scope("kinds"):
            x = x + self.kinds(jnp.zeros((), int))
        with jax.named_scope("embedding_norm"):
            x = self.embedding_norm(x)
        with jax.named_scope("layers"):
            return run_layers(self.layers, x, visible_positions(time, lengths))

    def embed(self, tokens: Array, lengths: Array) -> Array:
        """One vector per row (batch, width): the mean over its tokens, or the first one, as `config.pooling` says."""
        x = self(tokens, lengths)
        if self.config.pooling == "cls":
            return x[:, 0]
        visible = visible_positions(tokens.shape[1], lengths)[..., None]
        return jnp.sum(jnp.where(visible, x, 0.0), axis=1) / lengths[:, None]

    def classify(self, tokens: Array, lengths: Array) -> Array:
        """Logits (batch, classes): classifier(tanh(pooler(vector of the first token))).

        ValueError for a model without a classifier.
        """
        if self.pooler is None or self.classifier is None:
            raise ValueError("this encoder has no classifier: its configuration names no labels")
        x = self(tokens, lengths)[:, 0]
        with jax.named_scope("pooler"):
            x = jnp.tanh(self.pooler(x))
        with jax.named_scope("classifier"):
            return self.classifier(x)


def visible_positions(time: int, lengths: Array) -> Array:
    """Booleans (batch, time): which positions hold a token of their row."""
    return jnp.arange(time) < lengths[:, None]


def _check(tokens: Array, lengths: Array, context: int) -> None:
    if not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise TypeError(f"tokens must be integers, not {tokens.dtype}")
    if tokens.ndim != 2 or lengths.shape != tokens.shape[:1]:
        raise ValueError(
            f"tokens must have the axes (batch, time) and lengths (batch,), not the shapes {tokens.shape} and "
            f"{lengths.shape}"
        )
    if tokens.shape[1] > context:
        raise ValueError(f"{tokens.shape[1]} tokens are more than the {context} positions of this encoder")
