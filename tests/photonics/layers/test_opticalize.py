"""Light under whole models: rules, scanned stacks against unrolled ones, seeds, panels, other operating points."""

import dataclasses
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.transformer.stack import unroll
from photonics.engine import Engine
from photonics.layers import (
    Hardware,
    Panel,
    Report,
    load_panels,
    opticalize,
    refabricate,
    reseed,
    set_engine,
    unload_panels,
)
from photonics.layers.opticalize import optical_seams
from tests.models.transformer.tiny_folder import TINY, tiny_model
from tests.photonics.layers.small_models import (
    Mixed,
    continuous,
    filled,
    ideal,
    noise_of,
    real,
    rounded,
    run,
    stack,
)

KEYS = jax.random.split(jax.random.key(7), 4)
TOKENS = jax.random.randint(jax.random.key(3), (2, 5), 0, TINY.vocabulary)


def normal(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape), jnp.float32)


X = normal(4, 6, 8)


def with_light(model: Any, engine: Engine, rules: Any = None) -> tuple[Any, Report]:
    report = opticalize(model, engine, rules=rules, rngs=nnx.Rngs(noise=0))
    return model, report


def seeded(model, x=X, keys=KEYS):
    reseed(model, keys)
    return np.asarray(run(model, x))


# The ideal limit -------------------------------------------------------------------------------------------------


def test_a_llama_in_the_ideal_limit_equals_the_plain_model():
    exact = run(tiny_model(), TOKENS)
    model, report = with_light(tiny_model(), ideal())
    assert len(report.replaced) == 2 * 7 + 1 and report.digital == report.unreachable == ()
    # float32 sums in another order and a rotation: 1e-6 of logits of order ten
    np.testing.assert_allclose(run(model, TOKENS), exact, atol=1e-4)


def test_every_kind_of_layer_in_the_ideal_limit_equals_the_plain_model():
    exact = run(filled(Mixed), X)
    model, report = with_light(filled(Mixed), ideal())
    assert set(report.replaced) == set(Mixed.names)
    np.testing.assert_allclose(run(model, X), exact, atol=1e-4)


def test_the_comparison_with_the_plain_model_can_fail():
    model, _ = with_light(stack(2), continuous())
    error = np.abs(seeded(model) - run(stack(2), X))
    assert np.max(error) > 1e-2
    assert np.mean(error > 1e-4) > 0.9


# Rules and the report --------------------------------------------------------------------------------------------


def test_without_rules_everything_that_can_be_reached_gets_light():
    model, report = with_light(stack(), ideal())
    assert set(report.replaced) == {f"layers/{i}/{name}" for i in range(3) for name in ("up", "down")} | {"head"}
    assert len(optical_seams(model)) == 3


def test_layers_without_a_rule_stay_digital():
    model, report = with_light(stack(), ideal(), [(r"layers/0/up", None), (r"up$", ideal())])
    assert set(report.replaced) == {"layers/1/up", "layers/2/up"}
    assert set(report.digital) == {"layers/0/up", "head"} | {f"layers/{i}/down" for i in range(3)}
    assert model.head.dot_general is jax.lax.dot_general
    nothing, report = with_light(stack(), ideal(), [(r".*", None)])
    assert report.replaced == () and optical_seams(nothing) == []


def test_what_cannot_be_reached_is_reported():
    class Convolved(nnx.Module):
        def __init__(self, rngs):
            self.embed = nnx.Embed(11, 8, rngs=rngs)
            self.conv = nnx.Conv(8, 8, (3,), rngs=rngs)
            self.adapter = nnx.Param(jnp.ones((8, 8)))
            self.linear = nnx.Linear(8, 8, rngs=rngs)

    _, report = with_light(filled(Convolved), ideal())
    assert report.replaced == ("linear",)
    assert set(report.unreachable) == {"embed (Embed)", "conv (Conv)", ". (Convolved)"}


def test_bad_rules_are_refused_and_change_nothing():
    model = stack()
    with pytest.raises(ValueError, match="rule 'lm_head' matches no layer; layers are head, layers/0/down"):
        with_light(model, ideal(), [("lm_head", None), (".*", ideal())])
    with pytest.raises(ValueError, match=r"rule '\(' is not a regular expression"):
        with_light(model, ideal(), [("(", None)])
    assert optical_seams(model) == []


def test_a_model_gets_light_once():
    model, _ = with_light(stack(), ideal(), [("head", ideal())])
    with pytest.raises(ValueError, match="has optical products already: opticalize a fresh copy"):
        with_light(model, ideal())


