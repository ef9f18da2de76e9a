"""Contractions of any shape as one matrix product, against what JAX itself computes."""

import math
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonics.dot_general import as_matrix_product, contract, einsum, exact


def normal(shape: tuple[int, ...], seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng([seed, *shape]).standard_normal(shape), jnp.float32)


@st.composite
def contractions(draw):
    """Shapes of both operands and the axes contracted between them, in any order and sign."""
    shared = draw(st.lists(st.integers(1, 4), min_size=0, max_size=3))
    sides = []
    for _ in range(2):
        free = draw(st.lists(st.integers(1, 3), max_size=2))
        sizes = [("free", size) for size in free] + list(enumerate(shared))
        order = draw(st.permutations(sizes))
        axes = [order.index((number, size)) for number, size in enumerate(shared)]
        if draw(st.booleans()):
            axes = [axis - len(order) for axis in axes]
        sides.append((tuple(size for _, size in order), tuple(axes)))
    return sides


@given(contractions())
def test_any_contraction_equals_that_of_numpy(sides):
    # numpy arrays, because every new shape would be compiled; the code asks for nothing but transpose and reshape.
    (left, left_axes), (right, right_axes) = sides
    lhs, rhs = (cast(jax.Array, np.asarray(normal(shape, seed))) for seed, shape in enumerate((left, right)))
    shapes = []

    def product(x, w):
        shapes.append((x.shape, w.shape))
        return x @ w

    y = contract(product, lhs, rhs, ((left_axes, right_axes), ((), ())))
    expected = np.tensordot(lhs, rhs, axes=(left_axes, right_axes))
    assert y.shape == expected.shape
    # float32 sums of at most 64 products of order one
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    ((x_shape, w_shape),) = shapes
    contracted = [axis % len(left) for axis in left_axes]
    assert x_shape[-1] == w_shape[0] == math.prod(left[axis] for axis in contracted) and len(w_shape) == 2
    assert x_shape[:-1] == tuple(size for axis, size in enumerate(left) if axis not in contracted)


def test_a_contraction_inside_a_compiled_function_equals_that_of_jax():
    lhs, rhs, numbers = normal((2, 3, 4)), normal((4, 5, 3)), (((1, 2), (2, 0)), ((), ()))
    y = jax.jit(lambda lhs, rhs: contract(exact, lhs, rhs, numbers))(lhs, rhs)
    np.testing.assert_allclose(y, jax.lax.dot_general(lhs, rhs, numbers), rtol=1e-5, atol=1e-5)


def test_the_axes_are_flattened_in_the_order_given():
    lhs, rhs = normal((2, 3, 4)), normal((4, 3, 5))
    x, w = as_matrix_product(lhs, rhs, (2, 1), (0, 1))
    np.testing.assert_array_equal(x, lhs.transpose(0, 2, 1).reshape(2, 12))
    np.testing.assert_array_equal(w, rhs.reshape(12, 5))
    # Another order of the same axes is another product.
    assert jnp.max(jnp.abs(x - as_matrix_product(lhs, rhs, (1, 2), (1, 0))[0])) > 0.1


def test_batch_axes_are_refused():
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 3, 4\) has batch axes \(0,\).*\(pattern, None\)"):
        contract(exact, normal((2, 3)), normal((2, 3, 4)), (((1,), (1,)), ((0,), (0,))))


EQUATIONS = [
    ("btd,dhk->bthk", (2, 3, 4), (4, 5, 2)),
    ("btd,hkd->bthk", (2, 3, 4), (5, 2, 4)),
    ("btd,dhk->hkbt", (2, 3, 4), (4, 5, 2)),
    ("bthk,khd->btd", (2, 3, 4, 5), (5, 4, 6)),
    ("bthk,hkd->dtb", (2, 3, 4, 5), (4, 5, 6)),
    (" b d , d k -> b k ", (2, 3), (3, 4)),
    ("d,dk->k", (3,), (3, 4)),
    ("b,k->kb", (3,), (4,)),
]


@pytest.mark.parametrize(("equation", "left", "right"), EQUATIONS)
def test_an_einsum_equals_that_of_jax(equation, left, right):
    lhs, rhs = normal(left, 1), normal(right, 2)
    y = einsum(lambda a, b, numbers: contract(exact, a, b, numbers), equation, lhs, rhs)
    expected = jnp.einsum(equation, lhs, rhs)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "equation",
    [
        "bd,bdk->bk",  # a batch axis
        "bd,dk->b",  # a sum over weights alone
        "bds,dk->bk",  # a sum over activations alone
        "bb,bk->bk",  # a diagonal
        "bd,dkk->bk",
        "bd,dk->bkk",
        "...d,dk->...k",
        "bd,dk",  # no output
        "bd->b",  # one operand
    ],
)
def test_an_einsum_that_is_no_product_is_refused(equation):
    with pytest.raises(ValueError, match=r"is not a plain product of activations and weights.*\(pattern, None\)"):
        einsum(jax.lax.dot_general, equation, normal((2, 2)), normal((2, 2, 2)))


def test_the_digital_product():
    x, w = normal((2, 3, 4)), normal((4, 5))
    np.testing.assert_allclose(exact(x, w), np.asarray(x, np.float64) @ np.asarray(w, np.float64), rtol=1e-5, atol=1e-6)
