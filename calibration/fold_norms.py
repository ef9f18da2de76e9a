"""Scales of norms moved into the weights that read them: the function stays, what the light shows changes.

    RMSNorm(x) = g * x / sqrt(mean(x^2) + e)        (g * u) W = u (diag(g) W)

A norm without a scale does the same to a vector and to the rotated vector, so this comes before `fold_rotation`. The
fold of SliceGPT and QuaRot: Ashkboos et al., SliceGPT, 2024 (arXiv 2401.15024), section 3; QuaRot, 2024 (arXiv
2404.00456), section 4.

Left out: norms of queries and keys, which act on each head behind the product and before the rotary positions.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from models.transformer.model import Layer, TiedHead, Transformer
from models.transformer.short_param import Bfloat16Param
from photonics.layers.opticalize import optical_seams


def fold_norms(model: Transformer) -> Transformer:
    """A new model of the same function, to float32 rounding, whose norms before weight products have the scale 1.

        query, key, value <- diag(attention_norm) W;   gate, up <- diag(mlp_norm) W;   head <- diag(final_norm) W

    A tied head is the embedding, which a scale must not change. Where final_norm has the same scale for all channels it
    keeps it, and the head stays tied. Else the new model has a head of its own (`config.tied_head` False): one more
    matrix of vocabulary times width in memory and in files (113 MB in float32 for SmolLM2-135M, a fifth more weights),
    and training no longer moves the two together. In light it costs nothing: a tied head stands on panels of its own
    anyway. The original is not changed. Matrices held in two bytes (`Bfloat16Param`) are rounded again, each weight by
    up to 0.4 %: fold before they are shortened. ValueError as `foldable_copy`.
    """
    copy = foldable_copy(model)
    layers = stacked_layers(copy)
    attention, mlp = layers.attention, layers.mlp
    _fold(layers.attention_norm, attention.query, attention.key, attention.value)
    _fold(layers.mlp_norm, mlp.gate, mlp.up)
    if isinstance(copy.head, TiedHead):
        if is_constant(copy.final_norm):
            return copy
        copy.head = _own_head(copy)
        copy.config = dataclasses.replace(copy.config, tied_head=False)
    _fold(copy.final_norm, copy.head)
    return copy


def foldable_copy(model: Transformer) -> Transformer:
    """A model with the same arrays in variables of its own, so that setting one does not reach the original.

    ValueError for layers that are a list instead of a stack, and for a model with light under it: its ranges and loaded
    panels would stay those of the weights before.
    """
    if isinstance(model.layers, nnx.List):
        raise ValueError("the layers of the model are a list: fold the stacked model and unroll the result")
    if optical_seams(model):
        raise ValueError("the model has optical products already: fold its weights before it is opticalized")
    return nnx.clone(model)


def stacked_layers(model: Transformer) -> Layer:
    """The layers of a model as one `Layer` whose variables lead with the layer axis; TypeError if they are a list."""
    if isinstance(model.layers, nnx.List):
        raise TypeError("the layers of the model are a list, not a stack")
    return model.layers


def is_constant(norm: nnx.RMSNorm) -> bool:
    """Whether a norm, or each norm of a stack, has one scale for all channels; reads values, so not within a `jit`."""
    return not np.any(np.ptp(np.asarray(scale_of(norm)[...]), axis=-1))


def scale_of(norm: nnx.RMSNorm) -> nnx.Param:
    """The scale of a norm, (..., width); TypeError for a norm without one, which a `Transformer` does not have."""
    if norm.scale is None:
        raise TypeError("the norm has no scale")
    return norm.scale


def scale_rows(layer: nnx.Linear, factor: jax.Array) -> None:
    """Multiplies row j of a kernel (..., k, n) by factor (..., k), in place."""
    layer.kernel.set_value(layer.kernel[...] * factor[..., :, None])


def _fold(norm: nnx.RMSNorm, *readers: nnx.Linear) -> None:
    scale = scale_of(norm)
    for reader in readers:
        scale_rows(reader, scale[...])
    scale.set_value(jnp.ones_like(scale[...]))


def _own_head(model: Transformer) -> nnx.Linear:
    """A linear layer with the transposed embedding, held as the embedding is."""
    config, weights = model.config, model.embed.embedding[...].T
    head = nnx.eval_shape(lambda: nnx.Linear(config.width, config.vocabulary, use_bias=False, rngs=nnx.Rngs(0)))
    if isinstance(model.embed.embedding, Bfloat16Param):
        head.kernel = Bfloat16Param(jnp.zeros(weights.shape, jnp.uint16))
    head.kernel.set_value(weights)
    return head
