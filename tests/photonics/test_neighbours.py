"""Matrices of neighbours: their shape, and inverses that are exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.neighbours import inverse_of_neighbours, neighbours

_both = jax.jit(
    lambda own, share, width: (neighbours(own, share, width), inverse_of_neighbours(own, share, width)),
    static_argnums=2,
)


def test_a_channel_sees_itself_and_the_two_beside_it():
    expected = [[0.8, 0.1, 0.0, 0.0], [0.1, 0.8, 0.1, 0.0], [0.0, 0.1, 0.8, 0.1], [0.0, 0.0, 0.1, 0.8]]
    np.testing.assert_allclose(neighbours(0.8, 0.1, 4), expected, rtol=1e-6)


# Pairs as optics and readout make them: (1 - 2 c, c), (1, c), and a negative share.
@pytest.mark.parametrize("width", [1, 2, 3, 16, 65])
@pytest.mark.parametrize(("own", "share"), [(1.0, 0.0), (0.96, 0.02), (0.6, 0.2), (1.0, 0.4), (1.0, -0.3), (30.0, 7.0)])
def test_the_inverse_is_one_at_the_precision_of_the_machine(own, share, width):
    matrix, inverse = (np.asarray(value, np.float64) for value in _both(own, share, width))
    # Entries are right to some units of 2^-24 of the largest, 1 / (own - 2 |share|) times the largest singular value.
    condition = (own + 2 * abs(share)) / (own - 2 * abs(share))
    np.testing.assert_allclose(matrix @ inverse, np.eye(width), atol=8 * 2.0**-24 * condition)
    np.testing.assert_allclose(inverse, inverse.T, atol=1e-6 * np.abs(inverse).max())


def test_in_double_precision_it_is_exact_to_rounding():
    with jax.enable_x64(True):
        matrix, inverse = (np.asarray(value) for value in _both(1.0, 0.4, 33))
    assert matrix.dtype == np.float64
    np.testing.assert_allclose(matrix @ inverse, np.eye(33), atol=1e-14)


def test_the_inverse_has_the_derivative_of_an_inverse():
    # d M^-1 = -M^-1 dM M^-1
    own, share, width = 0.9, 0.1, 5
    slope = jax.jacfwd(lambda c: inverse_of_neighbours(own, c, width))(share)
    inverse = np.linalg.inv(np.asarray(neighbours(own, share, width), np.float64))
    beside = np.asarray(neighbours(0.0, 1.0, width), np.float64)
    np.testing.assert_allclose(slope, -inverse @ beside @ inverse, atol=1e-5)
    # And a finite one where the share vanishes.
    assert bool(jnp.all(jnp.isfinite(jax.jacfwd(lambda c: inverse_of_neighbours(own, c, width))(0.0))))
