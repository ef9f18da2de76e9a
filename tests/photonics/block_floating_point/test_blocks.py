"""Block scales: bfloat16, never below the largest value, with the gradient of the maximum."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from photonics.block_floating_point.blocks import block_scale


@given(st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=8))
def test_nothing_exceeds_its_scale_which_is_a_bfloat16(values):
    x = jnp.asarray(values, jnp.float32)
    # Numbers below the normal range are flushed to zero on the way.
    x = jnp.where(jnp.abs(x) < 1e-30, 0.0, x)
    scale = np.asarray(block_scale(x, 0))
    largest = float(jnp.abs(x).max())
    assert scale.shape == (1,)
    assert largest <= scale[0] <= largest * (1 + 2**-7) or (largest == 0 and scale[0] == 1)
    assert float(jnp.asarray(scale[0]).astype(jnp.bfloat16)) == scale[0]


def test_every_vector_has_its_own():
    x = jnp.asarray([[[1.0, -3.0], [0.5, 0.25]], [[0.0, 0.0], [100.0, 1.0]]])
    np.testing.assert_array_equal(block_scale(x, -1)[..., 0], [[3.0, 0.5], [1.0, 100.0]])
    np.testing.assert_array_equal(block_scale(x, 1)[:, 0], [[1.0, 3.0], [100.0, 1.0]])


def test_the_gradient_is_that_of_the_maximum():
    slope = jax.grad(lambda x: block_scale(x, 0)[0])(jnp.asarray([1.0, -3.3, 2.0]))
    np.testing.assert_array_equal(slope, [0.0, -1.0, 0.0])
    assert not np.any(jax.grad(lambda x: block_scale(x, 0)[0])(jnp.zeros(3)))
