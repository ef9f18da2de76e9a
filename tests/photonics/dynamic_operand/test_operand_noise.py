"""Errors of operands and outputs: closed forms against the expressions they come from, and against draws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.dynamic_operand.operand_noise import OperandNoise
from tests.photonics.agreement import assert_normal, largest_z, z_of_means, z_of_variances


def _noise(magnitude: float = 0.0, phase: float = 0.0, output: float = 0.0) -> OperandNoise:
    return OperandNoise(magnitude_deviation=magnitude, phase_deviation_rad=phase, output_deviation=output)


def test_moments_of_one_term_are_those_of_its_draws():
    noise, n = _noise(magnitude=0.2, phase=0.5), 40_000
    x, w = np.full((n, 1), 0.7), np.full((1, 1), -0.4)
    fields = noise.disturbed(np.random.default_rng(1), x, w)
    term = fields.x[:, 0] * fields.w[:, 0, 0] * np.cos(fields.phase[:, 0])
    assert abs(z_of_means(term, float(noise.mean_factor()) * -0.28)) < largest_z(1)
    assert abs(z_of_variances(term, float(noise.term_variance()) * 0.28**2)) < largest_z(1)
    assert abs(z_of_means(fields.x[:, 0] ** 2, float(noise.power_factor()) * 0.49)) < largest_z(1)


@pytest.mark.parametrize(("m", "s"), [(0.03, 0.0349), (0.5, 1.0), (1e-4, 1e-3), (0.0, 1e-2), (1e-3, 0.0)])
def test_the_closed_form_is_the_expression_of_the_docstring(m, s):
    # In double precision the difference of nearly equal numbers is harmless; the code has to be right in single.
    m2, s2 = np.longdouble(m) ** 2, np.longdouble(s) ** 2
    expected = (1 + m2) ** 2 * (1 + np.exp(-2 * s2)) / 2 - np.exp(-s2)
    assert float(_noise(m, s).term_variance()) == pytest.approx(float(expected), rel=1e-4)


def test_nothing_disturbs_an_ideal_operand():
    noise, random = _noise(), np.random.default_rng(0)
    x, w = random.normal(size=(4, 3)), random.normal(size=(3, 2))
    fields = noise.disturbed(random, x, w)
    np.testing.assert_array_equal(fields.x, x)
    np.testing.assert_array_equal(fields.w, np.broadcast_to(w, (4, 3, 2)))
    assert not fields.phase.any()
    np.testing.assert_array_equal(noise.varied(random, x), x)
    assert float(noise.term_variance()) == 0 and float(noise.mean_factor()) == 1


def test_outputs_vary_in_proportion():
    y = np.tile([1.0, -20.0, 0.0], (4000, 1))
    varied = _noise(output=0.05).varied(np.random.default_rng(2), y)
    assert_normal((varied[:, :2] / y[:, :2] - 1) / 0.05)
    assert not varied[:, 2].any()


def test_the_gradient_at_no_noise_is_finite():
    slopes = jax.grad(lambda noise: noise.term_variance() + noise.mean_factor() + noise.power_factor())(
        jax.tree.map(jnp.float32, _noise())
    )
    assert all(bool(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(slopes))
