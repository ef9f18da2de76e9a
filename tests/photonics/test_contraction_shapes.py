"""Shapes of products against the arithmetic of XLA itself and against loops over groups."""

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonics.contraction_shapes import SHAPES, ProductShape


def _shape(*dims: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(dims, jnp.float32)


def _shapes(fn, *args) -> list[ProductShape]:
    """The product shapes of all contraction equations of fn at the top level or in one jit."""
    jaxpr = jax.make_jaxpr(fn)(*args).jaxpr
    eqns = [inner for eqn in jaxpr.eqns for inner in (eqn.params["jaxpr"].eqns if "jaxpr" in eqn.params else [eqn])]
    return [shape for eqn in eqns if eqn.primitive.name in SHAPES for shape in SHAPES[eqn.primitive.name](eqn)]


def _macs(shapes: list[ProductShape]) -> int:
    return sum(shape.batch * shape.rows * shape.k * shape.columns for shape in shapes)


def test_dot_general_multiplies_dimensions_of_a_kind():
    def several(x, w):  # x (batch 2, rows 3, k 5, k 7), w (7, columns 11, 5, batch 2)
        return jax.lax.dot_general(x, w, (((2, 3), (2, 0)), ((0,), (3,))))

    assert _shapes(several, _shape(2, 3, 5, 7), _shape(7, 11, 5, 2)) == [ProductShape(2, 3, 35, 11)]


def test_outer_and_inner_products():
    assert _shapes(lambda x, y: jnp.tensordot(x, y, 0), _shape(3), _shape(4)) == [ProductShape(1, 3, 1, 4)]
    assert _shapes(jnp.vdot, _shape(6), _shape(6)) == [ProductShape(1, 1, 6, 1)]
    assert _macs(_shapes(jnp.matmul, _shape(0, 4), _shape(4, 5))) == 0


# XLA counts 2 operations per MAC; it drops taps on padding, so that only padding-free windows agree.
@settings(max_examples=8, deadline=None)
@given(groups=st.sampled_from([1, 2, 3]), stride=st.sampled_from([1, 2]), dilation=st.sampled_from([1, 2]))
def test_convolution_agrees_with_xla(groups, stride, dilation):
    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, 1), "VALID", rhs_dilation=(dilation, 1), feature_group_count=groups
        )

    args = _shape(2, 2 * groups, 9, 8), _shape(4 * groups, 2, 3, 2)
    (shape,) = _shapes(convolve, *args)
    assert (shape.batch, shape.k, shape.columns) == (groups, 12, 4)
    analysis = jax.jit(convolve).lower(*args).cost_analysis()
    assert analysis is not None
    assert 2 * _macs([shape]) == analysis["flops"]


def test_convolution_dimension_numbers_are_read():
    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    assert _shapes(convolve, _shape(2, 6, 7, 3), _shape(3, 3, 3, 10)) == [ProductShape(1, 2 * 6 * 7, 27, 10)]


def test_gradient_of_a_grouped_convolution_by_its_kernel():
    def loss(kernel, x):
        return jnp.sum(jax.lax.conv_general_dilated(x, kernel, (1,), "VALID", feature_group_count=2) ** 2)

    kernel, x = _shape(6, 2, 3), _shape(5, 4, 8)
    forward, backward = _shapes(jax.grad(loss), kernel, x)
    assert _macs([forward]) == _macs([backward]) == 5 * 6 * 6 * 2 * 3


@pytest.mark.parametrize("rows", [0, 2, 4, 11])
def test_ragged_rows_are_spread_over_the_groups(rows):
    args = _shape(rows, 5), _shape(4, 5, 7), jax.ShapeDtypeStruct((4,), jnp.int32)
    shapes = _shapes(jax.lax.ragged_dot, *args)
    assert _macs(shapes) == rows * 5 * 7
    assert sum(shape.batch for shape in shapes) == 4
    assert sum(shape.batch * shape.rows for shape in shapes) == rows


def test_ragged_gradients():
    def loss(x, w, sizes):
        return jnp.sum(jax.lax.ragged_dot(x, w, sizes) ** 2)

    args = _shape(11, 5), _shape(4, 5, 7), jax.ShapeDtypeStruct((4,), jnp.int32)
    shapes = _shapes(jax.grad(loss, (0, 1)), *args)
    assert _macs(shapes) == 3 * 11 * 5 * 7
    # By the weights the ragged dimension is summed: groups of 2 or 3 terms.
    assert {shape.k for shape in shapes if shape.rows == 5} == {2, 3}


def test_ragged_batch_is_refused():
    numbers = jax.lax.RaggedDotDimensionNumbers(
        dot_dimension_numbers=(((2,), (1,)), ((0,), (0,))), lhs_ragged_dimensions=[0], rhs_group_dimensions=[]
    )

    def batched(x, w, sizes):
        return jax.lax.ragged_dot_general(x, w, sizes, numbers)

    with pytest.raises(ValueError, match="ragged batch dimension 0"):
        _shapes(batched, _shape(6, 3, 5), _shape(6, 5, 7), jax.ShapeDtypeStruct((2,), jnp.int32))
