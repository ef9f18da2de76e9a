"""From weights to light: tiles, rails, digits, responses, crosstalk, panels side by side."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonics.encoding import digit_levels
from photonics.transmissions import by_panel, each_panel, from_panel, pixel_levels, tiling, transmissions

_W = jax.random.normal(jax.random.key(5), (48, 20))


# Tiles -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 5000), st.sampled_from([1, 7, 32, 1024]))
def test_tiles_are_as_few_and_as_equal_as_can_be(k, fan_in):
    tiles, rows = tiling(k, fan_in)
    assert rows <= fan_in
    assert (tiles - 1) * fan_in < k <= tiles * rows
    assert tiles * rows - k < tiles


# Rails -----------------------------------------------------------------------------------------------------------


def test_rails_carry_the_sign_above_a_floor(bare):
    engine = bare({"panel.extinction_ratio": 20.0})
    (plus, minus), meant, scale = transmissions(engine, _W, 0)
    np.testing.assert_allclose(jnp.minimum(plus, minus), 0.05, rtol=1e-5)
    np.testing.assert_allclose((plus - minus) / 0.95, meant, atol=1e-6)
    np.testing.assert_allclose((meant * scale[:, None]).reshape(48, 20), _W, rtol=1e-5, atol=1e-6)
    assert float(jnp.max(jnp.maximum(plus, minus))) == pytest.approx(1.0)


def test_rotation_turns_the_columns(bare):
    _, meant, scale = transmissions(bare({"encoding.rotate": True}), _W[:32], 0)
    shown = np.asarray(meant * scale[:, None], np.float64)[0]
    np.testing.assert_allclose(np.linalg.norm(shown, axis=0), np.linalg.norm(_W[:32], axis=0), rtol=1e-5)
    assert np.abs(shown - np.asarray(_W[:32])).max() > 0.5


# Signs, digits, responses -----------------------------------------------------------------------------------------


def test_an_offset_stands_on_one_column_around_the_middle(bare):
    engine = bare({"encoding.weight_sign": "offset", "panel.extinction_ratio": 20.0})
    rails, meant, scale = transmissions(engine, _W, 0)
    assert len(rails) == 1
    np.testing.assert_allclose(rails[0], 0.05 + 0.95 * (1 + np.asarray(meant)) / 2, atol=1e-6)
    np.testing.assert_allclose((meant * scale[:, None]).reshape(48, 20), _W, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sign", ["rails", "offset"])
@pytest.mark.parametrize(("bits", "slices"), [(8, 2), (8, 3), (8, 7), (5, 2)])
def test_digits_add_up_to_the_rounded_weights(bare, sign, bits, slices):
    changes = {"panel.ideal": False, "panel.bits": bits, "encoding.weight_sign": sign}
    engine = bare({**changes, "encoding.weight_slices": slices, "panel.extinction_ratio": 20.0})
    rails, meant, scale = transmissions(engine, _W, 0)
    assert meant.shape == rails[0].shape == (2 * slices, 24, 20) and scale.shape == (2 * slices, 20)
    tiled = np.asarray(_W, np.float64).reshape(2, 24, 20)
    largest, levels = np.abs(tiled).max(axis=1, keepdims=True), 2 ** (bits - 1) - 1
    rounded = np.round(tiled / largest * levels) / levels * largest
    # By what is meant, and by the light itself.
    shown = np.asarray(meant * scale[:, None], np.float64).reshape(slices, 2, 24, 20).sum(axis=0)
    np.testing.assert_allclose(shown, rounded, atol=1e-5)
    light = rails[0] - rails[1] if len(rails) == 2 else 2 * (rails[0] - 0.05) - 0.95
    shown = np.asarray(light / 0.95 * scale[:, None], np.float64).reshape(slices, 2, 24, 20).sum(axis=0)
    np.testing.assert_allclose(shown, rounded, atol=1e-5)
    # A pixel shows no more codes than it has bits for.
    codes = (np.asarray(rails[0], np.float64) - 0.05) / 0.95 * pixel_levels(engine)
    np.testing.assert_allclose(codes, np.round(codes), atol=1e-3)
    assert pixel_levels(engine) + 1 <= 2 ** engine.encoding.pixel_bits(bits)


@pytest.mark.parametrize("sign", ["rails", "offset"])
def test_a_table_straightens_the_pixels_to_half_a_step(bare, sign):
    curve = {"panel.ideal": False, "panel.curvature": 0.3, "panel.skew": 0.0, "encoding.weight_sign": sign}
    straight, *_ = transmissions(bare(curve), _W, 0)
    curved, *_ = transmissions(bare({**curve, "panel.response": "curved"}), _W, 0)
    table = bare({**curve, "panel.response": "compensated"})
    compensated, *_ = transmissions(table, _W, 0)
    error = np.abs(np.asarray(compensated[0] - straight[0]))
    assert 0 < error.max() <= 0.5 * 1.3 / pixel_levels(table) * (1 + 1e-3)
    # As it is, the middle is too bright by c / 4.
    assert np.abs(np.asarray(curved[0] - straight[0])).max() == pytest.approx(0.3 / 4, rel=1e-2)


def test_levels_of_a_pixel(bare):
    for slices, sign, expected in ((1, "rails", 127), (1, "offset", 254), (2, "rails", 15), (7, "offset", 2)):
        engine = bare({"encoding.weight_slices": slices, "encoding.weight_sign": sign})
        assert pixel_levels(engine) == expected == digit_levels(127, slices) * (2 if sign == "offset" else 1)


# Crosstalk --------------------------------------------------------------------------------------------------------

_CROSSTALK = {"optics.crosstalk": True, "optics.crosstalk_per_neighbour": 0.05, "optics.crosstalk_residual": 0.0}


def test_known_crosstalk_is_corrected_at_the_price_of_range(bare):
    # With 16 outputs of 20 the last four stand on a panel of their own.
    (plus, minus), meant, scale = transmissions(bare(_CROSSTALK), _W, 0)
    np.testing.assert_allclose(plus - minus, meant, atol=2e-6)
    np.testing.assert_allclose((meant * scale[:, None]).reshape(48, 20), _W, rtol=1e-4, atol=1e-5)
    _, _, plain = transmissions(bare(), _W, 0)
    spent = np.asarray(scale / plain)
    assert np.all(spent >= 1) and spent.max() > 1.01
    # All outputs of one panel spend alike.
    np.testing.assert_allclose(spent[:, :16], spent[:, :1] * np.ones((2, 16)), rtol=1e-6)
    np.testing.assert_allclose(spent[:, 16:], spent[:, 16:17] * np.ones((2, 4)), rtol=1e-6)


def test_light_does_not_cross_to_another_panel(bare):
    engine = bare({**_CROSSTALK, "optics.crosstalk_residual": 0.05})
    (plus, _), _, _ = transmissions(engine, jnp.zeros((4, 20)).at[:, 15].set(1.0), 0)
    np.testing.assert_allclose(plus[0, 0, 13:], [0, 0.05, 0.9, 0, 0, 0, 0], atol=1e-6)


@pytest.mark.parametrize("floor", [{}, {"panel.extinction_ratio": 20.0}])
def test_the_pedestal_of_an_offset_is_even_up_to_the_edge(bare, floor):
    engine = bare({**_CROSSTALK, **floor, "encoding.weight_sign": "offset"})
    (light,), meant, _ = transmissions(engine, _W, 0)
    e = 1 / engine.panel.extinction_ratio
    np.testing.assert_allclose(2 * (np.asarray(light) - e) / (1 - e) - 1, meant, atol=5e-6)


def test_leakage_between_rails_takes_swing(bare):
    leak = {"optics.crosstalk": True, "optics.rail_leakage": 0.1}
    (plus, minus), meant, _ = transmissions(bare(leak), _W, 0)
    np.testing.assert_allclose(plus - minus, 0.8 * np.asarray(meant), atol=1e-6)
    (straight_plus, straight_minus), *_ = transmissions(bare(), _W, 0)
    np.testing.assert_allclose(plus + minus, straight_plus + straight_minus, atol=1e-6)


# Panels side by side ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 15, 16, 17, 48])
def test_outputs_by_panel_and_back(n):
    value = jnp.arange(3.0 * n).reshape(3, n) + 1
    split = by_panel(value, 16)
    assert split.shape == (3, -(-n // min(n, 16)), min(n, 16))
    assert float(split.sum()) == float(value.sum())  # what is appended is dark
    np.testing.assert_array_equal(from_panel(split, n), value)


def test_an_operation_on_each_panel_knows_its_width():
    value = jnp.ones((2, 20))
    widths = each_panel(lambda part: part * part.shape[-1], value, 16)
    np.testing.assert_array_equal(widths[0], [16.0] * 16 + [4.0] * 4)
