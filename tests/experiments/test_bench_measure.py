"""What a case times is what its name says: the same operands through light and without, gradients included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.bench_cases import chosen_cases
from experiments.bench_config import BenchConfig
from experiments.bench_measure import _product_calls, measure_product
from photonics import load_engine
from photonics.catalogue import read_engine_file

CASES = {case.name: case for case in chosen_cases(BenchConfig(shapes=("4x32x8",)))}


@pytest.fixture
def operands():
    x_key, w_key = jax.random.split(jax.random.key(1))
    return jax.random.normal(x_key, (4, 32)), jax.random.normal(w_key, (32, 8))


@pytest.mark.parametrize("name", ["catalogued", "catalogued-from-weights", "catalogued-backward-from-weights"])
def test_plain_and_optical_are_the_same_function_of_an_ideal_engine(name, operands):
    x, w = operands
    calls = _product_calls(CASES[name], load_engine("ideal"), jax.random.key(0), x, w)
    plain, optical = (jax.tree.leaves(function(*arguments)) for function, arguments in calls)
    assert len(plain) == (2 if "backward" in name else 1)
    for expected, found in zip(plain, optical, strict=True):
        # float32 sums of 32 terms; gradients have two such sums one after the other.
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * float(jnp.max(jnp.abs(expected))))


def test_the_gradient_of_a_loaded_panel_reaches_weights_and_activations(operands):
    x, w = operands
    calls = _product_calls(CASES["integer-backward"], load_engine("ideal"), jax.random.key(0), x, w)
    (function, arguments) = calls[1]
    of_x, (of_difference, of_total) = function(*arguments)
    np.testing.assert_allclose(of_x, 2 * (x @ w) @ w.T, rtol=1e-3, atol=1e-3)
    assert float(jnp.max(jnp.abs(of_difference))) > 0
    # The ideal engine has no noise for the light to set.
    assert float(jnp.max(jnp.abs(of_total))) == 0


def test_a_measurement_has_every_pair_and_the_memory():
    arrays = measure_product(CASES["catalogued-threefry"], read_engine_file("free-space-1024"), seed=3, pairs=4)
    assert arrays["plain_s"].shape == arrays["optical_cpu_s"].shape == (4,)
    assert arrays["plain_output_byte"] == 4 * 8 * 4
    assert arrays["optical_temp_byte"] >= 0 and arrays["vectors"] == 4
