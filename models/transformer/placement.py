"""A `Transformer` filled with stored weights."""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from models.transformer.checkpoint import Checkpoint, check_tensors, read_parameters
from models.transformer.model import Transformer
from models.transformer.short_param import Bfloat16Param

WeightType = Literal["float32", "bfloat16"]


def build_model(checkpoint: Checkpoint, dtype: WeightType = "float32") -> Transformer:
    """The model that a checkpoint describes, with its weights.

    With `dtype="bfloat16"` the matrices (kernels and embedding) are rounded to bfloat16, take half the memory and are
    `Bfloat16Param`s; norms and biases stay float32, and so do all products, which turn the matrices of one layer after
    the other into float32 as they come to them.
    Nothing is initialised at random, and of the float32 values only one tensor of the file at a time is held besides
    the parameters. ValueError lists tensors that are missing, unexpected or misshapen, and for another dtype.
    """
    if dtype not in ("float32", "bfloat16"):
        raise ValueError(f"weights can be held as 'float32' or 'bfloat16', not {dtype!r}")
    check_tensors(checkpoint)
    graphdef, state = nnx.split(nnx.eval_shape(lambda: Transformer(checkpoint.config, rngs=nnx.Rngs(0))))
    model = nnx.merge(graphdef, state)
    parameters = dict(nnx.to_flat_state(nnx.state(model)))
    for path, value in read_parameters(checkpoint, jnp.dtype(dtype)):
        if value.dtype == jnp.bfloat16:
            _replace(model, path, Bfloat16Param(_on_device(value.view(np.uint16))))
        else:
            parameters[path].set_value(_on_device(value))
    return model


def _on_device(value: np.ndarray) -> jax.Array:
    return jax.device_put(value, may_alias=True).block_until_ready()


def _replace(model: Transformer, path: tuple[str, ...], new: nnx.Param) -> None:
    """Puts another parameter in the place that a path names, and wherever else the model holds the same one."""
    module = functools.reduce(getattr, path[:-1], model)
    old = getattr(module, path[-1])
    for _, holder in nnx.iter_modules(model):
        for name, value in vars(holder).items():
            if value is old:
                setattr(holder, name, new)
