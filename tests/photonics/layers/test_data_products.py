"""Attention through light: both products of every head, on engines that take an operand at every call."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.transformer.config import TransformerConfig
from models.transformer.model import Transformer
from photonics.contractions import count_contractions
from photonics.layers import Ranges, calibrate, load_panels, measure, opticalize, reseed
from photonics.layers.data_products import find_data_products
from tests.photonics.family_engines import long
from tests.photonics.layers.small_models import continuous, ideal, run

_CONFIG = TransformerConfig(
    vocabulary=40,
    width=16,
    layers=2,
    heads=4,
    key_value_heads=2,
    head_width=8,
    hidden_width=24,
    norm_epsilon=1e-5,
    rope_theta=1e4,
    context=64,
    tied_head=True,
)
_TOKENS = jax.random.randint(jax.random.key(1), (3, 7), 0, 40)
_FAST = {"panel.reload_time_s": 1e-7}


def _model() -> Transformer:
    return Transformer(_CONFIG, rngs=nnx.Rngs(0))


def _optical(engine, pattern="attention/(scores|mix)$", rules=None) -> Transformer:
    model = _model()
    opticalize(model, engine, rules=rules, dynamic=[(pattern, engine)], rngs=nnx.Rngs(noise=0))
    return model


def test_products_of_a_stack_are_named_as_its_layers_are():
    names = [name for seam in find_data_products(_model()) for name in seam.names]
    assert sorted(names) == sorted(f"layers/{i}/attention/{what}" for i in range(2) for what in ("mix", "scores"))


def test_the_ideal_limit_is_the_digital_model():
    model = _optical(ideal().replace(**_FAST))
    np.testing.assert_allclose(run(model, _TOKENS), run(_model(), _TOKENS), atol=5e-5)


def test_attention_stays_digital_unless_a_rule_names_it():
    model = _model()
    report = opticalize(model, ideal(), rngs=nnx.Rngs(noise=0))
    assert not any("scores" in name or "mix" in name for name in report.replaced)
    assert all(seam.dot() is None for seam in find_data_products(model))


def test_the_noise_of_a_sequence_is_its_own_and_comes_from_every_named_layer():
    engine = continuous().replace(**_FAST)
    model = _optical(engine, "layers/1/attention/scores", rules=[(r"nothing|head", None), (r".*", None)])
    keys = jax.random.split(jax.random.key(5), 3)
    reseed(model, keys)
    together = run(model, _TOKENS)
    reseed(model, keys[1:2])
    alone = run(model, _TOKENS[1:2])
    np.testing.assert_allclose(together[1:2], alone, atol=1e-4)
    exact = run(_model(), _TOKENS)
    assert float(jnp.abs(together - exact).max()) > 1e-3
    reseed(model, keys[::-1])
    assert float(jnp.abs(run(model, _TOKENS) - together).max()) > 1e-3


def test_heads_and_calls_do_not_share_draws():
    engine = continuous().replace(**_FAST)
    model = _optical(engine)
    dot = next(seam.dot() for seam in find_data_products(model) if seam.path[-1] == "scores")
    one = jax.tree.map(lambda leaf: leaf[0], nnx.split(dot)[1])
    own = nnx.merge(nnx.split(dot)[0], one)
    x, w = (jnp.broadcast_to(jax.random.normal(jax.random.key(n), (8,)), (3, 2, 5, 8)) for n in (2, 3))
    numbers = (((3,), (3,)), ((0, 1), (0, 1)))
    y = own(x, w, numbers)
    assert y.shape == (3, 2, 5, 5)
    # 150 equal products: all draws differ.
    assert len(np.unique(np.asarray(y))) == y.size
    assert not np.any(np.asarray(own(x, w, numbers)) == np.asarray(y))


@pytest.mark.parametrize("family", ["homodyne", "dynamic-operand", "block-floating-point", "optical-transformer"])
def test_shares_of_attention_are_in_range_after_calibration(family):
    # Nearly even shares of values with a mean: nothing like the typical operands that converters are ranged for.
    engine = long(family)
    if engine.reload_time_s > 1e-5:
        engine = engine.replace(**{"panel.reload_time_s": 1e-7})
    model = _optical(engine, "attention/mix", rules=[("head", None), (".*", None)])
    dot = next(seam.dot() for seam in find_data_products(model) if seam.path[-1] == "mix")
    own = nnx.merge(nnx.split(dot)[0], jax.tree.map(lambda leaf: leaf[0], nnx.split(dot)[1]))
    shares = jax.nn.softmax(0.3 * jax.random.normal(jax.random.key(2), (2, 3, 40, 64)))
    values = jax.random.normal(jax.random.key(3), (2, 3, 64, 8)) + 0.5
    numbers = (((3,), (2,)), ((0, 1), (0, 1)))

    def snr_db() -> float:
        exact = shares @ values
        return float(10 * jnp.log10(jnp.sum(exact**2) / jnp.sum((own(shares, values, numbers) - exact) ** 2)))

    before = snr_db()
    own.mode, own.record = "calibrate", nnx.data(nnx.Intermediate(jnp.zeros(())))
    own(shares, values, numbers)
    reach = own.record.get_value()
    own.mode, own.ranges = "compute", nnx.List([nnx.data(Ranges(one)) for one in reach])
    # Measured: homodyne 37.4 to 36.5 dB, dynamic operands 12.8 to 19.1, Optical Transformers 10.2 to 37.9.
    assert snr_db() > max(before - 1.5, 17.0)
    assert (float(reach[0]) == pytest.approx(1)) is (family == "block-floating-point")


def test_gradients_reach_both_operands():
    engine = continuous().replace(**_FAST)
    slope = nnx.grad(lambda model: jnp.sum(jnp.square(model(_TOKENS))))(_optical(engine))
    found = slope["layers"]["attention"]
    for name in ("query", "key", "value"):
        kernel = found[name]["kernel"].get_value()
        assert bool(jnp.all(jnp.isfinite(kernel))) and float(jnp.abs(kernel).max()) > 0


def test_calibration_panels_and_measurement_take_no_notice_of_it():
    engine = continuous().replace(**_FAST)
    model = _optical(engine)
    calibrate(model, lambda model: model(_TOKENS))
    load_panels(model)
    records = {record.name: record for record in measure(model, lambda model: model(_TOKENS))}
    for name in ("layers/0/attention/scores", "layers/1/attention/mix"):
        assert 0 < records[name].snr_db < 80
    scores = records["layers/0/attention/scores"]
    assert scores.macs == 3 * 4 * 7 * 7 * 8 and scores.electrons_per_mac > 0


def test_a_slow_panel_is_refused():
    with pytest.raises(ValueError, match=r"written in at most 1e-05 s.*takes 0\.001 s|written in at most"):
        _optical(ideal().replace(**{"panel.reload_time_s": 1e-3}))
    with pytest.raises(ValueError, match="matches no layer"):
        _optical(ideal().replace(**_FAST), "attention/nothing")


def test_the_cost_says_what_the_loads_take():
    engine = continuous().replace(**_FAST)
    model = _model()
    work = count_contractions(lambda model, tokens: model(tokens), model, _TOKENS)
    without, with_light = engine.cost(work), engine.cost(work, dynamic=["attention/scores", "attention/mix"])
    # 3 sequences x 2 key-value heads x 2 layers; scores: 8 x 7, one tile; mix: 7 x 8, one tile.
    assert with_light.panel_loads == 3 * 2 * 2 * 2 and without.panel_loads == 0
    assert with_light.load_time_s == pytest.approx(24 * 1e-7)
    assert with_light.energy_j["panel"] > without.energy_j["panel"]
    assert with_light.energy_j["digital_products"] == 0.0 < without.energy_j["digital_products"]
    assert with_light.optical_macs == with_light.macs
    slower = engine.replace(**{"panel.reload_time_s": 1e-6}).cost(work, dynamic=["attention/"])
    # The same time, because more engines share the loads.
    assert slower.time_s == with_light.time_s and slower.engines > with_light.engines
    assert slower.energy_j["laser"] > with_light.energy_j["laser"]
    shared = engine.cost(work, panels=1, dynamic=["attention/"])
    tiles = engine.cost(work).engines
    assert shared.panel_loads == tiles + 24
    assert shared.time_s == pytest.approx(shared.passes / 1e9 + (tiles + 24) * 1e-7)


def test_the_cost_refuses_what_no_panel_can_do():
    work = count_contractions(lambda model, tokens: model(tokens), _model(), _TOKENS)
    with pytest.raises(ValueError, match="products of data with data need a panel"):
        continuous().replace(**{"panel.reload_time_s": 1e-3}).cost(work, dynamic=["attention/"])
    with pytest.raises(ValueError, match="matches no product of data with data"):
        continuous().replace(**_FAST).cost(work, dynamic=["mlp"])
    assert dataclasses.asdict(continuous().cost(work))["panel_loads"] == 0
