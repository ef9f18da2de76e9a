"""Curved responses: they rise from 0 to 1; a table picks the nearest code; slopes are what they should be."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonics.response import looked_up, transfer

# The limits of `photonics.catalogue.check`: |c| <= 1 + s; s <= 1 by the schema.
_CURVES = [(0.0, 0.0), (0.3, 0.0), (-0.5, 0.2), (1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (0.5, -0.5)]


def test_the_curve_by_hand():
    # g(1/4) = 1/4 + 3/16 (c + s / 2)
    assert transfer(0.25, 0.4, -0.2) == pytest.approx(0.25 + 3 / 16 * 0.3)
    assert transfer(0.5, 0.4, -0.2) == pytest.approx(0.6)
    np.testing.assert_array_equal(transfer(np.linspace(0, 1, 5), 0.0, 0.0), np.linspace(0, 1, 5))


def test_the_modulator_of_the_catalogue_is_nearly_a_raised_cosine():
    # Skew -1 makes 3 u^2 - 2 u^3, which stays within 0.011 of (1 - cos(pi u)) / 2.
    u = np.linspace(0.0, 1.0, 201)
    np.testing.assert_allclose(transfer(u, 0.0, -1.0), 3 * u**2 - 2 * u**3, atol=1e-15)
    assert np.abs(transfer(u, 0.0, -1.0) - (1 - np.cos(math.pi * u)) / 2).max() < 0.011


@given(st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_allowed_curves_rise_from_zero_to_one(share, skew):
    curvature = share * (1.0 + skew)
    response = transfer(np.linspace(0.0, 1.0, 101), curvature, skew)
    assert response[0] == 0.0 and response[-1] == 1.0
    assert np.all(np.diff(response) > -1e-12)


def test_what_is_not_allowed_falls_somewhere():
    assert np.any(np.diff(transfer(np.linspace(0.0, 1.0, 101), 1.3, 0.0)) < 0)
    assert np.any(np.diff(transfer(np.linspace(0.0, 1.0, 101), 0.8, -0.5)) < 0)


@pytest.mark.parametrize(("curvature", "skew"), _CURVES)
@pytest.mark.parametrize("levels", [1, 3, 127])
def test_the_table_holds_the_nearest_response(curvature, skew, levels):
    target = np.linspace(0.0, 1.0, 487)
    chosen = np.asarray(looked_up(jnp.asarray(target, jnp.float32), levels, curvature, skew), np.float64)
    responses = transfer(np.arange(levels + 1) / levels, curvature, skew)
    distance = np.abs(target[:, None] - responses)
    # By brute force; where two responses are equally far, float32 may take either.
    np.testing.assert_allclose(np.abs(target - chosen), distance.min(axis=1), atol=1e-6)
    assert np.abs(chosen[:, None] - responses).min(axis=1).max() < 1e-6
    # Half the slope over the levels: the slope is 1 + |c| + max(s, -s / 2) at most.
    steepest = 1.0 + abs(curvature) + max(skew, -skew / 2)
    assert np.abs(target - chosen).max() <= 0.5 * steepest / levels + 1e-6


def test_a_straight_table_changes_nothing():
    codes = jnp.arange(128) / 127
    np.testing.assert_allclose(looked_up(codes, 127, 0.0, 0.0), codes, atol=1e-7)


def test_the_target_passes_straight_through_and_the_curve_has_its_own_slope():
    # Target 0.5 of three levels 0, 1/2, 1: the code in the middle, g(1/2) = 1/2 + c/4, as long as it stays nearest.
    slopes = jax.grad(lambda t, c, s: looked_up(t, 2, c, s), argnums=(0, 1, 2))(0.5, 0.2, 0.1)
    np.testing.assert_allclose(slopes, [1.0, 0.25, 0.0], atol=1e-6)
    # Code 1 of 4: u (1 - u) = 3/16, times 1 - 2 u = 1/2 for the skew.
    slopes = jax.grad(lambda t, c, s: looked_up(t, 4, c, s), argnums=(0, 1, 2))(0.3, 0.2, 0.1)
    np.testing.assert_allclose(slopes, [1.0, 3 / 16, 3 / 32], atol=1e-6)
