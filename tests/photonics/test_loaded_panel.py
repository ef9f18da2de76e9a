"""Weights on the panel: codes, pedestals, ranges, digits, packing, empty panels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.loaded_panel import exact_codes, packed, split_rows, unpacked
from photonics.transmissions import transmissions

_W = jax.random.normal(jax.random.key(5), (48, 20))


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
        {"panel.response": "compensated"},
        {"modulator.response": "curved"},
        {"modulator.settling": True},
    ],
)
def test_whatever_disturbs_the_codes_needs_float32(bare, loaded, change):
    engine = bare({"panel.ideal": False, "dac.ideal": False, **change})
    assert not exact_codes(engine)
    assert loaded(engine, _W).difference.dtype == jnp.float32


@pytest.mark.parametrize("floor", [{}, {"panel.extinction_ratio": 5.0}])
@pytest.mark.parametrize("sign", ["rails", "offset"])
def test_light_and_pedestals_are_those_of_the_rails(bare, sign, floor):
    engine = bare({"encoding.weight_sign": sign, **floor})
    panel, light = engine.load_panel(_W), transmissions(engine, _W, 0)
    rails = [np.asarray(rail, np.float64) for rail in light.rails]
    e = 1 / engine.panel.extinction_ratio
    np.testing.assert_allclose(panel.difference * panel.unit, light.meant, atol=2e-6)
    # V, the light over 1 - e, of every row of the tile: padded rows of an offset are half open too.
    value = (rails[0] - rails[1] if len(rails) == 2 else rails[0]) / (1 - e)
    np.testing.assert_allclose(panel.column, value.sum(axis=1), atol=1e-4)
    np.testing.assert_allclose(panel.total.astype(jnp.float32), sum(rails), rtol=2**-8)


def test_digits_stand_on_panels_of_their_own(bare):
    engine = bare({"panel.ideal": False, "encoding.weight_slices": 3})
    panel, whole = engine.load_panel(_W), bare({"panel.ideal": False}).load_panel(_W)
    assert (panel.panels, panel.tiles, panel.slices, panel.rows) == (6, 2, 3, 24)
    shown = panel.difference.astype(jnp.float32) * panel.unit * panel.scale[:, None]
    np.testing.assert_allclose(
        shown.reshape(3, 2, 24, 20).sum(axis=0), whole.difference * whole.unit * whole.scale[:, None], atol=1e-5
    )


def test_rails_are_kept_only_where_photodiodes_answer_one_by_one(bare):
    assert bare().load_panel(_W).rails is None
    panel = bare({"photodetector.saturates": True}).load_panel(_W)
    assert panel.rails is not None and panel.rails.shape == (2, 2, 24, 20)


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
    # difference, unit, total, column, scale, full scale, activation scale
    assert len(leaves) == 7
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
