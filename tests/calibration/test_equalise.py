"""Channels brought to a like size: the same function, the sizes that the equation says, and less light lost."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from calibration.equalise import equalise, largest_inputs
from calibration.fold_norms import fold_norms, scale_of, stacked_layers
from models.transformer.model import Transformer
from models.transformer.stack import unroll
from photonics.layers import calibrate, measure, opticalize, reseed
from tests.calibration.light import SAMPLE, TOKENS, engine
from tests.models.transformer.tiny_folder import TINY, tiny_model

UNTIED = dataclasses.replace(TINY, tied_head=False)
FAMILIES = {
    "tied": TINY,
    "untied": UNTIED,
    "biases": dataclasses.replace(UNTIED, query_key_value_bias=True, output_bias=True),
    "qwen2": dataclasses.replace(TINY, query_key_value_bias=True),
    "qwen3": dataclasses.replace(TINY, query_key_norm=True, head_width=12, width=36),
}
run = nnx.jit(lambda called: called(TOKENS), graph_updates=False)


@pytest.fixture(scope="module")
def model() -> Transformer:
    return tiny_model(UNTIED)


def shared(x: jax.Array) -> np.ndarray:
    """The largest of (layers, heads * head_width) over the query heads of each group."""
    return np.asarray(x).reshape(TINY.layers, TINY.key_value_heads, -1, TINY.head_width).max(axis=2)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)
def test_the_function_stays(config, strength):
    model = tiny_model(config)
    before, state = np.asarray(run(model)), nnx.to_pure_dict(nnx.state(model))
    evened = equalise(model, largest_inputs(model, SAMPLE), strength)
    # Sums of 64 float32 products through 2 layers: a few hundred roundings of 6e-8 of logits of a few units.
    np.testing.assert_allclose(run(evened), before, atol=2e-5 * np.abs(before).max())
    kernels = [stacked_layers(one).attention.output.kernel[...] for one in (model, evened)]
    assert not np.allclose(*kernels, atol=1e-2)
    jax.tree.map(np.testing.assert_array_equal, nnx.to_pure_dict(nnx.state(model)), state)


def test_what_was_seen_is_what_went_in(model):
    found = largest_inputs(model, SAMPLE)
    one = nnx.clone(model)
    x = one.embed(SAMPLE)
    layer = unroll(model).layers
    assert isinstance(layer, nnx.List)
    expected = np.abs(layer[0].attention_norm(x)).max(axis=(0, 1))
    np.testing.assert_allclose(found["layers/attention/query"][0], expected, rtol=1e-5)
    np.testing.assert_allclose(found["head"], np.abs(one.hidden(SAMPLE)).max(axis=(0, 1)), rtol=1e-4)
    assert found["layers/mlp/down"].shape == (TINY.layers, TINY.hidden_width) and len(found) == 8
    # One call of another method, here without the head, sees the same.
    other = largest_inputs(model, SAMPLE, call=lambda called, tokens: called.hidden(tokens))
    np.testing.assert_allclose(other["layers/mlp/up"], found["layers/mlp/up"], rtol=1e-5)
    assert np.all(other["head"] == 0.0)


def test_inputs_and_weights_are_as_the_equation_says(model):
    seen = largest_inputs(model, SAMPLE)
    alike = largest_inputs(equalise(model, seen, 1.0), SAMPLE)
    for name, largest in alike.items():
        expected = shared(largest) if name.endswith("output") else largest
        np.testing.assert_allclose(expected, 1.0, rtol=1e-4, err_msg=name)
    weights = equalise(model, seen, 0.0)
    layers = stacked_layers(weights)
    rows = jnp.abs(layers.attention.output.kernel[...]).max(axis=-1)
    np.testing.assert_allclose(shared(rows), 1.0, rtol=1e-5)
    np.testing.assert_allclose(jnp.abs(layers.mlp.down.kernel[...]).max(axis=-1), 1.0, rtol=1e-5)
    both = jnp.concatenate([layers.mlp.gate.kernel[...], layers.mlp.up.kernel[...]], axis=-1)
    np.testing.assert_allclose(jnp.abs(both).max(axis=-1), 1.0, rtol=1e-5)
    half = equalise(model, seen, 0.5)
    met = largest_inputs(half, SAMPLE)["layers/mlp/down"]
    # With a = 1/2 inputs and rows both become sqrt(max|X_j| max|W_j|).
    np.testing.assert_allclose(met, jnp.abs(stacked_layers(half).mlp.down.kernel[...]).max(axis=-1), rtol=1e-4)


def test_a_second_time_changes_nothing(model):
    once = equalise(model, largest_inputs(model, SAMPLE))
    twice = equalise(once, largest_inputs(once, SAMPLE))
    states = [jax.tree.leaves(nnx.state(one, nnx.Param)) for one in (once, twice)]
    for first, second in zip(*states, strict=True):
        np.testing.assert_allclose(second, first, rtol=1e-4)


def test_folded_norms_undo_what_norms_took(model):
    evened = fold_norms(equalise(model, largest_inputs(model, SAMPLE)))
    plain = fold_norms(model)
    heads = [one.head.kernel[...] for one in (evened, plain) if isinstance(one.head, nnx.Linear)]
    np.testing.assert_allclose(*heads, rtol=1e-5)
    downs = [stacked_layers(one).mlp.down.kernel[...] for one in (evened, plain)]
    assert not np.allclose(*downs, rtol=1e-2)


def test_dead_channels_stay_as_they_are(model):
    one = nnx.clone(model)
    up = stacked_layers(one).mlp.up
    up.kernel.set_value(up.kernel[...].at[:, :, 5].set(0.0))
    evened = equalise(one, largest_inputs(one, SAMPLE))
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(nnx.state(evened, nnx.Param)))
    before, after = (stacked_layers(each).mlp.down.kernel[:, 5] for each in (one, evened))
    np.testing.assert_array_equal(after, before)


def test_less_is_lost_where_channels_are_loud():
    model = tiny_model(UNTIED)
    layers = stacked_layers(model)
    # A loud channel behind each norm and in the feed-forward block; the weights that meet it are small, so that it
    # takes the light and says little.
    loud = jnp.ones(TINY.width).at[4].set(30.0)
    for norm in (layers.attention_norm, layers.mlp_norm):
        scale_of(norm).set_value(scale_of(norm)[...] * loud)
    attention, mlp = layers.attention, layers.mlp
    for reader in (attention.query, attention.key, attention.value, mlp.gate, mlp.up):
        reader.kernel.set_value(reader.kernel[...] / loud[:, None])
    seen = largest_inputs(model, SAMPLE)
    found = [_snr_db(one) for one in (model, equalise(model, seen), equalise(model, seen, 0.25))]
    assert found[1] > found[0] + 3.0 and found[2] > found[0] + 1.0


def _snr_db(model: Transformer) -> float:
    """SNR [dB] of query and gate under an engine that does not rotate, averaged over layers and 2 draws."""
    rules = [(r"(query|gate)$", engine("encoding.rotate=false"))]
    opticalize(model, engine(), rules=rules, rngs=nnx.Rngs(noise=0))
    calibrate(model, _whole)
    values = []
    for seed in range(2):
        reseed(model, jax.random.split(jax.random.key(seed), SAMPLE.shape[0]))
        values += [record.snr_db for record in measure(model, _whole)]
    return float(np.mean(values))


def _whole(model: nnx.Module) -> jax.Array:
    assert isinstance(model, Transformer)
    return model(SAMPLE)


def test_wrong_requests_are_refused(model):
    seen = largest_inputs(model, SAMPLE)
    for strength in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match=r"strength of an equalisation lies in \[0, 1\]"):
            equalise(model, seen, strength)
    rest = {name: value for name, value in seen.items() if name != "layers/mlp/up"}
    with pytest.raises(ValueError, match="largest inputs of layers/mlp/up are missing"):
        equalise(model, rest)
    wrong = {**seen, "head": jnp.ones(3)}
    with pytest.raises(ValueError, match=r"head have shape \(3,\), not \(32,\)"):
        equalise(model, wrong)
    with pytest.raises(ValueError, match="layers of the model are a list"):
        largest_inputs(unroll(model), SAMPLE)
