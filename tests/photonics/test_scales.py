"""Scales: the largest along one or two axes, and never 0."""

import jax.numpy as jnp
import numpy as np

from photonics.scales import above_zero, largest_scale

_X = jnp.asarray([[[1.0, -3.0], [0.5, 0.25]], [[0.0, 0.0], [-100.0, 1.0]]])


def test_the_largest_along_one_axis_or_two():
    np.testing.assert_array_equal(largest_scale(_X, -1)[..., 0], [[3.0, 0.5], [1.0, 100.0]])
    np.testing.assert_array_equal(largest_scale(_X, 2, 0), [[[3.0], [100.0]]])


def test_nothing_is_divided_by_zero():
    np.testing.assert_array_equal(above_zero(jnp.asarray([0.0, 2.0])), [1.0, 2.0])
