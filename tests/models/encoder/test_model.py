"""The encoder against the transformers library, its padding, its light, its work."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import photonics
from models.encoder.load import LoadedEncoder, load_encoder
from photonics.layers import load_panels, opticalize, reseed
from tests.models.encoder import tiny_encoders as tiny

GOLDEN = json.loads(Path(__file__).with_name("golden_encoders.json").read_text())
PARTS = ("attention/query", "attention/key", "attention/value", "attention/output", "mlp/up", "mlp/down")

# float32 sums of some hundred terms of order one in another order, through two layers; measured: under 3e-6.
ROUNDING = 2e-5

embed = nnx.jit(lambda model, *inputs: model.embed(*inputs), graph_updates=False)
classify = nnx.jit(lambda model, *inputs: model.classify(*inputs), graph_updates=False)
vectors = nnx.jit(lambda model, *inputs: model(*inputs), graph_updates=False)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("encoders")
    return {c["model_type"]: tiny.write_encoder(root / c["model_type"], c) for c in (tiny.BERT, tiny.ROBERTA)}


@pytest.fixture(scope="module")
def loaded(folders) -> dict[str, LoadedEncoder]:
    return {kind: load_encoder(folder) for kind, folder in folders.items()}


def padded(rows: list[list[int]], width: int, filler: int = 0) -> tuple[jax.Array, jax.Array]:
    tokens = [row + [filler] * (width - len(row)) for row in rows]
    return jnp.asarray(tokens, jnp.int32), jnp.asarray([len(row) for row in rows], jnp.int32)


ROWS = [[2, 5, 6, 8, 10, 49, 3], [2, 12, 11, 7, 3], [2, 9, 3]]


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_golden(loaded, kind):
    entries = GOLDEN[kind]
    rows = [loaded[kind].tokenizer.encode(entry["text"]).ids for entry in entries]
    assert rows == [entry["tokens"] for entry in entries]
    batch = padded(rows, 16)
    model: Any = loaded[kind].model
    np.testing.assert_allclose(vectors(model, *batch)[:, 0], [e["first_vector"] for e in entries], atol=ROUNDING)
    np.testing.assert_allclose(embed(model, *batch), [e["mean_vector"] for e in entries], atol=ROUNDING)
    np.testing.assert_allclose(classify(model, *batch), [e["logits"] for e in entries], atol=ROUNDING)


@pytest.mark.parametrize("change", [{"activation": "gelu_tanh"}, {"norm_epsilon": 1e-2}, {"position_offset": 1}])
def test_the_comparison_with_the_golden_outputs_can_fail(loaded, change):
    entries = GOLDEN["bert"]
    model = nnx.clone(loaded["bert"].model)
    model.config = dataclasses.replace(model.config, **change)
    for block in (model.embedding_norm, model.layers.attention_norm, model.layers.mlp_norm):
        block.epsilon = model.config.norm_epsilon
    model.layers.mlp.tanh = model.config.activation == "gelu_tanh"
    logits = np.asarray([entry["logits"] for entry in entries])
    error = np.abs(classify(model, *padded([entry["tokens"] for entry in entries], 16)) - logits)
    assert np.max(error) > 10 * ROUNDING


def test_padding_never_changes_a_row(loaded):
    model: Any = loaded["bert"].model
    for call in (embed, classify):
        alone = np.concatenate([call(model, *padded([row], len(row))) for row in ROWS])
        for filler, width in ((0, 9), (17, 9), (40, 20)):
            np.testing.assert_allclose(call(model, *padded(ROWS, width, filler)), alone, atol=ROUNDING)
    # It can fail: a row that is a token longer is another row.
    longer = classify(model, jnp.asarray([ROWS[2] + [17]]), jnp.asarray([4]))
    assert np.max(np.abs(longer - alone[2])) > 1e-2


def test_pooling_by_the_first_token(loaded):
    model: Any = nnx.clone(loaded["bert"].model)
    model.config = dataclasses.replace(model.config, pooling="cls")
    batch = padded(ROWS, 9)
    np.testing.assert_array_equal(embed(model, *batch), vectors(model, *batch)[:, 0])


def test_light_reaches_every_product_and_is_exact_in_the_ideal_limit(loaded):
    batch = padded(ROWS, 9)
    model: Any = nnx.clone(loaded["bert"].model)
    report = opticalize(model, photonics.load_engine("ideal"), rngs=nnx.Rngs(noise=0))
    assert set(report.replaced) == {f"layers/{i}/{part}" for i in range(2) for part in PARTS} | {"pooler", "classifier"}
    assert report.digital == report.unreachable == ()
    load_panels(model)
    exact: Any = loaded["bert"].model
    # The rotation of the engine adds to the sums' rounding.
    np.testing.assert_allclose(classify(model, *batch), classify(exact, *batch), atol=1e-4)
    np.testing.assert_allclose(embed(model, *batch), embed(exact, *batch), atol=1e-4)


def test_noise_does_not_reach_a_row_through_its_padding(loaded):
    model: Any = load_encoder(loaded["bert"].source, head=False).model
    opticalize(
        model, photonics.load_engine("ideal").replace(**{"photodetector.shot_noise": True}), rngs=nnx.Rngs(noise=0)
    )
    keys = jax.random.split(jax.random.key(1), 3)
    results = []
    for filler in (0, 30):
        reseed(model, keys)
        results.append(embed(model, *padded(ROWS, 9, filler)))
    # Draws belong to key, layer and token, so the same ones meet each row.
    np.testing.assert_allclose(results[0], results[1], atol=ROUNDING)
    assert np.max(np.abs(results[0] - embed(loaded["bert"].model, *padded(ROWS, 9)))) > 10 * ROUNDING


def test_work_is_named_by_module_and_counted_in_closed_form(loaded):
    config = loaded["bert"].config
    shapes = jax.ShapeDtypeStruct((3, 9), jnp.int32), jax.ShapeDtypeStruct((3,), jnp.int32)
    work = photonics.count_contractions(lambda model, *inputs: model.classify(*inputs), loaded["bert"].model, *shapes)
    names = {contraction.name for contraction in work if contraction.weights}
    assert names == {f"layers/{part}" for part in PARTS} | {"pooler", "classifier"}
    assert {c.name for c in work if not c.weights} == {"layers/attention/scores", "layers/attention/mix"}
    width, hidden = config.width, config.hidden_width
    per_token = config.layers * (4 * width * width + 2 * width * hidden)
    assert work.weight_macs == 27 * per_token + 3 * (width * width + width * 3)
    assert work.digital_macs == config.layers * 2 * 3 * 9 * 9 * width


def test_parameters_are_counted(loaded):
    for one in loaded.values():
        leaves = jax.tree.leaves(nnx.state(one.model, nnx.Param))
        assert one.config.parameters == sum(leaf.size for leaf in leaves)


def test_inputs_that_do_not_fit_are_refused(loaded):
    model = loaded["bert"].model
    with pytest.raises(TypeError, match="tokens must be integers, not float32"):
        model(jnp.zeros((1, 4)), jnp.ones(1))
    with pytest.raises(ValueError, match=r"not the shapes \(2, 4\) and \(1,\)"):
        model(jnp.zeros((2, 4), int), jnp.ones(1, int))
    with pytest.raises(ValueError, match="65 tokens are more than the 64 positions"):
        model(jnp.zeros((1, 65), int), jnp.ones(1, int))
    with pytest.raises(ValueError, match="no classifier"):
        load_encoder(loaded["bert"].source, head=False).model.classify(jnp.zeros((1, 4), int), jnp.ones(1, int))
