"""Noise on the weights of a model: as large as asked for, on kernels alone."""

import jax
import numpy as np
import pytest
from flax import nnx

from experiments.evaluation import DigitalModel
from experiments.validate_quantities_tasks import noisy_weights


@pytest.fixture(scope="module")
def model(tiny_model_folder):
    from models.transformer.load import load_model

    return DigitalModel.of(load_model(str(tiny_model_folder)).model)


def test_kernels_get_noise_of_a_share_of_the_largest_weight(model):
    noisy = noisy_weights(model, jax.random.key(0), 0.05)
    before, after = (dict(nnx.to_flat_state(one.state)) for one in (model, noisy))
    assert before.keys() == after.keys()
    draws = []
    for path, variable in before.items():
        old, new = np.asarray(variable[...]), np.asarray(after[path][...])
        if path[-1] == "kernel":
            draws.append(((new - old) / (0.05 * np.abs(old).max(axis=-2, keepdims=True))).ravel())
        else:
            assert np.array_equal(old, new), path
    unit = np.concatenate(draws)
    # 5 sigma of the mean and of the deviation of n normal draws.
    assert abs(unit.mean()) < 5 / np.sqrt(unit.size)
    assert unit.std() == pytest.approx(1.0, abs=5 / np.sqrt(2 * unit.size))
    assert not np.array_equal(draws[0], draws[1])


def test_no_noise_changes_nothing(model):
    same = noisy_weights(model, jax.random.key(0), 0.0)
    for (_, old), (_, new) in zip(nnx.to_flat_state(model.state), nnx.to_flat_state(same.state), strict=True):
        assert np.array_equal(old[...], new[...])
