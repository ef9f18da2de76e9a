"""The vision transformer against the transformers library, its light, its work."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import photonics
from models.vision.load import LoadedVision, load_vision
from models.vision.model import cut_patches
from photonics.layers import load_panels, opticalize
from tests.models.encoder import tiny_encoders as tiny

GOLDEN = json.loads((Path(__file__).parents[1] / "encoder" / "golden_encoders.json").read_text())["vit"]
PARTS = ("attention/query", "attention/key", "attention/value", "attention/output", "mlp/up", "mlp/down")

# float32 sums of some hundred terms of order one in another order, through two layers; measured: under 3e-6.
ROUNDING = 2e-5

classify = nnx.jit(lambda model, images: model.classify(images), graph_updates=False)
vectors = nnx.jit(lambda model, images: model(images), graph_updates=False)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> LoadedVision:
    return load_vision(tiny.write_vision(tmp_path_factory.mktemp("vit")))


def images(config) -> jax.Array:
    pixels = (tiny.random_images() - np.float32(config.channel_mean)) / np.float32(config.channel_deviation)
    return jnp.asarray(pixels)


def test_golden(loaded):
    pixels = images(loaded.config)
    found = vectors(loaded.model, pixels)
    np.testing.assert_allclose(found[:, 0], [entry["class_vector"] for entry in GOLDEN], atol=ROUNDING)
    np.testing.assert_allclose(found[:, -1], [entry["last_vector"] for entry in GOLDEN], atol=ROUNDING)
    np.testing.assert_allclose(classify(loaded.model, pixels), [entry["logits"] for entry in GOLDEN], atol=ROUNDING)


def test_the_comparison_with_the_golden_outputs_can_fail(loaded):
    # Rows for columns: every patch turned, and the patches in another order.
    turned = classify(loaded.model, images(loaded.config).swapaxes(1, 2))
    assert np.max(np.abs(np.asarray(turned) - [entry["logits"] for entry in GOLDEN])) > 100 * ROUNDING


def test_patches_in_closed_form():
    image = np.arange(2 * 4 * 6 * 3).reshape(2, 4, 6, 3)
    patches = cut_patches(jnp.asarray(image), 2)
    assert patches.shape == (2, 6, 12)
    for number in range(6):
        row, column = 2 * (number // 3), 2 * (number % 3)
        block = image[1, row : row + 2, column : column + 2]
        np.testing.assert_array_equal(patches[1, number], block.transpose(2, 0, 1).ravel())


def test_light_reaches_every_product_and_is_exact_in_the_ideal_limit(loaded):
    pixels = images(loaded.config)
    model: Any = nnx.clone(loaded.model)
    report = opticalize(model, photonics.load_engine("ideal"), rngs=nnx.Rngs(noise=0))
    assert set(report.replaced) == {f"layers/{i}/{part}" for i in range(2) for part in PARTS} | {"patch", "classifier"}
    assert report.digital == report.unreachable == ()
    load_panels(model)
    # The rotation of the engine adds to the sums' rounding.
    np.testing.assert_allclose(classify(model, pixels), classify(loaded.model, pixels), atol=1e-4)


def test_work_is_named_by_module_and_counted_in_closed_form(loaded):
    config, shape = loaded.config, jax.ShapeDtypeStruct((2, 12, 12, 3), jnp.float32)
    work = photonics.count_contractions(lambda model, pixels: model.classify(pixels), loaded.model, shape)
    assert {c.name for c in work if c.weights} == {f"layers/{part}" for part in PARTS} | {"patch", "classifier"}
    per_token = config.layers * (4 * 32 * 32 + 2 * 32 * 64)
    assert work.weight_macs == 2 * (9 * 48 * 32 + 10 * per_token + 32 * 2)
    assert work.digital_macs == config.layers * 2 * 2 * 10 * 10 * 32


def test_parameters_are_counted(loaded):
    leaves = jax.tree.leaves(nnx.state(loaded.model, nnx.Param))
    assert loaded.config.parameters == sum(leaf.size for leaf in leaves)


def test_inputs_that_do_not_fit_are_refused(loaded):
    with pytest.raises(ValueError, match=r"images must have the shape \(batch, 12, 12, 3\), not \(1, 16, 16, 3\)"):
        loaded.model(jnp.zeros((1, 16, 16, 3)))
    with pytest.raises(ValueError, match="no classifier"):
        load_vision(loaded.source, head=False).model.classify(jnp.zeros((1, 12, 12, 3)))
