"""The passive optics: crosstalk, its inverse, the light it loses, and leakage between rails."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonics.optics import Optics


def _optics(share: float, residual: float = 0.0) -> Optics:
    return _passive(crosstalk_per_neighbour=share, crosstalk_residual=residual, crosstalk=True)


def _passive(**values) -> Optics:
    return Optics(**{"transmission": 0.5, "rail_leakage": 0.0, "numerical_aperture": 0.5, **values})


_mix = jax.jit(lambda optics, light: optics.mix(light))
_predistort = jax.jit(lambda optics, weights: optics.predistort(weights))


def _matrix(share: float, width: int) -> np.ndarray:
    near = np.eye(width, k=1) + np.eye(width, k=-1)
    return (1 - 2 * share) * np.eye(width) + share * near


@given(st.sampled_from([0.0, 0.01, 0.1, 0.2]), st.sampled_from([1, 2, 3, 7, 16]))
def test_mixing_is_the_tridiagonal_matrix(share, width):
    light = jnp.asarray(np.random.default_rng(width).uniform(size=(3, width)), jnp.float32)
    expected = np.asarray(light, np.float64) @ _matrix(share, width)
    np.testing.assert_allclose(_mix(_optics(share), light), expected, rtol=1e-5, atol=1e-6)


@given(st.sampled_from([0.0, 0.01, 0.1, 0.2]), st.sampled_from([1, 2, 3, 7, 16, 65]))
def test_predistortion_is_the_inverse(share, width):
    weights = jnp.asarray(np.random.default_rng(width).standard_normal((3, width)), jnp.float32)
    back = _mix(_optics(share), _predistort(_optics(share), weights))
    # The inverse amplifies rounding by at most 1 / (1 - 4 share).
    np.testing.assert_allclose(back, weights, atol=2e-6 / (1 - 4 * share) * float(jnp.abs(weights).max()))


def test_a_machine_that_knows_too_little_leaves_the_residual():
    share, residual, width = 0.1, 0.02, 9
    weights = jnp.eye(width)
    back = np.asarray(_optics(share, residual).mix(_optics(share, residual).predistort(weights)))
    exact = np.linalg.inv(_matrix(share - residual, width)) @ _matrix(share, width)
    np.testing.assert_allclose(back, exact, atol=1e-5)
    assert np.abs(back - np.eye(width)).max() > residual


def test_light_is_only_lost():
    light = jax.random.uniform(jax.random.key(0), (5, 16))
    mixed = _optics(0.07).mix(light)
    assert np.all(np.asarray(mixed) >= 0)
    lost = jnp.sum(light - mixed, axis=-1)
    # Only what falls outside of the two edges.
    np.testing.assert_allclose(lost, 0.07 * (light[:, 0] + light[:, -1]), rtol=1e-4)


def test_without_crosstalk_nothing_changes():
    optics = _passive(crosstalk_per_neighbour=0.1, crosstalk_residual=0.0, rail_leakage=0.1, crosstalk=False)
    light = jnp.arange(4.0)
    assert optics.mix(light) is light and optics.predistort(light) is light
    rails = light, 1.0 - light
    assert optics.leak(rails) is rails


def test_leakage_moves_light_from_rail_to_rail_and_loses_none():
    optics = _passive(crosstalk_per_neighbour=0.0, crosstalk_residual=0.0, rail_leakage=0.1, crosstalk=True)
    plus, minus = jnp.array([1.0, 0.2, 0.0]), jnp.array([0.0, 0.4, 0.5])
    after_plus, after_minus = optics.leak((plus, minus))
    np.testing.assert_allclose(after_plus, [0.9, 0.22, 0.05], rtol=1e-6)
    np.testing.assert_allclose(after_plus + after_minus, plus + minus, rtol=1e-6)
    # The swing is smaller by 1 - 2 l; a single rail has nowhere to leak.
    np.testing.assert_allclose(after_plus - after_minus, 0.8 * (plus - minus), rtol=1e-6)
    assert optics.leak((plus,)) == (plus,)


@pytest.mark.parametrize("share", [1e-4, 0.05])
def test_gradient_with_respect_to_the_share(share):
    light = jax.random.uniform(jax.random.key(1), (8,))

    @jax.jit
    def total(c):
        return jnp.sum(jnp.sin(_optics(c).predistort(light)))

    step = 1e-2 * share
    numeric = (total(share + step) - total(share - step)) / (2 * step)
    # float32: rounding of the values over the step.
    assert float(jax.grad(total)(share)) == pytest.approx(float(numeric), rel=1e-2, abs=2e-6 / step)
