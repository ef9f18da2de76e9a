"""The two named surrogates: straight-through rounding and Gaussian counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.gradients import gaussian_counts, largest_magnitude, standard_deviation, straight_through


def test_straight_through_has_the_value_of_one_and_the_gradient_of_the_other():
    exact = jnp.array([0.2, 0.6, -1.4])
    weights = jnp.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(straight_through(exact, jnp.round(exact)), [0.0, 1.0, -1.0], atol=1e-7)
    by_exact, by_rounded = jax.grad(lambda a, b: jnp.sum(weights * straight_through(a, b)), argnums=(0, 1))(
        exact, jnp.round(exact)
    )
    np.testing.assert_array_equal(by_exact, weights)
    np.testing.assert_array_equal(by_rounded, 0.0)


def test_rounding_itself_has_no_gradient():
    # Otherwise the test above could not tell.
    assert jax.grad(lambda a: jnp.sum(jnp.round(a)))(jnp.array([0.2, 0.6])).tolist() == [0.0, 0.0]


def test_counts_are_mean_plus_deviation_times_draw():
    mean, variance, normal = jnp.array([10.0, 20.0]), jnp.array([4.0, 9.0]), jnp.array([1.0, -2.0])
    np.testing.assert_allclose(gaussian_counts(mean, variance, normal), [12.0, 14.0], rtol=1e-6)
    by_mean, by_variance = jax.grad(lambda m, v: jnp.sum(gaussian_counts(m, v, normal)), argnums=(0, 1))(mean, variance)
    np.testing.assert_allclose(by_mean, 1.0)
    # d sqrt(v) n / dv = n / (2 sqrt(v))
    np.testing.assert_allclose(by_variance, [1 / 4, -2 / 6], rtol=1e-6)


def test_counts_have_a_second_derivative():
    variance, normal = jnp.array([4.0, 9.0]), jnp.array([1.0, -2.0])

    def slope(variance):
        return jnp.sum(jax.grad(lambda v: jnp.sum(gaussian_counts(jnp.ones(2), v, normal)))(variance))

    # d^2 sqrt(v) n / dv^2 = -n / (4 v^(3/2))
    np.testing.assert_allclose(jax.grad(slope)(variance), [-1 / 32, 2 / 108], rtol=1e-5)


def test_counts_in_a_loop_have_a_second_derivative():
    # Of (sqrt(p v_1) n_1 + sqrt(p v_2) n_2)^2, variances v sliced by the loop: first for v, then for p.
    lights, normals = jnp.array([2.0, 3.0]), jnp.array([1.0, -2.0])

    def loss(p, lights):
        def step(total, own):
            return gaussian_counts(total, p * own[0], own[1]), None

        return jnp.square(jax.lax.scan(step, jnp.zeros(()), (lights, normals))[0])

    mixed = jax.grad(lambda p: jnp.sum(jax.grad(loss, argnums=1)(p, lights)))(5.0)
    # The square is p (n_1 sqrt(v_1) + n_2 sqrt(v_2))^2.
    roots = np.sqrt(np.asarray(lights))
    assert float(mixed) == pytest.approx(float(jnp.sum(normals * roots) * jnp.sum(normals / roots)), rel=1e-5)


@pytest.mark.parametrize("variance", [0.0, jnp.zeros(3), -1e-9])
def test_without_variance_there_is_no_noise_and_no_gradient(variance):
    normal = jnp.array([1.0, -2.0, 0.5])
    counts, gradient = jax.value_and_grad(lambda v: jnp.sum(gaussian_counts(jnp.ones(3), v, normal)))(variance)
    assert float(counts) == 3.0
    np.testing.assert_array_equal(gradient, 0.0)


def test_a_deviation_broadcasts_and_is_the_root():
    np.testing.assert_allclose(standard_deviation(jnp.array([[4.0], [0.0], [2.25]])), [[2.0], [0.0], [1.5]])
    # A light of two passes, dark in both, as an idle source without floor.
    assert jax.grad(lambda a: standard_deviation(jnp.square(a)))(0.0) == 0.0


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_the_gradient_of_the_largest_magnitude_goes_to_the_largest(axis):
    value = jnp.array([[0.5, -3.0, 2.0], [1.0, 2.5, -2.0]])
    size = np.moveaxis(np.asarray(value), axis, 0)
    cotangent = jax.random.normal(jax.random.key(0), (1, 3) if axis == 0 else (2, 1))
    np.testing.assert_array_equal(np.squeeze(largest_magnitude(value, axis), axis), np.abs(size).max(axis=0))
    ours, theirs = (
        jax.grad(lambda v, f=f: jnp.sum(f(v) * cotangent))(value)
        for f in (lambda v: largest_magnitude(v, axis), lambda v: jnp.max(jnp.abs(v), axis=axis, keepdims=True))
    )
    # Columns 0 and 1 have one largest entry, column 2 has two, which share.
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_the_largest_magnitude_survives_another_rounding_and_nothing_at_all():
    # An entry one step of float32 below the largest is as large as it, as far as a backward pass can tell.
    near = jnp.array([[1.0, np.nextafter(np.float32(1.0), np.float32(0.0)), 0.5]])
    np.testing.assert_array_equal(jax.grad(lambda v: largest_magnitude(v, 1)[0, 0])(near), [[0.5, 0.5, 0.0]])
    np.testing.assert_array_equal(
        jax.grad(lambda v: largest_magnitude(v, 1)[0, 0])(jnp.zeros((1, 3))), np.zeros((1, 3))
    )
