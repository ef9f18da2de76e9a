"""Rotations moved into the weights: flat activations for the light without additions at every token.

    E <- E Q;   W <- Q^T W  where W reads the residual stream;   W <- W Q, b <- b Q  where it writes the stream

Q is orthogonal, and a norm without a scale does the same to x Q as to x, so that the function stays:
norm(x Q) (Q^T W) = norm(x) W. Ashkboos et al., QuaRot, 2024 (arXiv 2404.00456), section 4; Liu et al., SpinQuant, 2024
(arXiv 2405.16406), section 3, where the same Q is learned, which is left out here.

Q is the block-Hadamard matrix of `photonics.rotation`, random signs included, so any width will do: 576 is a block of
512 and one of 64, and an outlier is spread over the channels of its block only. A block of 1 spreads nothing.
The signs keep channels that are loud together from adding up in one sum; on SmolLM2-135M they make no difference.

What is saved is additions, not light. There, on free-space-1024, folding takes 903,552 of 1,348,992 additions per token
away, and the KL to the digital model is 0.128 nats at 30 mW and 0.45 at 12 mW; online rotation of the model as it is
has 0.104 and 0.35 (128 tokens, 4 draws of the noise, spreads 0.005 and 0.03). The difference comes from folding the
norms, whose scales damp loud channels: online rotation behind folded norms has 0.133 and 0.47.
"""

import re
from collections.abc import Collection
from typing import Literal

import jax
from flax import nnx
from jax import Array

from calibration.fold_norms import foldable_copy, is_constant, stacked_layers
from models.transformer.config import TransformerConfig
from models.transformer.model import TiedHead, Transformer
from photonics.engine import Engine
from photonics.rotation import rotate, rotate_weights, rotation_additions
from photonics.rules import Rule

Part = Literal["stream", "heads"]
PARTS: tuple[Part, ...] = ("stream", "heads")
"""What can be folded: the residual stream, and the values of each head."""

_FOLDED = {"stream": r"attention/(query|key|value)$|mlp/(gate|up)$|^head$", "heads": r"attention/output$"}


def fold_rotation(model: Transformer, parts: Collection[Part] = PARTS) -> Transformer:
    """A new model of the same function, to float32 rounding, whose weights hold rotations.

    "stream" rotates the residual stream by Q of length width: the embedding and what writes the stream (attention
    output and mlp down, with their biases) on one side, what reads it (query, key, value, gate, up, head) on the other.
    A tied head stays tied: rows of E Q are the columns of Q^T E^T. "heads" rotates each head's values by Q of length
    head_width, columns and biases of value on one side, rows of output on the other: shares of attention add values up,
    which commutes with it, and as all heads have the same Q, so does sharing a value head between query heads.

    What cannot be folded stays for the engine to rotate online (`rotation_rules`): the input of mlp/down, because silu
    acts on single channels, and so any part that is left out. With "heads" nothing is spread from one head to another,
    which an online rotation of the input of output does.

    The original is not changed; matrices held in two bytes are rounded again. ValueError as `foldable_copy`, for an
    unknown part, and for "stream" if a norm has different scales for its channels: fold the norms first. (`final_norm`
    of a tied head is then the only one with a scale, equal for all channels.)
    """
    _check(parts)
    if "stream" in parts:
        _check_norms(model)
    copy = foldable_copy(model)
    if "stream" in parts:
        _rotate_stream(copy)
    if "heads" in parts:
        _rotate_heads(copy)
    return copy


def rotation_rules(engine: Engine, parts: Collection[Part] = PARTS) -> list[Rule]:
    """Rules for `photonics.layers.opticalize`: folded layers do not rotate online, all others do.

    A rule of the caller's that keeps a layer digital goes before them. ValueError for an engine whose family has no
    switch `encoding.rotate`; it takes a folded model as any other.
    """
    _check(parts)
    if not engine.can_rotate:
        raise ValueError(f"engine {engine.name!r} has no switch encoding.rotate: no layer rotates online with it")
    plain, online = (engine.replace(**{"encoding.rotate": switch}) for switch in (False, True))
    return [*((_FOLDED[part], plain) for part in PARTS if part in parts), (r".*", online)]


def stays_online(name: str, parts: Collection[Part] = PARTS) -> bool:
    """Whether a layer of this name, as "layers/3/mlp/down", needs online rotation after a fold of these parts."""
    _check(parts)
    return not any(re.search(_FOLDED[part], name) for part in parts)


def additions_saved(config: TransformerConfig, parts: Collection[Part] = PARTS) -> int:
    """Additions per token that online rotation of the folded layers would take, as an engine charges them.

    Every product is charged with a rotation of its own input: per layer five of length width and one of length
    heads * head_width, and one of length width for the head. A machine that keeps the rotated input for the products
    that share it saves less: two of width for each layer. `photonics.rotation.rotation_additions`.
    """
    _check(parts)
    stream = (5 * config.layers + 1) * rotation_additions(config.width)
    heads = config.layers * rotation_additions(config.heads * config.head_width)
    return stream * ("stream" in parts) + heads * ("heads" in parts)


def _check(parts: Collection[Part]) -> None:
    unknown = [part for part in parts if part not in PARTS]
    if unknown or isinstance(parts, str):
        raise ValueError(f"parts to fold are a collection of {' and '.join(PARTS)}, not {parts!r}")


def _check_norms(model: Transformer) -> None:
    layers = model.layers if isinstance(model.layers, nnx.List) else [model.layers]
    norms = {"final_norm": [model.final_norm]}
    norms |= {name: [getattr(layer, name) for layer in layers] for name in ("attention_norm", "mlp_norm")}
    scaled = [name for name, members in norms.items() if not all(is_constant(norm) for norm in members)]
    if scaled:
        raise ValueError(
            f"the channels of {' and '.join(scaled)} have scales of their own, which do not commute with a rotation: "
            "fold the norms first (calibration.fold_norms)"
        )


def _rotate_stream(model: Transformer) -> None:
    layers = stacked_layers(model)
    attention, mlp = layers.attention, layers.mlp
    model.embed.embedding.set_value(rotate(model.embed.embedding[...]))
    for reader in (attention.query, attention.key, attention.value, mlp.gate, mlp.up):
        reader.kernel.set_value(jax.vmap(rotate_weights)(reader.kernel[...]))
    for writer in (attention.output, mlp.down):
        writer.kernel.set_value(rotate(writer.kernel[...]))
        if writer.bias is not None:
            writer.bias.set_value(rotate(writer.bias[...]))
    if not isinstance(model.head, TiedHead):
        model.head.kernel.set_value(rotate_weights(model.head.kernel[...]))


def _rotate_heads(model: Transformer) -> None:
    attention, width = stacked_layers(model).attention, model.config.head_width
    attention.value.kernel.set_value(_each_head(attention.value.kernel[...], width))
    if attention.value.bias is not None:
        attention.value.bias.set_value(_each_head(attention.value.bias[...], width))
    rows = attention.output.kernel[...].swapaxes(-1, -2)
    attention.output.kernel.set_value(_each_head(rows, width).swapaxes(-1, -2))


def _each_head(x: Array, head_width: int) -> Array:
    """Every run of head_width elements along the last axis of x (..., heads * head_width), rotated."""
    return rotate(x.reshape(*x.shape[:-1], -1, head_width)).reshape(x.shape)
