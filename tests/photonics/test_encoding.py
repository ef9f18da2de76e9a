"""The encoding: scales per token and per column, static scales, percentiles, rotation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.encoding import Encoding, digit_levels, digits


def _encoding(**changes) -> Encoding:
    values = {
        "activation_sign": "passes",
        "weight_sign": "rails",
        "conversion": "difference",
        "activation_slices": 1,
        "weight_slices": 1,
        "repetitions": 1,
        "rotate": False,
        "activation_scale": "token",
        "activation_percentile": 100.0,
        "weight_percentile": 100.0,
    }
    return Encoding(**{**values, **changes})


_OFFSET_WEIGHTS = {"weight_sign": "offset"}
_OFFSET_BOTH = {"weight_sign": "offset", "activation_sign": "offset"}


@pytest.mark.parametrize(
    ("changes", "passes", "rails", "conversions", "gathered"),
    [
        ({}, 2, 2, 1, 2),
        ({"conversion": "pass"}, 2, 2, 2, 1),
        (_OFFSET_WEIGHTS, 2, 1, 1, 2),
        (_OFFSET_BOTH, 1, 1, 1, 1),
        ({"activation_sign": "offset"}, 1, 2, 1, 1),
        ({"activation_slices": 3}, 6, 2, 3, 2),
        ({"weight_slices": 3}, 2, 2, 1, 2),
        ({"repetitions": 5, "conversion": "pass", "activation_slices": 2}, 20, 2, 20, 1),
    ],
)
def test_what_each_encoding_takes(changes, passes, rails, conversions, gathered):
    encoding = _encoding(**changes)
    assert (encoding.passes, encoding.rails) == (passes, rails)
    assert (encoding.conversions, encoding.passes_per_conversion) == (conversions, gathered)
    assert encoding.panels == changes.get("weight_slices", 1)


def test_an_offset_needs_a_bit_for_the_sign_and_digits_need_few():
    assert (_encoding().drive_bits(8), _encoding().pixel_bits(8)) == (7, 7)
    assert (_encoding(**_OFFSET_BOTH).drive_bits(8), _encoding(**_OFFSET_BOTH).pixel_bits(8)) == (8, 8)
    assert _encoding(activation_slices=2).drive_bits(8) == 4
    assert _encoding(weight_slices=7).pixel_bits(8) == 1
    assert _encoding(weight_slices=3, weight_sign="offset").pixel_bits(8) == 4


@pytest.mark.parametrize("floor", [0.0, 0.2])
@pytest.mark.parametrize(
    "changes", [{}, {"conversion": "pass"}, {"activation_sign": "offset"}, {"activation_slices": 3}]
)
def test_what_is_shown_stands_for_the_drive(changes, floor):
    encoding, levels = _encoding(**changes), 127
    drive = jnp.round(jnp.linspace(-1.0, 1.0, 21) * levels) / levels
    total = jnp.zeros_like(drive)
    for exposure in encoding.exposures(drive, levels, floor):
        light = sum(
            sign * (floor + (1 - floor) * part) for sign, part in zip(exposure.signs, exposure.drives, strict=True)
        )
        np.testing.assert_allclose(light / (1 - floor), exposure.meant + exposure.base, atol=1e-6)
        assert all(bool(jnp.all((part >= 0) & (part <= 1))) for part in exposure.drives)
        total = total + exposure.factor * exposure.meant
    np.testing.assert_allclose(total, drive, atol=1e-6)


def test_openings_stand_for_the_weights():
    v = jnp.linspace(-1.0, 1.0, 9)
    plus, minus = _encoding().openings(v)
    np.testing.assert_allclose(plus - minus, v)
    (single,) = _encoding(**_OFFSET_WEIGHTS).openings(v)
    np.testing.assert_allclose((single - 0.5) / _encoding(**_OFFSET_WEIGHTS).weight_factor, v)


@pytest.mark.parametrize(("bits", "slices"), [(8, 1), (8, 2), (8, 3), (8, 7), (5, 2), (12, 4)])
def test_digits_add_up_to_every_code(bits, slices):
    levels = 2 ** (bits - 1) - 1
    codes = jnp.arange(-levels, levels + 1, dtype=jnp.float32) / levels
    parts = digits(codes, levels, slices)
    assert len(parts) == slices
    np.testing.assert_allclose(sum(weight * digit for digit, weight in parts), codes, atol=1e-6)
    largest = digit_levels(levels, slices)
    for digit, _ in parts:
        np.testing.assert_allclose(np.asarray(digit) * largest, np.round(np.asarray(digit) * largest), atol=1e-4)
        assert float(jnp.max(jnp.abs(digit))) <= 1.0 + 1e-6


def test_the_gradient_of_digits_is_that_of_the_value():
    slope = jax.grad(lambda v: sum(weight * digit for digit, weight in digits(v, 127, 3)))(jnp.float32(50 / 127))
    assert float(slope) == pytest.approx(1.0, rel=1e-6)


def test_two_rails_and_two_passes_carry_any_sign():
    x, w = jnp.array([0.3, -0.7, 0.2]), jnp.array([-0.5, -0.25, 1.0])
    up, un, vp, vn = jnp.maximum(x, 0), jnp.maximum(-x, 0), jnp.maximum(w, 0), jnp.maximum(-w, 0)
    assert float(up @ vp - up @ vn - (un @ vp - un @ vn)) == pytest.approx(float(x @ w))


def test_scales_are_the_largest_magnitudes():
    x = jnp.array([[1.0, -3.0, 2.0], [0.0, 0.0, 0.0]])
    # A token of zeros keeps a scale that can be divided by.
    np.testing.assert_array_equal(_encoding().activation_scales(x), [[3.0], [1.0]])
    np.testing.assert_array_equal(_encoding().weight_scales(x), [[1.0, 3.0, 2.0]])
    assert float(_encoding().static_activation_scale(x)) == 3.0


def test_percentiles_clip_outliers():
    x = jnp.arange(1.0, 101.0)[None]
    scale = _encoding(activation_percentile=90.0).activation_scales(x)
    np.testing.assert_allclose(scale, np.percentile(np.arange(1.0, 101.0), 90.0), rtol=1e-6)
    column = _encoding(weight_percentile=50.0).weight_scales(x.T)
    np.testing.assert_allclose(column, [[50.5]], rtol=1e-6)
    static = _encoding(activation_percentile=99.0).static_activation_scale(x)
    np.testing.assert_allclose(static, np.percentile(np.arange(1.0, 101.0), 99.0), rtol=1e-6)


def test_a_static_scale_is_one_number_for_all_tokens():
    sample = jax.random.normal(jax.random.key(0), (3, 5, 7))
    scale = _encoding(activation_scale="static").static_activation_scale(sample)
    assert scale.shape == () and float(scale) == float(jnp.abs(sample).max())


@pytest.mark.parametrize("rotate", [False, True])
def test_rotation_keeps_products_and_is_charged(rotate):
    encoding = _encoding(rotate=rotate)
    x, w = jax.random.normal(jax.random.key(1), (4, 12)), jax.random.normal(jax.random.key(2), (12, 3))
    turned_x, turned_w = encoding.rotate_activations(x), encoding.rotate_weights(w)
    np.testing.assert_allclose(turned_x @ turned_w, x @ w, atol=1e-5)
    assert bool(jnp.all(turned_x == x)) is not rotate
    assert encoding.rotation_additions(12) == (8 * 3 + 4 * 2 if rotate else 0)
