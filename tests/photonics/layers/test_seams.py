"""Which products of a model can be reached, what they are called, and which weights they hold."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.transformer.config import LLAMA_3_1_70B
from models.transformer.model import TiedHead
from models.transformer.stack import unroll
from photonics.contractions import count_contractions
from photonics.layers.seams import Seam, find_seams, place, unreachable
from tests.models.transformer.tiny_folder import TINY, tiny_model
from tests.photonics.layers.small_models import Mixed, Stack, filled, stack

LLAMA_NAMES = {f"layers/{i}/attention/{name}" for i in range(2) for name in ("query", "key", "value", "output")}
LLAMA_NAMES |= {f"layers/{i}/mlp/{name}" for i in range(2) for name in ("gate", "up", "down")} | {"head"}


def names(model: nnx.Module) -> list[str]:
    return [name for seam in find_seams(model) for name in seam.names]


def test_layers_of_a_scanned_stack_are_named_under_their_own_index():
    model = tiny_model()
    found = names(model)
    assert len(found) == len(set(found)) and set(found) == LLAMA_NAMES
    assert {(seam.layers, len(seam.names)) for seam in find_seams(model)} == {(None, 1), (2, 2)}
    assert set(names(unroll(model))) == LLAMA_NAMES


def test_the_cost_of_a_model_uses_the_same_names():
    tokens = jax.ShapeDtypeStruct((2, 5), jnp.int32)
    work = count_contractions(tiny_model(), tokens).expand()
    assert {found.name for found in work if found.weights} == LLAMA_NAMES
    untied = tiny_model(dataclasses.replace(TINY, tied_head=False))
    assert {found.name for found in count_contractions(untied, tokens).expand() if found.weights} == set(names(untied))


def test_stacks_at_different_depths_keep_their_own_names():
    class Two(nnx.Module):
        def __init__(self, rngs):
            self.encoder = Stack(3, 4, 6, 5, rngs)
            self.layers = Stack(2, 5, 7, 4, rngs).layers

    found = set(names(filled(Two)))
    expected = {f"encoder/layers/{i}/{name}" for i in range(3) for name in ("up", "down")} | {"encoder/head"}
    assert found == expected | {f"layers/{i}/{name}" for i in range(2) for name in ("up", "down")}


def test_a_layer_beside_the_stack_may_be_as_long_as_the_stack():
    # A head of width 8 on 8 layers: its first axis is not a layer axis.
    model = stack(layers=8)
    model.head = filled(lambda rngs: nnx.Linear(8, 5, use_bias=False, rngs=rngs))
    assert set(names(model)) == {f"layers/{i}/{name}" for i in range(8) for name in ("up", "down")} | {"head"}


def test_a_model_may_be_nothing_but_a_stack():
    layers = stack(layers=3).layers
    assert set(names(nnx.Dict(layers=layers))) == {f"layers/{i}/{name}" for i in range(3) for name in ("up", "down")}
    assert set(names(layers)) == {f"{i}/{name}" for i in range(3) for name in ("up", "down")}


CASES = {
    "Linear": (lambda rngs: nnx.Linear(6, 4, use_bias=False, rngs=rngs), (3, 6)),
    "LinearGeneral out": (lambda rngs: nnx.LinearGeneral(6, (2, 4), use_bias=False, rngs=rngs), (3, 6)),
    "LinearGeneral in": (
        lambda rngs: nnx.LinearGeneral((2, 3), (4, 5), axis=(-2, -1), use_bias=False, rngs=rngs),
        (3, 2, 3),
    ),
    "Einsum": (lambda rngs: nnx.Einsum("bd,hkd->bhk", (2, 4, 6), rngs=rngs), (3, 6)),
    "Einsum of two": (lambda rngs: nnx.Einsum("bhk,khd->bd", (4, 2, 6), rngs=rngs), (3, 2, 4)),
}


@pytest.mark.parametrize("name", CASES)
def test_weights_are_the_matrix_of_the_layer(name):
    make, shape = CASES[name]
    model = nnx.Dict(layer=filled(make))
    (seam,) = find_seams(model)
    x = jnp.asarray(np.random.default_rng(1).standard_normal(shape), jnp.float32)
    weights, y = seam.weights(), model.layer(x)
    assert weights is not None
    np.testing.assert_allclose(x.reshape(3, -1) @ weights, y.reshape(3, -1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_stacked_weights_are_those_of_every_layer(name):
    make, _ = CASES[name]
    alone = [filled(make, seed) for seed in range(3)]
    stacked = filled(lambda rngs: nnx.vmap(make, in_axes=0)(rngs.split(3)))
    nnx.update(stacked, jax.tree.map(lambda *leaves: jnp.stack(leaves), *(nnx.state(layer) for layer in alone)))
    seam = Seam(stacked, (), 3, ("0", "1", "2"))
    singles = [Seam(layer, (), None, ("",)).weights() for layer in alone]
    np.testing.assert_array_equal(seam.weights(), np.stack([np.asarray(single) for single in singles]))
    (found,) = find_seams(nnx.Dict(layers=stacked, other=nnx.Param(jnp.ones(2))))
    assert found.names == ("layers/0", "layers/1", "layers/2")


def test_a_tied_head_lends_the_transposed_embedding():
    model = tiny_model()
    (seam,) = (seam for seam in find_seams(model) if isinstance(seam.module, TiedHead))
    weights = seam.weights()
    assert weights is not None
    np.testing.assert_array_equal(weights, model.embed.embedding[...].T)


def test_an_einsum_without_equation_has_weights_only_in_a_call():
    layer = filled(lambda rngs: nnx.Einsum("bd,dk->bk", (6, 4), rngs=rngs))
    layer.einsum_str = None
    (seam,) = find_seams(nnx.Dict(layer=layer))
    assert seam.weights() is None


def test_every_kind_of_layer_is_found():
    found = find_seams(filled(Mixed))
    assert {type(seam.module).__name__ for seam in found} == {"Linear", "LinearGeneral", "Einsum"}
    assert set(names(filled(Mixed))) == set(Mixed.names)


class Hidden(nnx.Module):
    """Products that have no seam, beside some that have one."""

    def __init__(self, rngs):
        self.embed = nnx.Embed(11, 8, rngs=rngs)
        self.position = nnx.Param(jnp.ones(8))
        self.conv = nnx.Conv(8, 8, (3,), rngs=rngs)
        self.batched = nnx.LinearGeneral(8, 4, axis=-1, batch_axis={0: 2}, rngs=rngs)
        self.layers = nnx.vmap(WithMatrix, in_axes=0)(rngs.split(3))
        self.head = nnx.Linear(8, 11, rngs=rngs)


class WithMatrix(nnx.Module):
    """One product through a Linear, one by a Param of its own, and two vectors."""

    def __init__(self, rngs):
        self.matrix = nnx.Param(jnp.ones((8, 8)))
        self.scale, self.shift = nnx.Param(jnp.ones(8)), nnx.Param(jnp.ones(8))
        self.linear = nnx.Linear(8, 8, rngs=rngs)


def test_what_no_seam_reaches_is_listed():
    model = filled(Hidden)
    seams = find_seams(model)
    assert {name for seam in seams for name in seam.names} == {"head", *(f"layers/{i}/linear" for i in range(3))}
    assert set(unreachable(model, seams)) == {
        "embed (Embed)",
        "conv (Conv)",
        "batched (LinearGeneral)",
        "layers (WithMatrix)",
    }


def test_an_embedding_that_a_reached_head_shares_is_no_product():
    tied = tiny_model()
    assert unreachable(tied, find_seams(tied)) == []
    untied = tiny_model(dataclasses.replace(TINY, tied_head=False))
    assert unreachable(untied, find_seams(untied)) == ["embed (Embed)"]


def test_matrices_of_the_model_itself_are_listed():
    class Own(nnx.Module):
        def __init__(self, rngs):
            self.matrix = nnx.Param(jnp.ones((3, 4)))
            self.linear = nnx.Linear(4, 4, rngs=rngs)

    model = filled(Own)
    assert unreachable(model, find_seams(model)) == [". (Own)"]


def test_the_number_of_a_layer_is_its_own_in_every_process():
    # The CRC-32 of the name, not Python's hash, which changes from process to process.
    assert place("layers/17/mlp/down") == 824684281
    parts = [f"attention/{n}" for n in ("query", "key", "value", "output")] + [
        f"mlp/{n}" for n in ("gate", "up", "down")
    ]
    large = [f"layers/{i}/{part}" for i in range(LLAMA_3_1_70B.layers) for part in parts] + ["head"]
    # Two layers with one number would share every draw.
    assert len({place(name) for name in large}) == len(large) == 561
