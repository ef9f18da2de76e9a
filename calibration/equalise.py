"""Channels of activations and weights brought to a like size, by factors folded into what comes before (SmoothQuant).

    X W = (X diag(1/s)) (diag(s) W)        s_j = max|X_j|^a / max|W_j|^(1-a)

X_j is input channel j over a sample, W_j the row of the weights that it meets. A token's scale is its largest
magnitude, so one loud channel costs all the others their light; a part of it is moved into the weights. Xiao et al.,
SmoothQuant, 2022 (arXiv 2211.10438), equation 4.

Alone it is the weaker alternative to rotation, but it goes well before an online one: SmolLM2-135M on free-space-1024
at 12 mW, 128 tokens, KL to the digital model 0.24 nats with both and 0.35 with online rotation alone (4 draws of the
noise, spread 0.02; at 30 mW 0.080 and 0.104, against 1.3 without rotation and 4.1 with neither). A folded rotation does
not go with it: folded norms undo what stands in norms (`fold_norms`), and behind the fold there is nothing to gain.

Left out: a search for the strength of each layer; the head of a model whose head is tied.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array

from calibration.fold_norms import foldable_copy, scale_of, scale_rows, stacked_layers
from models.transformer.model import TiedHead, Transformer
from photonics.layers.seams import find_seams


class _LargestInput(nnx.Module):
    """Stands where a layer had `jax.lax.dot_general`, and keeps max|x| of every channel of the left operand, (k,)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        # An Intermediate is what a scanned stack slices and returns.
        self.seen = nnx.Intermediate(jnp.zeros(shape))

    def __call__(self, lhs: Array, rhs: Array, dimension_numbers: Any, **options: Any) -> Array:
        channels = jnp.abs(lhs).reshape(-1, lhs.shape[-1])
        self.seen.set_value(jnp.maximum(self.seen.get_value(), jnp.max(channels, axis=0)))
        return jax.lax.dot_general(lhs, rhs, dimension_numbers, **options)


def largest_inputs(model: Transformer, *inputs: Array, call: Callable[..., Any] | None = None) -> dict[str, Array]:
    """max|X_j| of the inputs of every weight product, over one call of a digital model on a sample.

    Keys are names of stacks, "layers/mlp/down" (layers, k) and "head" (k,). `inputs` are the model's arguments, tokens
    (batch, time); `call(model, *inputs)` is used instead of calling the model where a method of it is meant. Padding
    counts as a token: leave it out. The model is not changed. ValueError as `foldable_copy`.
    """
    copy, recorders = foldable_copy(model), {}
    for seam in find_seams(copy):
        recorder = _LargestInput(jax.eval_shape(lambda seam=seam: seam.weights()).shape[:-1])
        seam.module.dot_general = nnx.data(recorder)
        recorders[seam.stack_name] = recorder

    def run(called: Transformer) -> None:
        called(*inputs) if call is None else call(called, *inputs)

    nnx.jit(run, graph_updates=False)(copy)
    return {name: recorder.seen.get_value() for name, recorder in recorders.items()}


def equalise(model: Transformer, largest: Mapping[str, Array], strength: float = 0.5) -> Transformer:
    """A new model of the same function, to float32 rounding, with channels equalised; `largest` of `largest_inputs`.

    `strength` is a of the equation, in [0, 1]: with 1 every channel reaches 1 in the sample and all differences stand
    in the weights, with 0 the largest weight of every row is 1. One s serves all that reads the same channels, and
    max|W_j| is taken over all of it. The division goes into

        attention_norm  for query, key and value        mlp_norm    for gate and up
        value           for output                      up          for down
        final_norm      for a head of its own

    A value channel serves the same channel of all query heads of its group, so it has one s. Channels without input
    or weights keep s = 1. Factors of value and up come first: their columns are rows that the norms' factors then see.
    A second time with strength 1/2 changes nothing. The original is not changed; matrices held in two bytes are rounded
    again.

    ValueError as `foldable_copy`, for a strength outside [0, 1], and for inputs of another model.
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"the strength of an equalisation lies in [0, 1], not {strength!r}")
    copy = foldable_copy(model)
    _check(copy, largest)
    layers = stacked_layers(copy)
    attention, mlp = layers.attention, layers.mlp
    _through_attention(copy, largest["layers/attention/output"], strength)
    s = _factors(largest["layers/mlp/down"], _rows(mlp.down), strength)
    _divide_columns(mlp.up, s)
    scale_rows(mlp.down, s)
    _through_norm(
        layers.attention_norm,
        largest["layers/attention/query"],
        strength,
        attention.query,
        attention.key,
        attention.value,
    )
    _through_norm(layers.mlp_norm, largest["layers/mlp/gate"], strength, mlp.gate, mlp.up)
    if not isinstance(copy.head, TiedHead):
        _through_norm(copy.final_norm, largest["head"], strength, copy.head)
    return copy


def _check(model: Transformer, largest: Mapping[str, Array]) -> None:
    for seam in find_seams(model):
        name, expected = seam.stack_name, jax.eval_shape(lambda seam=seam: seam.weights()).shape[:-1]
        if name not in largest or largest[name].shape != expected:
            found = f"have shape {largest[name].shape}" if name in largest else "are missing"
            raise ValueError(f"largest inputs of {name} {found}, not {expected}: observe them on this model")


def _factors(seen: Array, rows: Array, strength: float) -> Array:
    """s of channels with largest inputs `seen` and largest weights `rows`, both of the same shape."""
    there = (seen > 0) & (rows > 0)
    # Powers after the choice: those of a zero, or their gradients, may be infinite.
    seen, rows = (jnp.where(there, value, 1.0) for value in (seen, rows))
    return seen**strength / rows ** (1.0 - strength)


def _rows(*layers: nnx.Linear) -> Array:
    """max|W_j| (..., k) over the columns of several kernels with the same rows."""
    largest = [jnp.max(jnp.abs(layer.kernel[...]), axis=-1) for layer in layers]
    return jnp.max(jnp.stack(largest), axis=0)


def _divide_columns(layer: nnx.Linear, s: Array) -> None:
    layer.kernel.set_value(layer.kernel[...] / s[..., None, :])
    if layer.bias is not None:
        layer.bias.set_value(layer.bias[...] / s)


def _through_norm(norm: nnx.RMSNorm, seen: Array, strength: float, *readers: nnx.Linear) -> None:
    s = _factors(seen, _rows(*readers), strength)
    for reader in readers:
        scale_rows(reader, s)
    scale_of(norm).set_value(scale_of(norm)[...] / s)


def _through_attention(model: Transformer, seen: Array, strength: float) -> None:
    """Value columns and output rows: query heads of a group are members of one channel."""
    config, attention = model.config, stacked_layers(model).attention
    members = (config.layers, config.key_value_heads, -1, config.head_width)

    def shared(channels: Array) -> Array:
        return jnp.max(channels.reshape(members), axis=2, keepdims=True)

    s = _factors(shared(seen), shared(_rows(attention.output)), strength)
    _divide_columns(attention.value, s.reshape(config.layers, -1))
    scale_rows(attention.output, jnp.broadcast_to(s, seen.reshape(members).shape).reshape(seen.shape))