def test_a_class_that_would_win_is_cleared():
    def broken():
        raise AssertionError("dot_general_cls was used")

    class General(nnx.Module):
        def __init__(self, rngs):
            self.spread = nnx.LinearGeneral(8, (2, 3), dot_general_cls=broken, rngs=rngs)

        def __call__(self, x):
            return self.spread(x)

    model = filled(General)
    with pytest.raises(AssertionError):
        run(model, X)
    with_light(model, ideal())
    assert model.spread.dot_general_cls is None
    expected = jnp.einsum("btd,dhk->bthk", X, model.spread.kernel[...]) + model.spread.bias[...]
    np.testing.assert_allclose(run(model, X), expected, atol=1e-5)


# Scanned against unrolled ----------------------------------------------------------------------------------------


def test_first_and_last_digital_and_power_by_layer_equal_an_unrolled_copy():
    first, second = (continuous().at(laser_power_w=power_w) for power_w in (4e-5, 2e-5))
    rules = [("layers/[03]/", None), ("layers/1/up", first), ("layers/2/down", second), (".*", continuous())]
    scanned, report = with_light(stack(4), continuous(), rules)
    single, report_of_single = with_light(unroll(stack(4)), continuous(), rules)
    assert set(report.replaced) == set(report_of_single.replaced)
    assert set(report.digital) == {f"layers/{i}/{name}" for i in (0, 3) for name in ("up", "down")}
    # Nothing rounds, so equal draws give equal results to float32 sums.
    np.testing.assert_allclose(seeded(scanned), seeded(single), atol=2e-5)
    # The comparison sees another power in a single layer.
    other, _ = with_light(stack(4), continuous(), [("layers/1/up", continuous()), *rules])
    assert np.max(np.abs(seeded(other) - seeded(scanned))) > 1e-3


def test_keys_and_glass_of_an_unrolled_copy_are_those_of_the_stack():
    scanned, single = (with_light(model, continuous())[0] for model in (stack(3), unroll(stack(3))))
    for seeds in (False, True):  # those of `opticalize`, then new ones
        for model in (scanned, single):
            if seeds:
                reseed(model, KEYS)
        for name in ("up", "down"):
            held = getattr(scanned.layers, name).dot_general
            for layer in range(3):
                alone = getattr(single.layers[layer], name).dot_general
                assert bool(jnp.all(held.keys.get_value()[layer] == alone.keys.get_value()))
                assert int(held.instance[...][layer]) == int(alone.instance[...])


def test_structures_that_differ_by_layer_equal_an_unrolled_copy():
    coarse = rounded().replace(**{"adc.bits": 5})
    rules = [("layers/0/", None), ("layers/1/", coarse), ("up", rounded()), (".*", None)]
    scanned, _ = with_light(stack(3), rounded(), rules)
    single, _ = with_light(unroll(stack(3)), rounded(), rules)
    held = scanned.layers.up.dot_general
    assert [hardware.get_value().adc.bits for hardware in held.hardware] == [5, 10]
    np.testing.assert_array_equal(held.choice[...], [0, 1, 2])
    np.testing.assert_array_equal(scanned.layers.down.dot_general.choice[...], [0, 1, 0])
    x = normal(4, 60, 8)
    light, alone, exact = seeded(scanned, x), seeded(single, x), run(stack(3), x)
    # A code that falls on the other side of a step moves its token; measured: none of 240.
    assert np.mean(np.max(np.abs(light - alone), axis=-1) > 1e-4) < 0.02
    assert np.mean(np.max(np.abs(light - exact), axis=-1) > 1e-2) > 0.9


@pytest.mark.slow
def test_a_llama_with_first_and_last_layer_digital_equals_an_unrolled_copy():
    config = dataclasses.replace(TINY, layers=4)
    rules = [("layers/[03]/", None), ("layers/1/", continuous().at(laser_power_w=4e-5)), (".*", continuous())]
    scanned, _ = with_light(tiny_model(config), continuous(), rules)
    single, _ = with_light(unroll(tiny_model(config)), continuous(), rules)
    logits = seeded(scanned, TOKENS, KEYS[:2])
    np.testing.assert_allclose(logits, seeded(single, TOKENS, KEYS[:2]), atol=1e-3)
    assert np.std(logits - run(tiny_model(config), TOKENS)) > 0.1


def test_the_weights_of_a_stack_are_not_copied():
    layers = 24
    model, _ = with_light(stack(layers, 64, 192), rounded().replace(**{"source.count": 64, "panel.outputs": 64}))
    graph, state = nnx.split(model)
    call = jax.jit(lambda state, x: nnx.merge(graph, state)(x))
    memory = call.lower(state, normal(1, 4, 64)).compile().memory_analysis()
    assert memory is not None
    weights_byte = layers * 2 * 64 * 192 * 4
    # One layer of 24 is encoded at a time, in a few arrays of its size (measured: 0.11 of the stack); a copy is 1.
    assert memory.temp_size_in_bytes < weights_byte / 4
    assert memory.output_size_in_bytes < 1000


# Seeds -----------------------------------------------------------------------------------------------------------


