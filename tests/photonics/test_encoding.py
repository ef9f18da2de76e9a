"""The encoding: scales per token and per column, static scales, percentiles, rotation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.encoding import TwoRailTwoPass


def _encoding(**changes) -> TwoRailTwoPass:
    values = {"rotate": False, "activation_scale": "token", "activation_percentile": 100.0, "weight_percentile": 100.0}
    return TwoRailTwoPass(**{**values, **changes})


def test_two_rails_and_two_passes_carry_any_sign():
    assert (TwoRailTwoPass.passes, TwoRailTwoPass.rails, TwoRailTwoPass.conversions_per_output) == (2, 2, 1)
    x, w = jnp.array([0.3, -0.7, 0.2]), jnp.array([-0.5, -0.25, 1.0])
    up, un, vp, vn = jnp.maximum(x, 0), jnp.maximum(-x, 0), jnp.maximum(w, 0), jnp.maximum(-w, 0)
    assert float(up @ vp - up @ vn - (un @ vp - un @ vn)) == pytest.approx(float(x @ w))


def test_scales_are_the_largest_magnitudes():
    x = jnp.array([[1.0, -3.0, 2.0], [0.0, 0.0, 0.0]])
    # A token of zeros keeps a scale that can be divided by.
    np.testing.assert_array_equal(_encoding().activation_scales(x), [[3.0], [1.0]])
    np.testing.assert_array_equal(_encoding().weight_scales(x), [[1.0, 3.0, 2.0]])
    assert float(_encoding().static_activation_scale(x)) == 3.0


def test_percentiles_clip_outliers():
    x = jnp.arange(1.0, 101.0)[None]
    scale = _encoding(activation_percentile=90.0).activation_scales(x)
    np.testing.assert_allclose(scale, np.percentile(np.arange(1.0, 101.0), 90.0), rtol=1e-6)
    column = _encoding(weight_percentile=50.0).weight_scales(x.T)
    np.testing.assert_allclose(column, [[50.5]], rtol=1e-6)
    static = _encoding(activation_percentile=99.0).static_activation_scale(x)
    np.testing.assert_allclose(static, np.percentile(np.arange(1.0, 101.0), 99.0), rtol=1e-6)


def test_a_static_scale_is_one_number_for_all_tokens():
    sample = jax.random.normal(jax.random.key(0), (3, 5, 7))
    scale = _encoding(activation_scale="static").static_activation_scale(sample)
    assert scale.shape == () and float(scale) == float(jnp.abs(sample).max())


@pytest.mark.parametrize("rotate", [False, True])
def test_rotation_keeps_products_and_is_charged(rotate):
    encoding = _encoding(rotate=rotate)
    x, w = jax.random.normal(jax.random.key(1), (4, 12)), jax.random.normal(jax.random.key(2), (12, 3))
    turned_x, turned_w = encoding.rotate_activations(x), encoding.rotate_weights(w)
    np.testing.assert_allclose(turned_x @ turned_w, x @ w, atol=1e-5)
    assert bool(jnp.all(turned_x == x)) is not rotate
    assert encoding.rotation_additions(12) == (8 * 3 + 4 * 2 if rotate else 0)
