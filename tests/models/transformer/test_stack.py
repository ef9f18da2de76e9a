"""Stacked and scanned layers: equal to the unrolled ones, no copies of weights, foreign modules inside."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.transformer.model import Transformer
from models.transformer.stack import run_layers, unroll
from tests.models.transformer.tiny_folder import TINY, tiny_model

TOKENS = jax.random.randint(jax.random.key(3), (2, 5), 0, TINY.vocabulary)


class Hardware(nnx.Variable):
    """A variable type that the stack has never heard of, holding a pytree."""


class NoisyProduct(nnx.Module):
    """A foreign matrix product with a key, a counter, a recorded value and pytree parameters, one set per layer."""

    def __init__(self, layers: int):
        self.hardware = Hardware({"gain": jnp.linspace(0.9, 1.1, layers), "noise": jnp.full(layers, 0.1)})
        self.key = nnx.RngKey(jax.random.split(jax.random.key(7), layers), tag="noise")
        self.count = nnx.RngCount(jnp.zeros(layers, jnp.uint32), tag="noise")
        self.largest = nnx.Intermediate(jnp.zeros(layers))

    def __call__(self, lhs, rhs, dimension_numbers, precision=None, preferred_element_type=None, out_sharding=None):
        product = jax.lax.dot_general(lhs, rhs, dimension_numbers)
        hardware = self.hardware.get_value()
        key = jax.random.fold_in(self.key[...], self.count[...])
        self.count[...] = self.count[...] + 1
        self.largest[...] = jnp.maximum(self.largest[...], jnp.max(jnp.abs(lhs)))
        return hardware["gain"] * product + hardware["noise"] * jax.random.normal(key, product.shape)


run = nnx.jit(lambda model, tokens: model(tokens), graph_updates=False)


def noisy_model() -> Transformer:
    model = tiny_model(TINY)
    model.layers.mlp.down.dot_general = nnx.data(NoisyProduct(TINY.layers))
    return model


@pytest.fixture
def model() -> Transformer:
    return tiny_model(TINY)


@pytest.fixture
def noisy() -> Transformer:
    return noisy_model()


@pytest.fixture(scope="module")
def unrolled_calls() -> tuple[list, list]:
    """Logits of two calls of the unrolled noisy model, and what each of its layers recorded."""
    unrolled = unroll(noisy_model())
    logits = [run(unrolled, TOKENS), run(unrolled, TOKENS)]
    return logits, [float(layer.mlp.down.dot_general.largest[...]) for layer in unrolled.layers]


def test_unrolled_copy_computes_the_same(model):
    unrolled = unroll(model)
    assert isinstance(unrolled.layers, nnx.List)
    assert len(unrolled.layers) == TINY.layers
    assert unrolled.head.embedding is unrolled.embed.embedding
    np.testing.assert_allclose(run(unrolled, TOKENS), run(model, TOKENS), atol=1e-5)
    unrolled.layers[1].mlp.up.kernel[...] *= 2
    assert (
        jnp.max(jnp.abs(run(unrolled, TOKENS) - run(model, TOKENS))) > 1e-2
    )  # the comparison can fail, and nothing is shared


def test_gradients_equal_those_of_the_unrolled_copy(model):
    def loss(model):
        return jnp.mean(model(TOKENS) ** 2)

    gradient = nnx.jit(nnx.grad(loss))
    stacked, single = gradient(model), gradient(unroll(model))
    for path, value in nnx.to_flat_state(stacked["layers"]):
        alone = jnp.stack([dict(nnx.to_flat_state(single["layers"][i]))[path][...] for i in range(TINY.layers)])
        np.testing.assert_allclose(value[...], alone, atol=1e-5 * float(jnp.max(jnp.abs(alone))) + 1e-7)


def pure_call(model, tokens):
    graphdef, state = nnx.split(model)

    @jax.jit
    def call(state, tokens):
        merged = nnx.merge(graphdef, state)
        return merged(tokens), nnx.state(merged)

    logits, new = call(state, tokens)
    nnx.update(model, new)
    return logits


CALLS = {
    "eager": Transformer.__call__,
    "jit": nnx.jit(Transformer.__call__),
    "no graph updates": run,
    "pure": pure_call,
}


@pytest.mark.parametrize("name", CALLS)
def test_foreign_state_advances_as_in_the_unrolled_copy(noisy, unrolled_calls, name):
    expected, recorded = unrolled_calls
    first, second = (CALLS[name](noisy, TOKENS) for _ in range(2))
    np.testing.assert_allclose([first, second], expected, atol=1e-5)
    assert jnp.max(jnp.abs(first - second)) > 1e-2  # the second call has fresh noise
    foreign = noisy.layers.mlp.down.dot_general
    np.testing.assert_array_equal(foreign.count[...], jnp.full(TINY.layers, 2))
    np.testing.assert_allclose(foreign.largest[...], recorded, rtol=1e-5)
    assert len(set(recorded)) == TINY.layers


def test_gradients_reach_foreign_variables(noisy):
    graphdef, hardware, rest = nnx.split(noisy, Hardware, ...)

    @jax.jit
    def loss(hardware, rest):
        return jnp.mean(nnx.merge(graphdef, hardware, rest)(TOKENS) ** 2)

    gradient = jax.grad(loss)(hardware, rest)
    gains = next(iter(nnx.to_flat_state(gradient)))[1].get_value()["gain"]
    step = 1e-2
    for layer in range(TINY.layers):
        shift = jax.tree.map_with_path(
            lambda path, leaf, layer=layer: step * (jnp.arange(len(leaf)) == layer) * ("gain" in str(path)), hardware
        )
        up, down = (loss(jax.tree.map(lambda a, b, s=sign: a + s * b, hardware, shift), rest) for sign in (1, -1))
        # central difference: relative error of order step**2 = 1e-4, float32 cancellation of order 1e-7 / step
        np.testing.assert_allclose(gains[layer], (up - down) / (2 * step), rtol=1e-2)


def test_gradients_by_nnx_reach_foreign_variables(noisy):
    def loss(model):
        return jnp.mean(model(TOKENS) ** 2)

    gradient = nnx.jit(nnx.grad(loss, argnums=nnx.DiffState(0, Hardware)))(noisy)
    (path, value), *others = nnx.to_flat_state(gradient)
    assert (path, others) == (("layers", "mlp", "down", "dot_general", "hardware"), [])
    assert jnp.all(value.get_value()["gain"] != 0)
    np.testing.assert_array_equal(noisy.layers.mlp.down.dot_general.count[...], jnp.ones(TINY.layers))


def test_values_sown_inside_a_layer_come_back_stacked(model):
    class Sowing(nnx.Module):
        def __call__(self, lhs, rhs, dimension_numbers, **kwargs):
            self.sow(nnx.Intermediate, "inputs", jnp.mean(lhs))
            return jax.lax.dot_general(lhs, rhs, dimension_numbers)

    model.layers.mlp.up.dot_general = nnx.data(Sowing())
    _, sown = nnx.capture(lambda m, x: m(x), nnx.Intermediate)(model, TOKENS)
    (values,) = jax.tree.leaves(sown)
    assert values.shape == (TINY.layers,)
    assert len(np.unique(values)) == TINY.layers


def test_a_change_that_would_be_lost_is_refused(model):
    class Drifting(nnx.Module):
        def __init__(self):
            self.hardware = Hardware(jnp.ones(TINY.layers))

        def __call__(self, lhs, rhs, dimension_numbers, **kwargs):
            self.hardware[...] = self.hardware[...] * 2
            return jax.lax.dot_general(lhs, rhs, dimension_numbers)

    model.layers.mlp.up.dot_general = nnx.data(Drifting())
    with pytest.raises(ValueError, match=r"'hardware'.*only RngState, Intermediate, Cache, BatchStat may change"):
        model(TOKENS)


def test_weights_are_not_copied():
    config = dataclasses.replace(TINY, layers=12, width=128, heads=16, hidden_width=256)
    model = tiny_model(config)
    graphdef, state = nnx.split(model)
    call = jax.jit(lambda state, tokens: nnx.merge(graphdef, state)(tokens))
    tokens = jnp.zeros((1, 4), jnp.int32)
    memory = call.lower(state, tokens).compile().memory_analysis()
    weights_byte = 4 * config.parameters
    logits_byte = 4 * tokens.size * config.vocabulary
    assert memory.output_size_in_bytes < 2 * logits_byte
    # one layer's slice may be held, twice for its transpose; a copy of the stack would be twelve
    assert memory.temp_size_in_bytes < weights_byte / 4


def test_layers_run_from_first_to_last():
    class Affine(nnx.Module):
        def __init__(self, factor, offset):
            self.factor, self.offset = nnx.Param(jnp.array(factor)), nnx.Param(jnp.array(offset))

        def __call__(self, x, extra):
            return self.factor * x + self.offset + extra

    stacked = Affine([2.0, 3.0], [1.0, 0.0])
    single = nnx.List([Affine(2.0, 1.0), Affine(3.0, 0.0)])
    for layers in (stacked, single):
        assert run_layers(layers, jnp.float32(5), jnp.float32(10)) == 3 * (2 * 5 + 1 + 10) + 0 + 10


def test_layers_computed_twice_have_the_same_logits_and_gradients(model):
    def of(rematerialise):
        model.rematerialise = rematerialise
        graph, state = nnx.split(model)
        return jax.jit(jax.value_and_grad(lambda state: _mean_square(graph, state)))(state)

    (value, gradient), (again, same) = of(False), of(True)
    assert float(value) == pytest.approx(float(again), rel=1e-6)
    for one, other in zip(jax.tree.leaves(gradient), jax.tree.leaves(same), strict=True):
        # Float32 sums in another order.
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_logits_are_those_of_the_hidden_states(model):
    composed = nnx.jit(lambda called: called.logits(called.hidden(TOKENS)), graph_updates=False)
    assert np.array_equal(composed(model), run(model, TOKENS))


def _mean_square(graph, state):
    return jnp.mean(jnp.square(nnx.merge(graph, jax.tree.map(lambda leaf: leaf, state))(TOKENS)))
