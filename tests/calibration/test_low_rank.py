"""Adapters: nothing at first, then the sum of two thin matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calibration.low_rank import begin, formed

SHAPES = {"a": (3, 8, 5), "b": (6, 7)}


def test_adapters_change_nothing_at_first():
    adapters = begin(jax.random.key(0), SHAPES, 2)
    for name, shape in SHAPES.items():
        weight = jax.random.normal(jax.random.key(1), shape)
        assert np.array_equal(formed(weight, adapters[name], 4.0), weight)
        assert float(jnp.max(jnp.abs(adapters[name]["a"]))) > 0.0


def test_what_is_formed_is_the_sum_by_hand():
    rng = np.random.default_rng(0)
    weight, a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((8, 5), (8, 2), (2, 5)))
    found = formed(jnp.asarray(weight), {"a": jnp.asarray(a), "b": jnp.asarray(b)}, 3.0)
    np.testing.assert_allclose(found, weight + 1.5 * a @ b, rtol=1e-5, atol=1e-5)


def test_names_have_draws_of_their_own_whatever_else_is_adapted():
    twice = begin(jax.random.key(0), {"a": (8, 5), "b": (8, 5)}, 2)
    assert not np.array_equal(twice["a"]["a"], twice["b"]["a"])


@pytest.mark.parametrize("rank", [0, 6])
def test_a_rank_that_is_not_low_is_refused(rank):
    with pytest.raises(ValueError, match=rf"rank {rank} does not suit a of shape \(8, 5\): take 1 to 5"):
        begin(jax.random.key(0), SHAPES, rank)
