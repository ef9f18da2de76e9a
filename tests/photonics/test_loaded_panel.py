"""Weights on the panel: tiles, codes, rails, fixed patterns, crosstalk, ranges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonics.loaded_panel import exact_codes, packed, split_rows, tiling, transmissions, unpacked
from tests.photonics.agreement import assert_normal, assert_uncorrelated

_W = jax.random.normal(jax.random.key(5), (48, 20))


# Tiles -----------------------------------------------------------------------------------------------------------


@given(st.integers(1, 5000), st.sampled_from([1, 7, 32, 1024]))
def test_tiles_are_as_few_and_as_equal_as_can_be(k, fan_in):
    tiles, rows = tiling(k, fan_in)
    assert rows <= fan_in
    assert (tiles - 1) * fan_in < k <= tiles * rows
    assert tiles * rows - k < tiles


def test_split_rows_appends_zeros():
    x = jnp.arange(1.0, 11.0).reshape(2, 5)
    parts = split_rows(x, 2, 3)
    np.testing.assert_array_equal(parts, [[[1, 2, 3], [6, 7, 8]], [[4, 5, 0], [9, 10, 0]]])


# Encoding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(2, 13))
def test_weights_come_back_to_half_a_step(bare, loaded, bits):
    panel = loaded(bare({"panel.ideal": False, "panel.bits": bits}), _W)
    shown = np.asarray(panel.difference, np.float64) * float(panel.unit) * np.asarray(panel.scale)[:, None]
    error = np.abs(shown.reshape(48, 20) - np.asarray(_W))
    step = np.repeat(np.asarray(panel.scale), 24, axis=0) / (2 ** (bits - 1) - 1)
    assert np.all(error <= step / 2 + 1e-5)
    assert error.max() > 0.4 * step.min()


def test_undisturbed_codes_are_integers_in_bfloat16(bare, loaded):
    exact = bare({"panel.ideal": False, "dac.ideal": False})
    panel = loaded(exact, _W)
    assert exact_codes(exact) and panel.difference.dtype == jnp.bfloat16
    codes = np.asarray(panel.difference, np.float64)
    np.testing.assert_array_equal(codes, np.round(codes))
    assert np.abs(codes).max() == 127 and float(panel.unit) == pytest.approx(1 / 127)


@pytest.mark.parametrize(
    "change",
    [
        {"panel.fixed_pattern": True},
        {"optics.crosstalk": True},
        {"source.noise": "common"},
        {"panel.bits": 10},
        {"dac.bits": 10},
        {"dac.ideal": True},
        {"panel.ideal": True},
    ],
)
def test_whatever_disturbs_the_codes_needs_float32(bare, loaded, change):
    engine = bare({"panel.ideal": False, "dac.ideal": False, **change})
    assert not exact_codes(engine)
    assert loaded(engine, _W).difference.dtype == jnp.float32


def test_rails_carry_the_sign_above_a_floor(bare):
    engine = bare({"panel.extinction_ratio": 20.0})
    plus, minus, meant, scale = transmissions(engine, _W, 0)
    np.testing.assert_allclose(jnp.minimum(plus, minus), 0.05, rtol=1e-5)
    np.testing.assert_allclose((plus - minus) / 0.95, meant, atol=1e-6)
    np.testing.assert_allclose((meant * scale[:, None]).reshape(48, 20), _W, rtol=1e-5, atol=1e-6)
    assert float(jnp.max(jnp.maximum(plus, minus))) == pytest.approx(1.0)


def test_rotation_turns_the_columns(bare):
    _, _, meant, scale = transmissions(bare({"encoding.rotate": True}), _W[:32], 0)
    shown = np.asarray(meant * scale[:, None], np.float64)[0]
    np.testing.assert_allclose(np.linalg.norm(shown, axis=0), np.linalg.norm(_W[:32], axis=0), rtol=1e-5)
    assert np.abs(shown - np.asarray(_W[:32])).max() > 0.5


# Fixed pattern ----------------------------------------------------------------------------------------------------


def test_pixel_errors_have_the_stated_width_and_are_normal(bare):
    # A column of one weight, so that every pixel of the plus rail is fully open; 4096 pixels.
    engine = bare({"panel.fixed_pattern": True, "panel.element_residual": 0.03, "source.count": 512})
    plus, minus, _, _ = transmissions(engine, jnp.ones((512, 8)), 1)
    errors = np.asarray(plus, np.float64) - 1.0
    assert_normal(errors / 0.03)
    assert errors.std() == pytest.approx(0.03, rel=5 * np.sqrt(0.5 / errors.size))
    assert float(jnp.abs(minus).max()) == 0.0  # a pixel without light has no error of light


def test_pixels_of_one_piece_of_glass_stay_and_those_of_another_are_others(bare):
    engine = bare({"panel.fixed_pattern": True, "panel.element_residual": 0.03, "panel.extinction_ratio": 4.0})
    ones = jnp.ones((48, 16))
    (plus, minus, *_), (again, *_), (other, *_) = (transmissions(engine, ones, i) for i in (1, 1, 2))
    np.testing.assert_array_equal(plus, again)
    assert_uncorrelated(plus, other)
    # Neither do rails or tiles share a pattern.
    assert_uncorrelated(plus, minus)
    assert_uncorrelated(plus[0], plus[1])


def test_rails_of_an_output_are_out_of_balance_together(bare):
    engine = bare({"panel.fixed_pattern": True, "panel.rail_residual": 0.02, "panel.outputs": 2048})
    plus, minus, _, _ = transmissions(engine, jnp.concatenate([jnp.ones((1, 2048)), -jnp.ones((1, 2048))]), 0)
    up, down = np.asarray(plus[0, 0], np.float64) - 1, np.asarray(minus[0, 1], np.float64) - 1
    np.testing.assert_allclose(up, -down, atol=1e-6)
    assert_normal((up - down) / 0.02)


# Crosstalk --------------------------------------------------------------------------------------------------------

_CROSSTALK = {"optics.crosstalk": True, "optics.crosstalk_per_neighbour": 0.05, "optics.crosstalk_residual": 0.0}


def test_known_crosstalk_is_corrected_at_the_price_of_range(bare):
    # With 16 outputs of 20 the last four stand on a panel of their own.
    plus, minus, meant, scale = transmissions(bare(_CROSSTALK), _W, 0)
    np.testing.assert_allclose(plus - minus, meant, atol=2e-6)
    np.testing.assert_allclose((meant * scale[:, None]).reshape(48, 20), _W, rtol=1e-4, atol=1e-5)
    _, _, _, plain = transmissions(bare(), _W, 0)
    spent = np.asarray(scale / plain)
    assert np.all(spent >= 1) and spent.max() > 1.01
    # All outputs of one panel spend alike.
    np.testing.assert_allclose(spent[:, :16], spent[:, :1] * np.ones((2, 16)), rtol=1e-6)
    np.testing.assert_allclose(spent[:, 16:], spent[:, 16:17] * np.ones((2, 4)), rtol=1e-6)


def test_light_does_not_cross_to_another_panel(bare):
    engine = bare({**_CROSSTALK, "optics.crosstalk_residual": 0.05})
    plus, _, _, _ = transmissions(engine, jnp.zeros((4, 20)).at[:, 15].set(1.0), 0)
    np.testing.assert_allclose(plus[0, 0, 13:], [0, 0.05, 0.9, 0, 0, 0, 0], atol=1e-6)


# Ranges -----------------------------------------------------------------------------------------------------------


def test_ranges_come_from_the_sample_as_the_engine_shows_it(bare, loaded):
    engine = bare({"ranging.statistic": "sigmas", "ranging.sigmas": 3.0})
    sample = jax.random.normal(jax.random.key(6), (5, 40, 48))
    panel = loaded(engine, _W, sample)
    x = np.asarray(sample, np.float64).reshape(-1, 48)
    z = x[:, 24:] / np.abs(x).max(axis=1, keepdims=True) @ np.asarray(_W[24:], np.float64)
    expected = 3 * np.sqrt(np.mean(z**2, axis=0)) / np.abs(np.asarray(_W[24:])).max(axis=0)
    np.testing.assert_allclose(panel.full_scale[1], expected, rtol=1e-4)
    assert float(panel.activation_scale) == 1.0


def test_static_scales_come_from_the_sample(bare, loaded):
    engine = bare({"encoding.activation_scale": "static"})
    sample = jax.random.normal(jax.random.key(7), (30, 48))
    assert float(loaded(engine, _W, sample).activation_scale) == float(jnp.abs(sample).max())
    with pytest.raises(ValueError, match="need a calibration sample"):
        engine.load_panel(_W)


def test_ranges_of_an_earlier_panel_can_be_given(bare, loaded):
    engine = bare({"encoding.activation_scale": "static"})
    first = loaded(engine, _W, jax.random.normal(jax.random.key(8), (30, 48)))
    again = engine.load_panel(2 * _W, ranges=(first.full_scale, first.activation_scale))
    np.testing.assert_array_equal(again.full_scale, first.full_scale)
    np.testing.assert_array_equal(again.activation_scale, first.activation_scale)


def test_a_panel_is_a_pytree_with_its_shape_as_structure(bare, loaded):
    panel = loaded(bare(), _W)
    assert (panel.k, panel.n, panel.tiles, panel.rows) == (48, 20, 2, 24)
    leaves, structure = jax.tree.flatten(panel)
    assert len(leaves) == 6
    assert jax.tree.unflatten(structure, leaves).k == 48


def test_packing_keeps_every_bit(bare, loaded):
    panel = loaded(bare({"panel.ideal": False, "dac.ideal": False}), _W)
    narrow = packed(panel)
    assert narrow.difference.dtype == narrow.total.dtype == jnp.uint16
    jax.tree.map(np.testing.assert_array_equal, unpacked(narrow), panel)
    assert unpacked(narrow).difference.dtype == jnp.bfloat16
    jax.tree.map(np.testing.assert_array_equal, unpacked(panel), panel)


def test_wrong_weights_and_samples_are_refused(bare):
    with pytest.raises(ValueError, match=r"shape \(k, n\), not \(48,\)"):
        bare().load_panel(_W[:, 0])
    with pytest.raises(ValueError, match="vectors of length 40, the weights take 48"):
        bare().load_panel(_W, sample=jnp.ones((3, 40)))
    with pytest.raises(ValueError, match=r"at least one vector; this one has shape \(0, 48\)"):
        bare().load_panel(_W, sample=jnp.ones((0, 48)))


@pytest.mark.parametrize("shape", [(0, 4), (5, 0), (0, 0)])
def test_weights_without_entries_make_an_empty_panel(small, shape):
    panel = small().load_panel(jnp.ones(shape))
    assert (panel.k, panel.n) == shape
    assert float(small().detected_electrons(jnp.ones((3, shape[0])), panel)) == 0.0