class Twins(nnx.Module):
    """Two layers with equal weights, side by side."""

    def __init__(self, rngs):
        self.a, self.b = (nnx.Linear(12, 40, use_bias=False, rngs=rngs) for _ in range(2))

    def __call__(self, x):
        return jnp.stack([self.a(x), self.b(x)])


@pytest.fixture(scope="module")
def twins():
    model, _ = with_light(filled(Twins), continuous())
    model.b.kernel.set_value(model.a.kernel[...])
    return model


def test_the_same_keys_give_the_same_result_and_other_keys_another(twins):
    x = normal(4, 30, 12)
    exact = x @ twins.a.kernel[...]
    first = seeded(twins, x)
    np.testing.assert_array_equal(seeded(twins, x), first)
    other = seeded(twins, x, jax.random.split(jax.random.key(8), 4))
    # Layers, sequences, keys and calls: no two share a draw.
    second_call = run(twins, x)
    noises = [noise_of(y, exact) for y in (first[0], first[1], other[0], other[1], second_call[0], second_call[1])]
    noises += [noise_of(np.roll(first[0], shift, axis=0), exact) for shift in (1, 2)]
    table = np.corrcoef(noises) - np.eye(len(noises))
    assert np.max(np.abs(table[:6, :6])) < 5 / noises[0].size ** 0.5
    by_sequence = np.corrcoef([noise_of(first[0][i], exact[i]) for i in range(4)]) - np.eye(4)
    assert np.max(np.abs(by_sequence)) < 5 / (30 * 40) ** 0.5


def test_every_call_has_fresh_noise_without_a_new_seed():
    model, _ = with_light(filled(Twins), continuous())
    x = normal(100, 12)
    exact = x @ model.a.kernel[...]
    noises = [noise_of(run(model, x)[0], exact) for _ in range(3)]
    assert np.max(np.abs(np.corrcoef(noises) - np.eye(3))) < 5 / noises[0].size ** 0.5
    assert int(model.a.dot_general.count[...]) == 3


def test_the_layers_of_a_stack_share_no_draw():
    model, _ = with_light(stack(3), continuous())
    reseed(model, KEYS)
    held = [seam.dot().keys for seam in optical_seams(model)]
    assert [variable.get_value().shape for variable in held] == [(4,), (3, 4), (3, 4)]
    words = [jax.random.key_data(variable.get_value()).reshape(-1, 2) for variable in held]
    assert len(np.unique(np.concatenate(words), axis=0)) == 4 + 12 + 12


def test_draws_do_not_depend_on_the_batch_that_a_sequence_is_in():
    model, _ = with_light(stack(2), continuous())
    whole = seeded(model)
    for rows in ([0, 1], [2, 3]):
        part = seeded(model, X[np.array(rows)], KEYS[np.array(rows)])
        # float32 sums differ with the shape of the batch, draws do not
        np.testing.assert_allclose(part, whole[rows], atol=2e-5)


def test_after_converters_a_batch_split_leaves_isolated_steps_of_one():
    model, _ = with_light(filled(Twins), rounded())
    x = normal(4, 100, 12)
    whole = seeded(model, x)
    parts = np.concatenate([seeded(model, x[i : i + 1], KEYS[i : i + 1]) for i in range(4)], axis=1)
    panel = rounded().load_panel(model.a.kernel[...])
    step = np.max(np.abs(x), axis=-1, keepdims=True) * (panel.scale * panel.full_scale)[0] / rounded().adc.levels()
    steps_apart = np.abs(parts[0] - whole[0]) / step
    # Differences are nothing or one code, but for rounding; measured: no flip in 16,000 conversions.
    assert np.max(np.abs(steps_apart - np.round(steps_apart))) < 1e-2
    assert np.max(steps_apart) < 1.5 and np.mean(steps_apart > 0.5) < 1e-3
    assert np.min(step) > 0


def test_a_sequence_does_not_depend_on_its_batch_mates():
    model, _ = with_light(stack(2), continuous())
    alone = seeded(model)
    mates = X.at[jnp.array([0, 2, 3])].multiply(100.0)
    np.testing.assert_array_equal(seeded(model, mates)[1], alone[1])
    assert np.min(np.abs(seeded(model, mates)[0] - alone[0])) > 0


def test_a_wrong_number_of_keys_is_refused():
    model, _ = with_light(stack(2), continuous())
    reseed(model, KEYS[:3])
    with pytest.raises(ValueError, match=re.escape("keys of shape (3,) do not lead the rows of shape (4, 6)")):
        run(model, X)


def test_one_key_serves_a_whole_call():
    model, _ = with_light(stack(2), continuous())
    one = seeded(model, X, KEYS[0])
    np.testing.assert_array_equal(seeded(model, X, KEYS[0]), one)
    # Equal sequences then still have noise of their own.
    same = seeded(model, jnp.broadcast_to(X[:1], X.shape), KEYS[0])
    assert np.min(np.std(same, axis=0)) > 0


