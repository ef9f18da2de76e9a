"""The plain matrix products that a contraction primitive amounts to, read from the shapes of its equation."""

import math
from collections.abc import Callable, Collection
from typing import NamedTuple

from jax.extend.core import JaxprEqn


class ProductShape(NamedTuple):
    """`batch` products of a (rows, k) by a (k, columns) matrix; rows belong to the left operand."""

    batch: int
    rows: int
    k: int
    columns: int


def dot_general_shapes(eqn: JaxprEqn) -> list[ProductShape]:
    """`dot_general`: free dimensions of either side multiply to one, so do contracting and batch dimensions."""
    lhs, rhs = (v.aval.shape for v in eqn.invars)  # pyright: ignore[reportAttributeAccessIssue]
    (lhs_k, rhs_k), (lhs_batch, rhs_batch) = eqn.params["dimension_numbers"]
    return [
        ProductShape(
            batch=_product(lhs, lhs_batch),
            rows=_product_of_others(lhs, (*lhs_k, *lhs_batch)),
            k=_product(lhs, lhs_k),
            columns=_product_of_others(rhs, (*rhs_k, *rhs_batch)),
        )
    ]


def convolution_shapes(eqn: JaxprEqn) -> list[ProductShape]:
    """`conv_general_dilated` as the product of image patches (im2col) by the kernel.

        rows = images x output positions      k = input channels of a group x kernel taps
        columns = output channels of a group  batch = groups

    Taps that fall on padding or on zeros inserted by dilation count, as they do for hardware that forms patches.
    """
    kernel = eqn.invars[1].aval.shape  # pyright: ignore[reportAttributeAccessIssue]
    out = eqn.outvars[0].aval.shape  # pyright: ignore[reportAttributeAccessIssue]
    _, kernel_spec, out_spec = eqn.params["dimension_numbers"]
    # Grouping splits the output channels, by channel or (in gradients of grouped convolutions) by image.
    groups = eqn.params["feature_group_count"] * eqn.params["batch_group_count"]
    channels = out[out_spec[1]]
    return [
        ProductShape(
            batch=groups,
            rows=_product_of_others(out, (out_spec[1],)),
            k=_product_of_others(kernel, (kernel_spec[0],)),
            columns=channels // groups,
        )
    ]


def ragged_dot_shapes(eqn: JaxprEqn) -> list[ProductShape]:
    """`ragged_dot_general`: each row (or each term of the sum) belongs to one of G groups with a matrix of its own.

    How many rows each group gets is data. The total is exact whatever they are; the rows are spread evenly, so that
    up to two sizes of product appear.

    Raises:
        ValueError: the ragged dimension is a batch dimension.
    """
    lhs, rhs, group_sizes = (v.aval.shape for v in eqn.invars[:3])  # pyright: ignore[reportAttributeAccessIssue]
    numbers = eqn.params["ragged_dot_dimension_numbers"]
    (lhs_k, rhs_k), (lhs_batch, rhs_batch) = numbers.dot_dimension_numbers
    (ragged,) = numbers.lhs_ragged_dimensions
    if ragged in lhs_batch:
        raise ValueError(
            f"ragged_dot_general with ragged batch dimension {ragged} of {lhs} cannot be counted; "
            "only a ragged free or contracting dimension can"
        )
    whole = ProductShape(
        batch=_product(lhs, lhs_batch),
        rows=_product_of_others(lhs, (*lhs_k, *lhs_batch, ragged)),
        k=_product(lhs, [dim for dim in lhs_k if dim != ragged]),
        columns=_product_of_others(rhs, (*rhs_k, *rhs_batch, *numbers.rhs_group_dimensions)),
    )
    groups = group_sizes[-1]
    if groups == 0:
        return []
    size, left_over = divmod(lhs[ragged], groups)
    shapes = []
    for share, members in ((size + 1, left_over), (size, groups - left_over)):
        if members == 0:
            continue
        batch = whole.batch * members
        if ragged in lhs_k:
            shapes.append(whole._replace(batch=batch, k=whole.k * share))
        else:
            shapes.append(whole._replace(batch=batch, rows=whole.rows * share))
    return shapes


SHAPES: dict[str, Callable[[JaxprEqn], list[ProductShape]]] = {
    "dot_general": dot_general_shapes,
    "conv_general_dilated": convolution_shapes,
    "ragged_dot_general": ragged_dot_shapes,
}
"""By name of the primitive: how its products are read from an equation."""


def _product(shape: tuple[int, ...], dims: Collection[int]) -> int:
    return math.prod(shape[dim] for dim in dims)


def _product_of_others(shape: tuple[int, ...], dims: Collection[int]) -> int:
    return math.prod(size for dim, size in enumerate(shape) if dim not in dims)
