"""Fields of modulators: sign, leak, settling, and what two streams of them sum to."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.homodyne.fields import Field, interference


@pytest.fixture
def modulator(homodyne):
    return dataclasses.replace(homodyne.modulator, leaks=True, extinction_ratio=100.0, settling=False)


def test_power_runs_from_the_floor_to_all(modulator, homodyne):
    drive = jnp.asarray([-1.0, -0.6, 0.0, 1.0])
    field = modulator.field(drive, homodyne.operating_point, 0)
    np.testing.assert_allclose(field.signal, drive)
    np.testing.assert_allclose(field.power(), drive**2 + (1.0 - drive**2) / 100.0, rtol=1e-6)


def test_the_gradient_of_the_leak_is_finite_at_full_drive(modulator, homodyne):
    def leak(drive):
        return jnp.sum(modulator.field(drive, homodyne.operating_point, 0).leak)

    slope = jax.grad(leak)(jnp.asarray([-1.0, 0.6, 1.0]))
    # d sqrt(1 - u^2) / du = -u / sqrt(1 - u^2), over sqrt(ER); at full drive none.
    np.testing.assert_allclose(slope, [0.0, -0.075, 0.0], rtol=1e-5)


def test_interference_is_a_product_of_complex_numbers():
    random = np.random.default_rng(1)
    x, q_x, v, q_v = (random.standard_normal(shape) for shape in ((3, 6), (3, 6), (6, 2), (6, 2)))
    real, imaginary = interference(
        Field(jnp.asarray(x), jnp.asarray(q_x)), Field(jnp.asarray(v), jnp.asarray(q_v)), True
    )
    expected = np.conj(x + 1j * q_x) @ (v + 1j * q_v)
    np.testing.assert_allclose(real, expected.real, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(imaginary, expected.imag, rtol=1e-4, atol=1e-5)


def test_a_squared_field_is_the_square():
    field = Field(np.asarray([0.3]), np.asarray([-0.4]))
    square = (0.3 - 0.4j) ** 2
    np.testing.assert_allclose([field.squared().signal[0], field.squared().leak[0]], [square.real, square.imag])
    assert field.power()[0] == pytest.approx(abs(0.3 - 0.4j) ** 2)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_slow_modulator_shows_part_of_the_symbol_before(axis, modulator, homodyne):
    slow = dataclasses.replace(modulator, settling=True, leaks=False, bandwidth_hz=1e10 * np.log(5.0) / (2 * np.pi))
    drive = jnp.asarray([[1.0, 0.0, -0.5]])
    shown = slow.field(drive if axis else drive.T, homodyne.operating_point, axis).signal
    # A fifth of the symbol before; the first one follows darkness.
    np.testing.assert_allclose(jnp.ravel(shown), [0.8, 0.2, -0.4], rtol=1e-5)


def test_settling_mixes_neighbours_of_one_sum(bare):
    engine = bare({"modulator.settling": True, "modulator.bandwidth_hz": 2e9})
    share = np.exp(-2 * np.pi * 0.2)
    x, w = jax.random.normal(jax.random.key(2), (3, 20)), jax.random.normal(jax.random.key(3), (20, 8))

    def settled(value, axis):
        pads = [(1, 0) if n == axis else (0, 0) for n in range(2)]
        before = np.delete(np.pad(value, pads), -1, axis)
        return (1 - share) * value + share * before

    expected = settled(np.asarray(x), 1) @ settled(np.asarray(w), 0)
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), x, w), expected, atol=1e-4)


def test_leaks_of_both_operands_multiply_and_their_floor_is_trimmed(bare):
    engine = bare({"modulator.leaks": True, "modulator.extinction_ratio": 50.0})
    x, w = jax.random.normal(jax.random.key(2), (3, 20)), jax.random.normal(jax.random.key(3), (20, 8))
    x_hat, v = x / jnp.abs(x).max(axis=1, keepdims=True), w / jnp.abs(w).max(axis=0)
    error = (jnp.sqrt(1 - jnp.minimum(x_hat**2, 1.0)) @ jnp.sqrt(1 - jnp.minimum(v**2, 1.0)) - 20.0) / 50.0
    scale = jnp.abs(x).max(axis=1, keepdims=True) * jnp.abs(w).max(axis=0)
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), x, w) - x @ w, error * scale, atol=1e-4)
    nothing = engine.matmul(jax.random.key(0), jnp.zeros((1, 20)), jnp.zeros((20, 8)))
    np.testing.assert_allclose(nothing, 0.0, atol=1e-6)
