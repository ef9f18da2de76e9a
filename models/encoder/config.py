"""The shape of a BERT-type encoder, and how Hugging Face folders state it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from models.encoder.fields import Fields, check_sizes

Pooling = Literal["mean", "cls"]
Activation = Literal["gelu", "gelu_tanh"]

MODEL_TYPES = ("bert", "roberta")
"""Values of `model_type` in config.json that are read."""

ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
}
"""Names of `hidden_act`: the Gaussian error linear unit, exact, or with a tanh in place of the error function."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes and constants of an encoder of the BERT family.

        x = LayerNorm(word[token] + position[offset + t] + kind[0])
        x = LayerNorm(x + output(attention(query(x), key(x), value(x))))          in each layer
        x = LayerNorm(x + down(gelu(up(x))))

    RoBERTa is the same network: its positions start behind the padding token's number, and it has one segment.
    Left out: relative positions, second segments (a pair of sentences), cross-attention, DistilBERT, ELECTRA, ALBERT.

    Devlin et al., BERT, 2019; Liu et al., RoBERTa, 2019.
    """

    layers: int
    width: int
    heads: int
    hidden_width: int
    """Length of the vector inside the feed-forward block."""
    vocabulary: int
    context: int
    """Longest sequence, in tokens: there are no more positions."""
    position_offset: int
    """Row of the position table that the first token takes."""
    kinds: int
    """Rows of the table of segments; all tokens are of segment 0."""
    activation: Activation
    norm_epsilon: float
    pooling: Pooling
    """How token vectors become one: their mean, or that of the first token."""
    labels: tuple[str, ...]
    """Classes of the classifier; empty where the model has none."""

    def __post_init__(self) -> None:
        check_sizes(self, ("layers", "width", "heads", "hidden_width", "vocabulary", "context", "kinds"))
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        if self.position_offset < 0:
            raise ValueError(f"position_offset must be 0 or more, not {self.position_offset}")
        if not self.norm_epsilon > 0:
            raise ValueError(f"norm_epsilon must be above 0, not {self.norm_epsilon!r}")

    @property
    def parameters(self) -> int:
        """Number of weights and biases, those of a classifier included."""
        tables = (self.vocabulary + self.context + self.position_offset + self.kinds + 2) * self.width
        layer = 4 * self.width * (self.width + 1) + 2 * self.width * self.hidden_width
        layer += self.hidden_width + self.width + 4 * self.width
        head = self.width * (self.width + 1) + len(self.labels) * (self.width + 1) if self.labels else 0
        return tables + self.layers * layer + head

    @classmethod
    def from_huggingface(cls, config: Mapping[str, Any], *, classes: int, pooling: Pooling) -> "EncoderConfig":
        """From a `config.json` with `model_type` bert or roberta; absent fields take the defaults of BertConfig.

        `classes` is the number of rows of the stored classifier, 0 without one. ValueError names what is missing or
        unsupported.
        """
        field = Fields(config)
        kind = field.only("model_type", MODEL_TYPES, None)
        field.only("position_embedding_type", ("absolute",), "absolute")
        field.only("is_decoder", (False,), False)
        act = field.only("hidden_act", tuple(ACTIVATIONS), "gelu")
        # RoBERTa counts positions from the number of its padding token plus one.
        offset = field.integer("pad_token_id", 1) + 1 if kind == "roberta" else 0
        return cls(
            layers=field.integer("num_hidden_layers", 12),
            width=field.integer("hidden_size", 768),
            heads=field.integer("num_attention_heads", 12),
            hidden_width=field.integer("intermediate_size", 3072),
            vocabulary=field.integer("vocab_size", 30522 if kind == "bert" else 50265),
            context=field.integer("max_position_embeddings", 512) - offset,
            position_offset=offset,
            kinds=field.integer("type_vocab_size", 2),
            activation=ACTIVATIONS[act],
            norm_epsilon=field.number("layer_norm_eps", 1e-12),
            pooling=pooling,
            labels=field.labels(classes) if classes else (),
        )
