"""Stored weights in the model."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from models.transformer.checkpoint import places
from models.transformer.load import check_source
from models.transformer.placement import build_model
from tests.models.transformer.tiny_folder import TINY, tiny_model


@pytest.mark.parametrize("tied", [True, False])
def test_every_parameter_has_a_stored_tensor(tied):
    config = dataclasses.replace(TINY, tied_head=tied)
    model = tiny_model(config)
    flat = dict(nnx.to_flat_state(nnx.state(model)))
    assert flat.keys() == {place.path for place in places(config)}
    assert all(isinstance(leaf, jax.Array) and leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(flat))
    assert sum(leaf.size for leaf in jax.tree.leaves(flat)) == config.parameters


def test_tensors_that_do_not_fit_are_refused(tiny_model_folder):
    checkpoint = dataclasses.replace(check_source(tiny_model_folder), shapes={})
    with pytest.raises(ValueError, match="do not fit its configuration; missing:"):
        build_model(checkpoint)
