"""The seam itself: a drop-in for `dot_general` and `einsum` with its own noise, state and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from photonics.draws import stream
from photonics.layers import (
    Hardware,
    OpticalDot,
    OpticalEinsum,
    Panel,
    Place,
    Ranges,
    calibrate,
    load_panels,
    opticalize,
    reseed,
    set_engine,
)
from photonics.rules import assign
from tests.photonics.layers.small_models import Mixed, Stack, continuous, filled, ideal, noise_of, rounded, stack

LAST_WITH_FIRST = (((1,), (0,)), ((), ()))


def normal(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape), jnp.float32)


def single(engine, seed: int = 0) -> OpticalDot:
    return OpticalDot(assign([engine], False), jnp.uint32(1), jax.random.key(seed), stacked=False)


# A drop-in -------------------------------------------------------------------------------------------------------


call = nnx.jit(lambda dot, lhs, rhs, numbers: dot(lhs, rhs, numbers), static_argnums=3, graph_updates=False)


@pytest.mark.parametrize(
    ("left", "right", "numbers"),
    [
        ((2, 3, 8), (5, 8), (((2,), (1,)), ((), ()))),
        ((2, 3, 4, 5), (5, 6, 4, 2), (((2, 3), (2, 0)), ((), ()))),
        ((8,), (8, 5), (((0,), (0,)), ((), ()))),
    ],
)
def test_in_the_ideal_limit_it_is_dot_general(left, right, numbers):
    lhs, rhs = normal(*left, seed=1), normal(*right, seed=2)
    exact = jax.lax.dot_general(lhs, rhs, numbers)
    y = call(single(ideal()), lhs, rhs, numbers)
    assert y.shape == exact.shape
    # float32 sums of at most 20 products of order one, through a rotation
    np.testing.assert_allclose(y, exact, rtol=1e-5, atol=1e-5)


def test_in_the_ideal_limit_it_is_einsum():
    x, w = normal(2, 3, 4, 5, seed=1), normal(6, 4, 5, seed=2)
    einsum = nnx.jit(lambda op, x, w: op("bthk,dhk->dbt", x, w, precision=None), graph_updates=False)
    y = einsum(OpticalEinsum(single(ideal())), x, w)
    np.testing.assert_allclose(y, jnp.einsum("bthk,dhk->dbt", x, w), rtol=1e-5, atol=1e-5)


def test_the_type_of_the_result():
    x, w = jax.ShapeDtypeStruct((3, 8), jnp.bfloat16), jax.ShapeDtypeStruct((8, 5), jnp.bfloat16)
    for wanted, given in ((None, jnp.bfloat16), (jnp.float32, jnp.float32)):
        y = nnx.eval_shape(
            lambda dot, x, w, wanted=wanted: dot(x, w, LAST_WITH_FIRST, preferred_element_type=wanted),
            *(single(ideal()), x, w),
        )
        assert (y.shape, y.dtype) == ((3, 5), given)


def test_batch_axes_are_refused():
    with pytest.raises(ValueError, match="one panel holds one matrix"):
        single(ideal())(normal(2, 3), normal(2, 3, 4), (((1,), (1,)), ((0,), (0,))))


# Noise -----------------------------------------------------------------------------------------------------------


def test_a_call_is_the_engine_with_the_key_of_that_call():
    x, w = normal(6, 8), normal(8, 5)
    dot, engine, key = single(rounded(), seed=3), rounded(), jax.random.key(3)
    matmul = jax.jit(lambda key, x, w: engine.matmul(key, x, engine.load_panel(w, instance=1)))
    for number in range(2):
        expected = matmul(stream(key, jnp.uint32(number)), x, w)
        # The engine's values are arrays in the one and constants in the other.
        np.testing.assert_allclose(call(dot, x, w, LAST_WITH_FIRST), expected, rtol=1e-5, atol=1e-5)
    assert int(dot.count[...]) == 2


def test_calls_share_no_draw():
    x, w = normal(500, 12), normal(12, 10)
    dot, other = single(continuous()), single(continuous(), seed=1)
    noises = [noise_of(call(each, x, w, LAST_WITH_FIRST), x @ w) for each in (dot, dot, other)]
    limit = 5 / noises[0].size ** 0.5
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.mean(noises[a] * noises[b])) < limit


# What it holds ---------------------------------------------------------------------------------------------------


def test_nothing_in_it_is_a_parameter():
    model = stack()
    opticalize(model, rounded(), rngs=nnx.Rngs(noise=0))
    calibrate(model, lambda called: called(normal(2, 3, 8)))
    load_panels(model)
    flat = nnx.to_flat_state(nnx.state(model))
    own = {type(variable) for path, variable in flat if "dot_general" in path}
    assert own == {Hardware, Panel, Ranges, Place, nnx.RngKey, nnx.RngCount}
    params = {path[-1] for path, _ in nnx.to_flat_state(nnx.state(model, nnx.Param))}
    assert params == {"kernel", "scale", "bias"}
    # In a stack everything carries the leading layer axis, so that a scan may slice it.
    for path, variable in flat:
        if "dot_general" in path and "layers" in path:
            assert {leaf.shape[0] for leaf in jax.tree.leaves(variable.get_value())} == {3}, path


# Training --------------------------------------------------------------------------------------------------------

X, TARGET = normal(8, 4, 8, seed=5), normal(8, 4, 5, seed=6)


def loss(model: nnx.Module) -> jax.Array:
    return jnp.mean((model(X) - TARGET) ** 2)


@pytest.mark.parametrize("make", [lambda: stack(2), lambda: filled(Mixed)], ids=["stack", "mixed"])
def test_training_changes_weights_and_nothing_else(make):
    model = make()
    rules = [("up", rounded())] if isinstance(model, Stack) else None
    opticalize(model, rounded(), rules=rules, rngs=nnx.Rngs(noise=0))
    if isinstance(model, Stack):
        calibrate(model, lambda called: called(normal(2, 4, 8)))
    others = nnx.Not(nnx.Any(nnx.Param, nnx.RngState))
    kept = nnx.clone(nnx.state(model, others))
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)

    @nnx.jit
    def train(model, optimizer):
        value, gradient = nnx.value_and_grad(loss)(model)
        optimizer.update(model, gradient)
        return value, optax.tree.norm(gradient)

    losses, norms = np.array([train(model, optimizer) for _ in range(30)], np.float64).T
    assert np.all(np.isfinite(norms)) and norms[0] > 0
    # Noise moves the loss by some per cent from call to call; thirty steps of Adam move it by far more.
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:2])
    jax.tree.map(np.testing.assert_array_equal, kept, nnx.state(model, others))
    assert Hardware in {type(variable) for _, variable in nnx.to_flat_state(kept)}


def test_loaded_panels_stand_still_while_the_rest_is_trained():
    model = stack(2)
    opticalize(model, continuous(), rngs=nnx.Rngs(noise=0), rules=[("up", continuous())])
    load_panels(model)
    before = nnx.clone(nnx.state(model, Panel))
    gradient = nnx.jit(nnx.grad(loss))(model)
    # Kernels are not read while panels are loaded; digital layers and the norms before the panels are.
    assert float(jnp.max(jnp.abs(gradient["layers"]["up"]["kernel"][...]))) == 0
    assert float(jnp.min(jnp.max(jnp.abs(gradient["layers"]["down"]["kernel"][...]), axis=(1, 2)))) > 0
    assert float(jnp.min(jnp.max(jnp.abs(gradient["layers"]["norm"]["scale"][...]), axis=1))) > 0
    nnx.Optimizer(model, optax.sgd(1.0), wrt=nnx.Param).update(model, gradient)
    jax.tree.map(np.testing.assert_array_equal, before, nnx.state(model, Panel))


def test_gradients_of_weights_are_those_of_the_digital_model():
    plain, model = stack(2), stack(2)
    opticalize(model, ideal(), rngs=nnx.Rngs(noise=0), rules=[("up|head", ideal())])
    expected, gradient = (nnx.jit(nnx.grad(loss))(each) for each in (plain, model))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6), gradient, expected)


def test_gradients_of_hardware_are_those_of_the_value():
    model, keys = stack(2), jax.random.split(jax.random.key(0), 8)
    opticalize(model, continuous(), rngs=nnx.Rngs(noise=0), rules=[("up", continuous())])

    @nnx.jit(graph_updates=False)
    def value(model):
        return loss(model)

    def at(factor: float) -> float:
        # The same keys, so the same draws: the loss is a smooth function of the power.
        set_engine(model, continuous().at(laser_power_w=1e-5 * factor))
        reseed(model, keys)
        return float(value(model))

    reseed(model, keys)
    gradient = nnx.jit(nnx.grad(loss, argnums=nnx.DiffState(0, Hardware)))(model)
    ((_, held),) = nnx.to_flat_state(gradient)
    by_leaf = held.get_value()
    assert all(leaf.shape == (2,) and bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(by_leaf))
    # Every layer has a gradient of its own, and they sum to the change when both powers change together.
    by_power = by_leaf.operating_point.laser_power_w
    assert bool(jnp.all(by_power != 0)) and by_power[0] != by_power[1]
    assert bool(jnp.all(by_leaf.photodetector.quantum_efficiency != 0))
    slope = 1e-5 * float(jnp.sum(by_power))
    # Central difference in the logarithm; noise falls as P^-1/2, so its error is of order 0.05^2; float32 leaves 1e-6.
    assert slope == pytest.approx((at(1.05) - at(1 / 1.05)) / (2 * np.log(1.05)), rel=2e-2, abs=2e-5)
    assert abs(slope) > 1e-3
