"""Signed operands as non-negative parts: four products, their signs, ranges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.optical_transformer.signs import PARTS, Signs, part


def signs(**values) -> Signs:
    return Signs(**{"signs": "rails", "activation_percentile": 100.0, "weight_percentile": 100.0, **values})


def test_four_products_of_parts_make_a_product():
    keys = jax.random.split(jax.random.key(0), 2)
    x, w = jax.random.normal(keys[0], (5, 7)), jax.random.normal(keys[1], (7, 3))
    whole = sum(sign * (part(x, of_x) @ part(w, of_w)) for sign, of_x, of_w in PARTS)
    np.testing.assert_allclose(whole, x @ w, atol=2e-6)
    assert all(float(jnp.min(part(x, of_x))) >= 0 for _, of_x, _ in PARTS)


def test_passes_cost_symbols_and_conversions():
    assert (signs().passes, signs().conversions) == (1, 1)
    apart = signs(signs="passes")
    assert (apart.passes, apart.conversions) == (2, 4)


def test_a_matrix_and_a_token_have_one_symmetric_range_each():
    w = jnp.asarray([[1.0, -4.0], [2.0, 0.5]])
    assert float(signs().weight_scale(w)) == 4.0
    assert float(signs().weight_scale(jnp.zeros((2, 2)))) == 1.0
    # Tokens (tiles, m, rows): the second tile counts, other tokens do not.
    x = jnp.asarray([[[1.0, -2.0], [0.0, 0.0]], [[-3.0, 0.0], [0.0, 0.0]]])
    np.testing.assert_array_equal(signs().activation_scales(x), [[[3.0], [1.0]]])


def test_percentiles_clip_the_largest():
    w = jnp.concatenate([jnp.ones(999), jnp.asarray([50.0])])
    assert float(signs(weight_percentile=99.0).weight_scale(w)) == pytest.approx(1.0)
    x = w[None, None, :]
    assert float(signs(activation_percentile=99.0).activation_scales(x)[0, 0, 0]) == pytest.approx(1.0)
