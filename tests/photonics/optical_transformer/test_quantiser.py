"""The quantiser of Optical Transformers: levels, ties, least transmission, random rounding, gradients, parts."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.dac import Dac
from photonics.optical_transformer.quantiser import Quantiser, quantise

FLOOR = 0.02004


def quantiser(**values) -> Quantiser:
    return Quantiser(**{"levels": 256, "floor": FLOOR, "rounding": "nearest", "ideal": False, **values})


def test_levels_are_equal_steps_and_values_beyond_are_clamped():
    x = jnp.asarray([-9.0, -1.0, -1 / 3 - 0.01, 0.3, 1.0, 9.0])
    y = quantise(x, -1.0, 1.0, levels=4)
    np.testing.assert_allclose(y, [-1, -1, -1 / 3, 1 / 3, 1, 1], atol=1e-6)
    assert len(np.unique(quantise(jnp.linspace(-2, 2, 5000), -1.5, 1.0, levels=256))) == 256


def test_halves_round_to_even():
    # Codes 0.5, 1.5, 2.5 of steps of 1.
    y = quantise(jnp.asarray([0.5, 1.5, 2.5]), 0.0, 4.0, levels=5)
    np.testing.assert_array_equal(y, [0.0, 2.0, 2.0])


def test_least_transmission_lifts_what_is_not_zero():
    x = jnp.asarray([0.0, 0.004, 0.015, 0.03, 1.0])
    y = quantise(x, 0.0, 1.0, levels=256, floor=FLOOR)
    np.testing.assert_allclose(y, [0.0, FLOOR, FLOOR, 8 / 255, 1.0], atol=1e-6)
    z = quantise(jnp.asarray([-0.01, -0.5, 0.01]), -0.5, 2.0, levels=256, floor=0.1)
    # Each sign against its own end of the range.
    np.testing.assert_allclose(z, [-0.05, -0.5, 0.2], atol=5e-3)


def test_a_range_around_zero_has_no_dark_level():
    # What the published arithmetic does to a zero weight when both signs share 256 levels.
    assert float(quantise(jnp.zeros(()), -1.0, 1.0, levels=256, floor=FLOOR)) == pytest.approx(FLOOR)
    assert float(quantiser().weights(jnp.zeros(()))) == 0.0


def test_random_rounding_is_unbiased_and_doubles_the_variance():
    n, levels = 400_000, 16
    keys = jax.random.split(jax.random.key(0), 2)
    x = jax.random.uniform(keys[0], (n,))
    dither = jax.random.uniform(keys[1], (n,)) - 0.5
    step = 1.0 / (levels - 1)
    error = np.asarray(quantise(x, 0.0, 1.0, levels=levels, dither=dither) - x, float) / step
    # Two uniform errors of one step: 1/12 + 1/12; the fourth moment is finite, five deviations of a variance of n.
    assert np.mean(error) == pytest.approx(0.0, abs=5 / np.sqrt(6 * n))
    assert np.var(error) == pytest.approx(1 / 6, rel=5 * np.sqrt(2 / n))
    # Unbiased at every place, which rounding to the nearest is not.
    place = jnp.full(n, 0.3 * step)
    random, nearest = (quantise(place, 0.0, 1.0, levels=levels, dither=one) for one in (dither, None))
    assert float(jnp.mean(random)) == pytest.approx(0.3 * step, abs=5 * step / np.sqrt(n))
    assert float(jnp.mean(nearest)) == 0.0
    lsb = 2.0
    assert quantiser(rounding="random").output_variance(lsb) == lsb**2 / 12
    assert quantiser().output_variance(lsb) == 0.0


def test_gradient_passes_inside_the_range_and_ends_there():
    slope = jax.vmap(jax.grad(lambda x: quantise(x, -1.0, 1.0, levels=256, floor=FLOOR)))
    np.testing.assert_array_equal(slope(jnp.asarray([-2.0, -0.4, 0.001, 0.7, 3.0])), [0, 1, 1, 1, 0])
    np.testing.assert_array_equal(jax.vmap(jax.grad(quantiser().weights))(jnp.asarray([-0.4, 0.0, 2.0])), [1, 1, 0])


def test_the_floor_has_its_own_gradient():
    v = jnp.asarray([-0.6, -0.01, 0.0, 0.012, 0.5])

    def shown(floor):
        return quantise(v, -1.0, 2.0, levels=256, floor=floor)

    # What is lifted moves with the floor, by the end of its range; -0.01 rounds to a level next to it.
    by_floor = jax.jacfwd(shown)(0.1)
    np.testing.assert_allclose(by_floor[jnp.asarray([0, 1, 3, 4])], [0.0, -1.0, 2.0, 0.0])
    by_floor = jax.jacfwd(lambda floor: quantiser(floor=floor).weights(v))(0.1)
    np.testing.assert_allclose(by_floor, [0.0, -1.0, 0.0, 1.0, 0.0])


def test_weights_are_quantised_sign_by_sign():
    v = jnp.linspace(-1.2, 1.2, 4001)
    shown = np.asarray(quantiser().weights(v))
    np.testing.assert_array_equal(shown, -shown[::-1])
    magnitudes = np.unique(np.abs(shown))
    # Zero, the floor in place of the two lowest codes, and the codes above it.
    assert magnitudes[0] == 0.0 and magnitudes[1] == pytest.approx(FLOOR)
    np.testing.assert_allclose(magnitudes[2:], np.arange(3, 128) / 127, atol=1e-6)


def test_activations_of_the_dac_are_rounded_as_the_parts_of_the_quantiser():
    dac = Dac(
        bits=8,
        energy_model="fixed",
        reference_energy_j=1.0,
        reference_bits=8.0,
        unit_capacitance_f=1.0,
        swing_v=1.0,
        ideal=False,
    )
    x = jax.random.normal(jax.random.key(3), (5000,)) * 0.5
    np.testing.assert_allclose(dac.drive(x), quantiser(floor=0.0).weights(x), atol=2e-7)


def test_ideal_weights_are_only_clamped():
    v = jnp.asarray([-3.0, -0.001, 0.3])
    np.testing.assert_array_equal(quantiser(ideal=True).weights(v), np.asarray([-1.0, -0.001, 0.3], np.float32))


def test_compiled_it_gives_the_same_codes_away_from_ties():
    x = jax.random.uniform(jax.random.key(5), (4000,), minval=-1.2, maxval=1.7)
    ends = (-0.75, 1.5)
    share = (np.clip(np.asarray(x, float), *ends) + 0.75) / 2.25 * 255
    clear = np.abs(np.mod(share, 1.0) - 0.5) > 1e-3
    eager = quantise(x, *ends, levels=256, floor=FLOOR)
    compiled = jax.jit(lambda x: quantise(x, *ends, levels=256, floor=FLOOR))(x)
    dark = np.abs(np.asarray(eager)) < 1e-6
    np.testing.assert_allclose(compiled[clear & ~dark], eager[clear & ~dark], atol=5e-7)


def test_it_stores_as_plain_numbers():
    # Golden vectors are JSON: a float32 has to survive the way.
    y = np.asarray(quantise(jnp.asarray([0.123456789, -0.7]), -1.0, 1.0, levels=256))
    back = np.asarray(json.loads(json.dumps([float(str(value)) for value in y])), np.float32)
    np.testing.assert_array_equal(back, y)
