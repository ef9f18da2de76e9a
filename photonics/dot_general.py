"""Contractions of activations with weights, shaped as `jax.lax.dot_general` or einsum, as one matrix product."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

DimensionNumbers = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]
Product = Callable[[Array, Array], Array]


def contract(product: Product, lhs: Array, rhs: Array, dimension_numbers: Any) -> Array:
    """`lax.dot_general(lhs, rhs, dimension_numbers)` through a matrix product: activations left, weights right.

    `product(x, w)` receives x (free axes of lhs..., k) and w (k, n) and returns (free axes of lhs..., n). Batch axes
    are refused with a ValueError: a weight product has none.
    """
    (lhs_contract, rhs_contract), (lhs_batch, rhs_batch) = dimension_numbers
    if lhs_batch or rhs_batch:
        raise ValueError(
            f"an optical product of shapes {lhs.shape} and {rhs.shape} has batch axes {tuple(lhs_batch)}: one panel "
            "holds one matrix; leave this layer digital with a rule (pattern, None)"
        )
    x, w = as_matrix_product(lhs, rhs, lhs_contract, rhs_contract)
    free = [size for axis, size in enumerate(rhs.shape) if axis not in _positive(rhs_contract, rhs.ndim)]
    return product(x, w).reshape((*x.shape[:-1], *free))


def as_matrix_product(
    lhs: Array, rhs: Array, lhs_contract: Sequence[int], rhs_contract: Sequence[int]
) -> tuple[Array, Array]:
    """Operands as x (free..., k) and w (k, n), contracted axes flattened in the order given."""
    left, right = _positive(lhs_contract, lhs.ndim), _positive(rhs_contract, rhs.ndim)
    lhs_free = [axis for axis in range(lhs.ndim) if axis not in left]
    rhs_free = [axis for axis in range(rhs.ndim) if axis not in right]
    k = math.prod(lhs.shape[axis] for axis in left)
    x = lhs.transpose(*lhs_free, *left).reshape(*(lhs.shape[axis] for axis in lhs_free), k)
    return x, rhs.transpose(*right, *rhs_free).reshape(k, -1)


def einsum(dot_general: Callable[..., Array], equation: str, lhs: Array, rhs: Array) -> Array:
    """An explicit two-operand einsum without batch axes, e.g. "btd,dhk->bthk", through a dot_general."""
    parts = equation.replace(" ", "").replace("->", ",").split(",")
    left, right, output = parts if len(parts) == 3 else ("", "", "?")
    shared = [letter for letter in left if letter in right]
    kept = [letter for letter in left + right if letter not in shared]
    once = len(set(left)) == len(left) and len(set(right)) == len(right)
    if "." in equation or sorted(output) != sorted(kept) or not once:
        raise ValueError(
            f"einsum {equation!r} is not a plain product of activations and weights: every letter must be contracted "
            "between the two or kept; leave this layer digital with a rule (pattern, None)"
        )
    numbers = (([left.index(c) for c in shared], [right.index(c) for c in shared]), ((), ()))
    return dot_general(lhs, rhs, numbers).transpose(*(kept.index(letter) for letter in output))


def exact(x: Array, w: Array) -> Array:
    """The digital product of x (..., k) and w (k, n)."""
    return jnp.matmul(x, w, precision=jax.lax.Precision.DEFAULT)


def _positive(axes: Sequence[int], ndim: int) -> list[int]:
    return [axis % ndim for axis in axes]
