"""The block-Hadamard rotation: orthogonal for any length, flattening, and what it costs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.rotation import blocks, rotate, rotate_weights, rotation_additions

_rotated = jax.jit(rotate)
_LENGTHS = [1, 2, 3, 5, 8, 12, 31, 64, 96, 127, 576]


@pytest.mark.parametrize("k", _LENGTHS)
def test_orthogonal(k):
    matrix = np.asarray(_rotated(jnp.eye(k)), np.float64)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(k), atol=3e-6)
    # Every entry of a block of length b is +-1/sqrt(b).
    start = 0
    for block in blocks(k):
        part = matrix[start : start + block, start : start + block]
        np.testing.assert_allclose(np.abs(part), 1 / np.sqrt(block), rtol=1e-5)
        matrix[start : start + block, start : start + block] = 0
        start += block
    assert np.all(matrix == 0)


@pytest.mark.parametrize("k", [0, *_LENGTHS])
def test_blocks_cover_the_length(k):
    assert sum(blocks(k)) == k
    assert all(block & (block - 1) == 0 for block in blocks(k))
    assert list(blocks(k)) == sorted(blocks(k), reverse=True)


def test_products_are_kept():
    x, w = jax.random.normal(jax.random.key(0), (4, 7, 45)), jax.random.normal(jax.random.key(1), (45, 6))
    np.testing.assert_allclose(_rotated(x) @ _rotated(w.T).T, x @ w, atol=2e-5)


@pytest.mark.parametrize("k", _LENGTHS)
def test_weights_are_rotated_along_their_first_axis(k):
    w = jax.random.normal(jax.random.key(1), (k, 6))
    np.testing.assert_allclose(rotate_weights(w), _rotated(w.T).T, atol=3e-6 * np.abs(w).max())


def test_the_gradient_of_a_rotation_is_the_rotation_back():
    x, cotangent = jax.random.normal(jax.random.key(0), (2, 5, 45))
    for turned in (rotate, lambda x: rotate_weights(x.T).T):
        gradient = jax.grad(lambda x, turned=turned: jnp.sum(turned(x) * cotangent))(x)
        np.testing.assert_allclose(rotate(gradient), cotangent, atol=1e-5)


def test_one_outlier_is_spread_over_its_block():
    spread = np.abs(np.asarray(_rotated(jnp.zeros(64).at[17].set(8.0))))
    np.testing.assert_allclose(spread, 1.0, rtol=1e-5)


def test_signs_belong_to_the_length_alone():
    x = jnp.ones((2, 3, 20), jnp.float32)
    np.testing.assert_allclose(_rotated(x)[0, 0], _rotated(x[:1, :1])[0, 0], atol=1e-6)
    # Equal signs everywhere would map a constant vector to a single value.
    assert np.count_nonzero(np.asarray(_rotated(jnp.ones(16)))) > 1


def test_type_is_kept():
    assert rotate(jnp.ones(12, jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize(("k", "additions"), [(1, 0), (2, 2), (3, 2), (8, 24), (576, 512 * 9 + 64 * 6)])
def test_additions_of_the_fast_transform(k, additions):
    assert rotation_additions(k) == additions
