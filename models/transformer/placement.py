"""A `Transformer` filled with stored weights."""

import jax.numpy as jnp
from flax import nnx

from models.transformer.checkpoint import Checkpoint, check_tensors, read_parameters
from models.transformer.model import Transformer


def build_model(checkpoint: Checkpoint) -> Transformer:
    """The model that a checkpoint describes, with its weights, float32.

    Nothing is initialised at random, and only one parameter at a time is held twice. ValueError lists tensors that are
    missing, unexpected or misshapen.
    """
    check_tensors(checkpoint)
    graphdef, state = nnx.split(nnx.eval_shape(lambda: Transformer(checkpoint.config, rngs=nnx.Rngs(0))))
    parameters = dict(nnx.to_flat_state(state))
    for path, value in read_parameters(checkpoint):
        parameters[path].set_value(jnp.asarray(value).block_until_ready())
    return nnx.merge(graphdef, state)
