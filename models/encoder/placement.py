"""An encoder filled with stored weights."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import jax.numpy as jnp
from flax import nnx

from models.encoder.checkpoint import StoredEncoder, check_tensors

ModelT = TypeVar("ModelT", bound=nnx.Module)


def build(make: Callable[[nnx.Rngs], ModelT], stored: StoredEncoder, *, skip: Sequence[str] = ()) -> ModelT:
    """The module of `make` with stored weights, float32; modules named in `skip` are not there and not read.

    Nothing is initialised at random, and only one parameter at a time is held twice. ValueError lists tensors that are
    missing, unexpected or misshapen.
    """
    check_tensors(stored)
    graphdef, state = nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0))))
    parameters = dict(nnx.to_flat_state(state))
    for path, value in stored.parameters(skip):
        parameters[path].set_value(jnp.asarray(value).block_until_ready())
    return nnx.merge(graphdef, state)
