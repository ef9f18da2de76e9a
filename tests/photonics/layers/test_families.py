"""Every family of engines inside a model: ranged, loaded, measured, swept and refabricated, in a scanned stack."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.transformer.config import TransformerConfig
from models.transformer.model import Transformer
from photonics.layers import calibrate, load_panels, measure, opticalize, refabricate, reseed, set_engine
from tests.photonics.family_engines import FAMILIES, ideal, noisy
from tests.photonics.layers.small_models import run

_CONFIG = TransformerConfig(
    vocabulary=30,
    context=64,
    width=16,
    layers=2,
    heads=2,
    key_value_heads=1,
    head_width=8,
    hidden_width=24,
    norm_epsilon=1e-5,
    rope_theta=1e4,
    tied_head=True,
)
_TOKENS = jax.random.randint(jax.random.key(1), (2, 6), 0, 30)


def _call(model: Transformer) -> jax.Array:
    return model(_TOKENS)


def _optical(engine) -> Transformer:
    model = Transformer(_CONFIG, rngs=nnx.Rngs(0))
    opticalize(model, engine, rngs=nnx.Rngs(noise=0))
    calibrate(model, _call)
    load_panels(model)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_the_ideal_model_is_the_digital_one(family):
    exact = run(Transformer(_CONFIG, rngs=nnx.Rngs(0)), _TOKENS)
    np.testing.assert_allclose(run(_optical(ideal(family)), _TOKENS), exact, atol=2e-4)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "free-space"])
def test_a_model_is_measured_swept_and_built_again(family):
    engine = noisy(family)
    model, keys = _optical(engine), jax.random.split(jax.random.key(5), 2)
    records = measure(model, _call)
    assert len(records) == 2 * 7 + 1 and all(record.electrons_per_mac > 0 for record in records)
    dim = [record.snr_db for record in records]
    brighter = engine.at(laser_power_w=engine.operating_point.laser_power_w * 100)
    set_engine(model, brighter)
    bright = [record.snr_db for record in measure(model, _call)]
    assert np.mean(bright) > np.mean(dim)
    reseed(model, keys)
    together = run(model, _TOKENS)
    reseed(model, keys)
    np.testing.assert_array_equal(run(model, _TOKENS), together)
    refabricate(model, jax.random.key(9))
    load_panels(model)
    reseed(model, keys)
    assert bool(jnp.all(jnp.isfinite(run(model, _TOKENS))))