# Another operating point -----------------------------------------------------------------------------------------


def test_a_sweep_over_powers_compiles_once():
    traces = []

    @nnx.jit(graph_updates=False)
    def call(model, x):
        traces.append(1)
        return model(x)

    model, _ = with_light(stack(2), continuous())
    exact, errors = run(stack(2), X), []
    for power_w in (1e-6, 1e-5, 1e-4):
        set_engine(model, continuous().at(laser_power_w=power_w))
        reseed(model, KEYS)
        errors.append(float(np.std(call(model, X) - exact)))
    assert len(traces) == 1
    # The same draws at every power; shot noise falls with the root of the light, readout noise faster.
    assert errors[0] > 3 * errors[1] > 9 * errors[2] > 0
    fresh, _ = with_light(stack(2), continuous().at(laser_power_w=1e-4))
    np.testing.assert_allclose(seeded(fresh), seeded(model), atol=1e-6)


def test_another_structure_is_refused():
    model, _ = with_light(stack(2), rounded())
    with pytest.raises(ValueError, match=r"head was made for another structure .* opticalize again"):
        set_engine(model, rounded().replace(**{"adc.bits": 6}))
    powers = {np.unique(v.get_value().operating_point.laser_power_w).item() for _, v in hardware(model)}
    assert powers == {np.float32(1e-5)}


def hardware(model):
    return nnx.to_flat_state(nnx.state(model, Hardware))


# Panels ----------------------------------------------------------------------------------------------------------


def test_loaded_panels_are_those_of_the_call():
    # Every effect of the catalogue engine, in one layer of two fan-in tiles and two panels beside each other.
    model, _ = with_light(filled(lambda rngs: nnx.Sequential(nnx.Linear(14, 11, rngs=rngs))), real())
    x = normal(4, 6, 14)
    encoded = seeded(model, x)
    load_panels(model)
    np.testing.assert_allclose(seeded(model, x), encoded, atol=1e-5)


def glass(engine):
    """The same engine with pixel errors, so that each piece of glass is another one."""
    return engine.replace(**{"panel.fixed_pattern": True, "panel.element_residual": 0.05})


def test_a_stack_loads_its_panels_and_unloads_them():
    model, _ = with_light(stack(2), glass(continuous()), [("up|head", glass(continuous()))])
    encoded = seeded(model)
    load_panels(model)
    loaded = seeded(model)
    np.testing.assert_allclose(loaded, encoded, atol=1e-5)
    # Kernels are not read any more, and are read again after unloading.
    for seam in optical_seams(model):
        seam.module.kernel.set_value(seam.module.kernel[...] * 0.5)
    np.testing.assert_array_equal(seeded(model), loaded)
    unload_panels(model)
    assert np.max(np.abs(seeded(model) - encoded)) > 0.1


@pytest.mark.slow  # instantly: test_seams holds the matrices of every kind against the layers' own results
def test_every_kind_of_layer_loads_its_panels():
    model, _ = with_light(filled(Mixed), continuous())
    encoded = seeded(model)
    load_panels(model)
    assert len(nnx.to_flat_state(nnx.state(model, Panel))) == len(Mixed.names)
    np.testing.assert_allclose(seeded(model), encoded, atol=1e-4)


def test_every_layer_has_glass_of_its_own():
    def loaded():
        model, _ = with_light(stack(3), glass(continuous()), [("up", glass(continuous()))])
        model.layers.up.kernel.set_value(jnp.ones_like(model.layers.up.kernel[...]))
        load_panels(model)
        return model.layers.up.dot_general.panels[0].get_value().difference

    errors = np.asarray(loaded(), np.float64).reshape(3, -1)
    assert np.max(np.abs(np.corrcoef(errors) - np.eye(3))) < 5 / errors.shape[1] ** 0.5
    assert 0.03 < np.std(errors) < 0.07
    np.testing.assert_array_equal(loaded().reshape(3, -1), np.float32(errors))  # the same glass in every process


def test_another_set_of_engines_has_other_errors_and_the_same_noise():
    engine = ideal().replace(**{"panel.fixed_pattern": True, "panel.element_residual": 0.05})
    model, _ = with_light(stack(), engine)
    load_panels(model)
    before = seeded(model)
    found = []
    for seed in (1, 2, 1):
        refabricate(model, jax.random.key(seed))
        found.append(seeded(model))
    np.testing.assert_array_equal(found[0], found[2])
    assert not np.allclose(found[0], before) and not np.allclose(found[0], found[1])
    numbers = [np.atleast_1d(seam.dot().instance[...]) for seam in optical_seams(model)]
    assert len(np.unique(np.concatenate(numbers))) == sum(len(n) for n in numbers)
