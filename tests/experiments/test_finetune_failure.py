import jax
import jax.numpy as jnp
import pytest

from experiments.finetune_failure import layer_words, worst_layer
from photonics.layers import load_panels, measure
from photonics.layers.seams import find_seams
from tests.calibration.light import TOKENS, lit
from tests.models.transformer.tiny_folder import TINY, tiny_model


def test_the_first_layer_without_numbers_is_to_blame_and_not_those_behind_it():
    model, _ = lit()
    kernel = next(seam for seam in find_seams(model) if seam.stack_name == "layers/mlp/gate").module.kernel
    with jax.debug_nans(False):
        kernel.set_value(kernel[...].at[1].set(jnp.nan))
        found = worst_layer(model, TOKENS)
    assert found is not None and found[0] == "layers/1/mlp/gate"
    assert layer_words(found) == "the layer to look at is layers/1/mlp/gate (signal to noise no number)"


def test_otherwise_it_is_the_one_furthest_from_exact():
    name, snr_db = worst_layer(lit()[0], TOKENS) or ("", 0.0)
    model, _ = lit()
    load_panels(model)
    records = {record.name: record.snr_db for record in measure(model, lambda called: called(TOKENS))}
    assert records[name] == min(records.values()) == pytest.approx(snr_db)


def test_a_model_without_light_has_none():
    assert worst_layer(tiny_model(TINY), TOKENS) is None
    assert layer_words(None) == "no layer is computed with light"
