"""Norm scales in the weights: the same function, and a head of its own where it takes one."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from calibration.fold_norms import fold_norms, scale_of, stacked_layers
from models.transformer.model import TiedHead, Transformer
from models.transformer.short_param import Bfloat16Param
from models.transformer.stack import unroll
from photonics.layers import opticalize
from tests.calibration.light import TOKENS, engine
from tests.models.transformer.tiny_folder import TINY, tiny_model

UNTIED = dataclasses.replace(TINY, tied_head=False)
FAMILIES = {
    "tied": TINY,
    "untied": UNTIED,
    "biases": dataclasses.replace(UNTIED, query_key_value_bias=True, output_bias=True),
    "qwen2": dataclasses.replace(TINY, query_key_value_bias=True),
    "qwen3": dataclasses.replace(TINY, query_key_norm=True, head_width=16),
}
run = nnx.jit(lambda called: called(TOKENS), graph_updates=False)


def parameters(model: Transformer) -> dict:
    return {path: np.asarray(value.get_value()) for path, value in nnx.to_flat_state(nnx.state(model, nnx.Param))}


@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_the_function_stays(config):
    model = tiny_model(config)
    before, held = np.asarray(run(model)), parameters(model)
    folded = fold_norms(model)
    # Sums of 64 float32 products through 2 layers: a few hundred roundings of 6e-8 of logits of a few units.
    np.testing.assert_allclose(run(folded), before, atol=2e-5 * np.abs(before).max())
    for path, value in parameters(folded).items():
        if path[-1] == "scale":
            assert path[-2] in ("query_norm", "key_norm") or np.all(value == 1.0), path
    # The original keeps its every number.
    after = parameters(model)
    assert all(np.array_equal(after[path], value) for path, value in held.items()) and after.keys() == held.keys()
    assert np.array_equal(run(model), before)


def test_a_tied_head_becomes_one_of_its_own():
    model = tiny_model(TINY)
    folded = fold_norms(model)
    assert isinstance(folded.head, nnx.Linear) and not folded.config.tied_head
    assert isinstance(model.head, TiedHead) and model.config.tied_head
    expected = scale_of(model.final_norm)[...][:, None] * model.embed.embedding[...].T
    np.testing.assert_array_equal(folded.head.kernel[...], expected)
    np.testing.assert_array_equal(folded.embed.embedding[...], model.embed.embedding[...])
    counted = sum(leaf.size for leaf in jax.tree.leaves(nnx.state(folded, nnx.Param)))
    assert counted == folded.config.parameters == TINY.parameters + TINY.vocabulary * TINY.width


def test_a_tied_head_stays_where_the_last_norm_is_even():
    model = tiny_model(TINY)
    scale_of(model.final_norm).set_value(jnp.full(TINY.width, 1.7))
    folded = fold_norms(model)
    assert folded.config.tied_head and isinstance(folded.head, TiedHead)
    assert folded.head.embedding is folded.embed.embedding
    assert folded.embed.embedding is not model.embed.embedding
    np.testing.assert_allclose(run(folded), run(model), atol=2e-4)


def test_short_weights_stay_short():
    model = tiny_model(TINY, dtype="bfloat16")
    folded = fold_norms(model)
    assert isinstance(folded.head, nnx.Linear)
    kernels = (folded.head.kernel, stacked_layers(folded).mlp.up.kernel)
    assert all(isinstance(kernel, Bfloat16Param) for kernel in kernels)
    exact = scale_of(model.final_norm)[...][:, None] * model.embed.embedding[...].T
    np.testing.assert_allclose(folded.head.kernel[...], exact, rtol=2.0**-8)


def test_models_that_cannot_be_folded_are_refused():
    model = tiny_model(TINY)
    with pytest.raises(ValueError, match="layers of the model are a list"):
        fold_norms(unroll(model))
    opticalize(model, engine(), rngs=nnx.Rngs(noise=0))
    with pytest.raises(ValueError, match="before it is opticalized"):
        fold_norms(model)
