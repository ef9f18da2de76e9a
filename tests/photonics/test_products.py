"""The three products of the fast path: what is exact, what is rounded, and their gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.products import bits_of, exact_product, float32_product, light_product

_X = jax.random.normal(jax.random.key(1), (64, 33))
_W = jax.random.normal(jax.random.key(2), (33, 12))
_KEY = jax.random.key(3)


def test_integer_codes_multiply_exactly():
    random = np.random.default_rng(0)
    codes, weights = random.integers(-127, 128, (7, 1024)), random.integers(-127, 128, (1024, 5))
    codes[0], weights[:, 0] = 127, 127  # the largest sum that there can be: 1024 * 127^2 < 2^24
    y = exact_product(jnp.asarray(codes, jnp.float32), jnp.asarray(weights, jnp.bfloat16))
    np.testing.assert_array_equal(np.asarray(y, np.int64), codes @ weights)


def test_gradient_of_the_exact_product_is_that_of_a_product():
    codes, weights = jnp.round(10 * _X), jnp.round(10 * _W).astype(jnp.bfloat16)
    cotangent = jax.random.normal(_KEY, (64, 12))
    by_codes, by_weights = jax.grad(lambda a, b: jnp.sum(exact_product(a, b) * cotangent), argnums=(0, 1))(
        codes, weights
    )
    np.testing.assert_allclose(by_codes, cotangent @ weights.astype(jnp.float32).T, rtol=1e-5, atol=1e-4)
    # The cotangent of bfloat16 weights is bfloat16: half a unit of its eighth bit.
    np.testing.assert_allclose(by_weights.astype(jnp.float32), codes.T @ cotangent, rtol=2**-8, atol=1e-4)


@pytest.mark.parametrize("product", [exact_product, light_product])
def test_bits_stand_for_the_weights_and_take_no_gradient_away(product):
    codes, weights = jnp.round(10 * _X), jnp.round(10 * _W).astype(jnp.bfloat16)
    plain = jax.value_and_grad(lambda a, b: jnp.sum(product(a, b)), argnums=(0, 1))(codes, weights)
    by_bits = jax.value_and_grad(lambda a, b: jnp.sum(product(a, b, bits_of(b))), argnums=(0, 1))(codes, weights)
    jax.tree.map(np.testing.assert_array_equal, plain, by_bits)
    assert bits_of(_W) is None


@pytest.mark.parametrize("k", [33, 128, 384])
def test_gradients_of_the_float32_product_are_those_of_a_product(k):
    a, b = jax.random.normal(_KEY, (16, k)), jax.random.normal(jax.random.key(4), (k, 12))
    cotangent = jax.random.normal(jax.random.key(5), (16, 12))
    y, back = jax.vjp(float32_product, a, b)
    y_true, back_true = jax.vjp(jnp.matmul, a, b)
    np.testing.assert_array_equal(y, y_true)
    for ours, theirs in zip(back(cotangent), back_true(cotangent), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_light_and_its_gradients_are_right_to_bfloat16():
    light = jnp.abs(jax.random.normal(_KEY, (16, 256)))
    panel = jnp.abs(jax.random.normal(jax.random.key(4), (256, 12))).astype(jnp.bfloat16)
    cotangent = jax.random.normal(jax.random.key(5), (16, 12))
    y, back = jax.vjp(light_product, light, panel)
    wide = panel.astype(jnp.float32)
    # One rounding of every factor by half of 2^-8 at most; sums of products of one sign keep that.
    np.testing.assert_allclose(y, light @ wide, rtol=2**-8)
    by_light, by_panel = back(cotangent)
    scale = jnp.abs(cotangent) @ wide.T
    assert np.max(np.abs(by_light - cotangent @ wide.T) / scale) < 2**-8
    # Light and cotangent are rounded, and so is the result.
    scale = light.T @ jnp.abs(cotangent)
    assert np.max(np.abs(by_panel.astype(jnp.float32) - light.T @ cotangent) / scale) < 3 * 2**-8


@pytest.mark.parametrize("by_bits", [False, True])
@pytest.mark.parametrize("other", [0, 1], ids=["light", "panel"])
def test_light_has_second_derivatives(other, by_bits):
    # Of the deviation of the light: first for the light along a direction, then for either operand.
    light = jnp.abs(jax.random.normal(_KEY, (8, 32))) + 0.1
    panel = jnp.abs(jax.random.normal(jax.random.key(4), (32, 6))).astype(jnp.bfloat16)
    normal, along = jax.random.normal(jax.random.key(5), (8, 6)), jax.random.normal(jax.random.key(6), light.shape)

    def second(product):
        def noise(light, panel):
            return jnp.sum(normal * jnp.sqrt(product(light, panel)))

        def slope(light, panel):
            return jnp.vdot(jax.grad(noise)(light, panel), along)

        return jax.grad(slope, argnums=other)(light, panel).astype(jnp.float32)

    ours = second(lambda a, b: light_product(a, b, bits_of(b) if by_bits else None))
    true = second(lambda a, b: a @ b.astype(jnp.float32))
    assert float(jnp.linalg.norm(ours - true)) < 2**-7 * float(jnp.linalg.norm(true))


def test_light_is_rounded_to_the_nearest_not_down():
    # A product that cut the bits off would be low by 2^-9 on average.
    light = jnp.abs(jax.random.normal(_KEY, (64, 1024))) + 0.5
    ratio = np.asarray(light_product(light, jnp.ones((1024, 1), jnp.bfloat16)) / jnp.sum(light, 1, keepdims=True))
    # 65,536 roundings, uniform in +-2^-8 / 2 at most: 3.5e-6 standard deviation of their mean, relative.
    assert abs(np.mean(ratio) - 1) < 5 * 2**-9 / np.sqrt(3 * light.size)
