"""Ranges that are learned: where they start, what they do, and their gradients through the light."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from calibration.learned_ranges import begin, calibrated, install, pull
from models.transformer.model import Transformer
from photonics.layers import calibrate, opticalize, reseed
from photonics.layers.opticalize import optical_seams
from tests.calibration.light import TOKENS, engine, lit
from tests.models.transformer.tiny_folder import TINY, tiny_model

STATIC = "encoding.activation_scale=static"
# Converters with little or no rounding, so that differences of the loss are those of its derivative; they still clip.
SMOOTH = (
    STATIC,
    "dac.ideal=true",
    "adc.bits=12",
    "adc.enob_loss=0",
    "panel.ideal=true",
    "encoding.activation_percentile=97.0",
)


@pytest.fixture(scope="module")
def smooth() -> Transformer:
    return lit(*SMOOTH)[0]


def fresh(model: Transformer) -> Transformer:
    graph, state = nnx.split(model)
    return nnx.merge(graph, jax.tree.map(lambda leaf: leaf, state))


def test_zeros_are_the_ranges_as_calibrated():
    model, _ = lit(STATIC)
    before, seams = calibrated(optical_seams(model)), optical_seams(model)
    assert set(before) == {f"layers/{name}" for name in (
        "attention/query", "attention/key", "attention/value", "attention/output", "mlp/gate", "mlp/up", "mlp/down",
    )} | {"head"}  # fmt: skip
    install(seams, begin(seams))
    after = calibrated(optical_seams(model))
    for name, (held,) in before.items():
        for one, other in zip(held, after[name][0], strict=True):
            assert np.array_equal(one, other), name


def test_factors_multiply_what_was_calibrated():
    model, _ = lit(STATIC)
    seams = optical_seams(model)
    (full, unit), learned = calibrated(seams)["layers/mlp/down"][0], begin(seams)
    learned["layers/mlp/down"] = {"activation": jnp.asarray([0.0, 0.5]), "adc": jnp.full_like(full, -0.25)}
    install(seams, learned)
    (found_full, found_unit) = calibrated(seams)["layers/mlp/down"][0]
    np.testing.assert_allclose(found_unit, unit * np.exp([0.0, 0.5]), rtol=1e-6)
    np.testing.assert_allclose(found_full, full * np.exp(-0.25), rtol=1e-6)


def test_a_model_without_ranges_is_refused():
    model = tiny_model(TINY)
    opticalize(model, engine(STATIC), rngs=nnx.Rngs(noise=0))
    with pytest.raises(ValueError, match="has no converter ranges yet: calibrate"):
        begin(optical_seams(model))


@pytest.mark.parametrize("part", ["activation", "adc"])
def test_gradients_are_those_of_differences(smooth, part):
    graph, state = nnx.split(smooth)
    learned = begin(optical_seams(smooth))
    # Small enough to cut often, where a range is felt.
    start = {name: {"activation": one["activation"] - 0.3, "adc": one["adc"] - 2.5} for name, one in learned.items()}

    @jax.jit
    def loss(step):
        moved = {name: {**one, part: one[part] + step} for name, one in start.items()}
        model = fresh(nnx.merge(graph, state))
        reseed(model, jax.random.split(jax.random.key(1), 2))
        install(optical_seams(model), moved)
        return jnp.mean(jnp.square(model(TOKENS)))

    slope = float(jax.grad(loss)(0.0))
    differences = [float((loss(step) - loss(-step)) / (2 * step)) for step in (1e-2, 5e-3)]
    # Richardson: what is left is the fourth power of the step, and kinks where a value starts to be cut.
    expected = (4 * differences[1] - differences[0]) / 3
    assert abs(slope) > 1e-3
    assert slope == pytest.approx(expected, rel=0.05)


def test_ranges_are_pulled_evenly(smooth):
    learned = begin(optical_seams(smooth))
    count = sum(one["activation"].size for one in learned.values())
    found = jax.grad(pull)(learned)
    assert all(np.allclose(one["activation"], 1.0 / count) and np.all(one["adc"] == 0.0) for one in found.values())


def test_static_ranges_leave_no_scale_that_looks_at_data():
    # Scales are largest magnitudes: per token there is one in the product, with static ranges none.
    w, x = (jax.random.normal(jax.random.key(seed), shape) for seed, shape in ((0, (32, 8)), (1, (5, 32))))
    found = {}
    for scale in ("token", "static"):
        under = engine(f"encoding.activation_scale={scale}")
        panel = under.load_panel(w, sample=x)
        traced = jax.make_jaxpr(lambda x, under=under, panel=panel: under.matmul(jax.random.key(2), x, panel))(x)
        found[scale] = str(traced).count("reduce_max")
    assert found["static"] == 0 and found["token"] > 0


@pytest.mark.parametrize("scale", ["token", "static"])
def test_a_sequence_does_not_feel_its_batch_mates(scale):
    model, _ = lit(f"encoding.activation_scale={scale}")
    run = nnx.jit(lambda called, tokens: called(tokens), graph_updates=False)
    found = []
    for tokens in (TOKENS, jnp.concatenate([TOKENS[:1], jnp.flip(TOKENS[1:], axis=1)])):
        reseed(model, jax.random.split(jax.random.key(1), 2))
        found.append(np.asarray(run(model, tokens)))
    assert np.array_equal(found[0][0], found[1][0]) and not np.array_equal(found[0][1], found[1][1])


def test_what_has_no_such_ranges_is_refused():
    model, fast = tiny_model(TINY), engine("panel.reload_time_s=1e-12")
    opticalize(model, fast, dynamic=[("scores", fast)], rngs=nnx.Rngs(noise=0))
    calibrate(model, lambda called: called(TOKENS))
    with pytest.raises(ValueError, match="multiplies data with data"):
        begin(optical_seams(model))
    model = tiny_model(TINY)
    rules = [("layers/0/", engine()), (".*", engine("source.count=16"))]
    opticalize(model, engine(), rules=rules, rngs=nnx.Rngs(noise=0))
    calibrate(model, lambda called: called(TOKENS))
    with pytest.raises(ValueError, match="engines of several sizes"):
        begin(optical_seams(model))
