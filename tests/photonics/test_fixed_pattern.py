"""Errors of one fabricated engine: same instance, same errors; their widths, independence, drift and names."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.fixed_pattern import disturb, instance_key, readout_errors
from photonics.free_space import FreeSpaceEngine
from photonics.transmissions import transmissions
from tests.photonics.agreement import assert_normal, assert_uncorrelated

_PATTERN = {"panel.fixed_pattern": True, "readout.fixed_pattern": True, "readout.pass_mismatch": True}
# Two tiles of 64 sources on three panels of 16 outputs, every pixel open.
_OPEN = jnp.ones((2, 64, 48))


def _errors(engine: FreeSpaceEngine, instance=0, rails: int = 2) -> list[np.ndarray]:
    """Relative error (tiles, rows, n) of each rail."""
    return [np.asarray(rail, np.float64) - 1.0 for rail in disturb(engine, (_OPEN,) * rails, instance)]


def _assert_width(sample: np.ndarray, width: float) -> None:
    """Standard deviation within five standard errors, 1 / sqrt(2 n) each."""
    assert np.std(sample) == pytest.approx(width, rel=5 / np.sqrt(2 * sample.size))


# Pixels and rails -------------------------------------------------------------------------------------------------


def test_pixel_errors_have_the_stated_width_and_are_normal(bare):
    # A column of one weight, so that every pixel of the plus rail is fully open; 4096 pixels.
    engine = bare({"panel.fixed_pattern": True, "panel.element_residual": 0.03, "source.count": 512})
    (plus, minus), _, _ = transmissions(engine, jnp.ones((512, 8)), 1)
    errors = np.asarray(plus, np.float64) - 1.0
    assert_normal(errors / 0.03)
    assert errors.std() == pytest.approx(0.03, rel=5 * np.sqrt(0.5 / errors.size))
    assert float(jnp.abs(minus).max()) == 0.0  # a pixel without light has no error of light


def test_pixels_of_one_piece_of_glass_stay_and_those_of_another_are_others(bare):
    engine = bare({"panel.fixed_pattern": True, "panel.element_residual": 0.03, "panel.extinction_ratio": 4.0})
    ones = jnp.ones((48, 16))
    (plus, minus), (again, _), (other, _) = (transmissions(engine, ones, i).rails for i in (1, 1, 2))
    np.testing.assert_array_equal(plus, again)
    assert_uncorrelated(plus, other)
    # Neither do rails or tiles share a pattern.
    assert_uncorrelated(plus, minus)
    assert_uncorrelated(plus[0], plus[1])


def test_rails_of_an_output_are_out_of_balance_together(bare):
    engine = bare({"panel.fixed_pattern": True, "panel.rail_residual": 0.02, "panel.outputs": 2048})
    (plus, minus), _, _ = transmissions(engine, jnp.concatenate([jnp.ones((1, 2048)), -jnp.ones((1, 2048))]), 0)
    up, down = np.asarray(plus[0, 0], np.float64) - 1, np.asarray(minus[0, 1], np.float64) - 1
    np.testing.assert_allclose(up, -down, atol=1e-6)
    assert_normal((up - down) / 0.02)


def test_a_single_rail_has_nothing_to_be_out_of_balance_with(bare):
    (only,) = _errors(bare({**_PATTERN, "panel.rail_residual": 0.1}), rails=1)
    np.testing.assert_array_equal(only, 0.0)


def test_without_a_pattern_the_light_is_left_alone(bare):
    rails = (_OPEN, _OPEN)
    assert disturb(bare({"panel.element_residual": 0.1, "source.gain_residual": 0.1}), rails, 3) is rails


# Sources ----------------------------------------------------------------------------------------------------------


def test_a_source_is_bright_or_dim_on_all_of_its_panel(bare):
    plus, minus = _errors(bare({**_PATTERN, "source.gain_residual": 0.05}))
    np.testing.assert_array_equal(plus, minus)
    by_panel = plus.reshape(2, 64, 3, 16)
    np.testing.assert_array_equal(by_panel, np.broadcast_to(by_panel[..., :1], by_panel.shape))
    # 2 tiles x 64 sources x 3 panels: 384 draws; each tile and each panel has sources of its own.
    draws = by_panel[..., 0]
    assert_normal(draws / 0.05)
    _assert_width(draws, 0.05)
    assert_uncorrelated(draws[0], draws[1])
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert_uncorrelated(draws[..., a], draws[..., b])


@pytest.mark.parametrize("age_s", [100.0, 3600.0])
def test_drift_grows_with_the_root_of_the_age(bare, age_s):
    engine = bare({**_PATTERN, "source.drift_per_root_s": 1e-3, "source.count": 64})
    (drifted,) = _errors(engine.at(age_s=age_s), rails=1)
    (four,) = _errors(engine.at(age_s=4 * age_s), rails=1)
    # float32 keeps 1 + error to 6e-8.
    np.testing.assert_allclose(four, 2 * drifted, atol=2e-7)
    _assert_width(drifted.reshape(2, 64, 3, 16)[..., 0], 1e-3 * np.sqrt(age_s))


def test_drift_comes_on_top_of_what_calibration_left(bare):
    fresh = bare({**_PATTERN, "source.gain_residual": 0.05, "source.drift_per_root_s": 1e-3})
    steady = bare({**_PATTERN, "source.gain_residual": 0.05})
    # At age 0 the rate of drift is not seen at all.
    for ours, theirs in zip(_errors(fresh), _errors(steady), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    since = _errors(fresh.at(age_s=900.0))[0] - _errors(fresh)[0]
    draws = since.reshape(2, 64, 3, 16)[..., 0]
    _assert_width(draws, 0.03)
    assert_uncorrelated(draws, _errors(fresh)[0].reshape(2, 64, 3, 16)[..., 0])


def test_the_slope_of_age_zero_is_finite(bare):
    engine = bare({**_PATTERN, "source.drift_per_root_s": 1e-3, "readout.drift_per_root_s": 1e-3})
    slope = jax.grad(lambda age: jnp.sum(jnp.square(disturb(engine.at(age_s=age), (_OPEN,), 0)[0])))
    assert bool(jnp.isfinite(slope(0.0))) and float(slope(100.0)) != 0.0


# Electronics ------------------------------------------------------------------------------------------------------

_READOUT = {
    **_PATTERN,
    "readout.gain_residual": 0.02,
    "readout.offset_residual": 0.01,
    "readout.pass_residual": 0.005,
    "readout.drift_per_root_s": 0.0,
}


def test_errors_of_the_electronics(bare):
    errors = {name: np.asarray(e, np.float64) for name, e in readout_errors(bare(_READOUT), (4, 1024), 5).items()}
    assert set(errors) == {"gain", "offset", "pass"}
    # 4096 draws of each kind.
    for name, width in (("gain", 0.02), ("offset", 0.01), ("pass", 0.005)):
        assert_normal(errors[name] / width)
        _assert_width(errors[name], width)
        assert_uncorrelated(errors[name][0], errors[name][1])
    assert_uncorrelated(errors["gain"], errors["offset"])
    assert_uncorrelated(errors["gain"], errors["pass"])


def test_gains_drift_and_offsets_do_not(bare):
    engine = bare({**_READOUT, "readout.drift_per_root_s": 1e-3})
    fresh, old = (readout_errors(engine.at(age_s=age), (4, 1024), 5) for age in (0.0, 400.0))
    np.testing.assert_array_equal(fresh["gain"], readout_errors(bare(_READOUT), (4, 1024), 5)["gain"])
    _assert_width(np.asarray(old["gain"] - fresh["gain"]), 0.02)
    assert_uncorrelated(old["gain"] - fresh["gain"], fresh["gain"])
    for name in ("offset", "pass"):
        np.testing.assert_array_equal(old[name], fresh[name])


def test_only_what_is_switched_on_is_there(bare):
    assert readout_errors(bare({"readout.gain_residual": 0.1}), (1, 4), 0) == {}
    assert set(readout_errors(bare({"readout.fixed_pattern": True}), (1, 4), 0)) == {"gain", "offset"}
    assert set(readout_errors(bare({"readout.pass_mismatch": True}), (1, 4), 0)) == {"pass"}


# Instances --------------------------------------------------------------------------------------------------------

_ALL = {**_READOUT, "panel.element_residual": 0.03, "panel.rail_residual": 0.01, "source.gain_residual": 0.02}
_W = jax.random.normal(jax.random.key(5), (48, 20))


def test_an_instance_is_a_number_or_a_key():
    number = instance_key(7)
    assert jnp.issubdtype(number.dtype, jax.dtypes.prng_key)
    for same in (np.int64(7), jnp.asarray(7), number):
        assert bool(instance_key(same) == number)  # pyright: ignore[reportArgumentType]
    assert not bool(instance_key(8) == number)


def test_the_same_instance_is_the_same_machine_whoever_asks(bare, loaded):
    engine = bare(_ALL)
    panel = engine.load_panel(_W, instance=3)
    for again in (loaded(engine, _W, None, 3), loaded(engine, _W, None, instance_key(3))):
        np.testing.assert_allclose(again.difference, panel.difference, atol=1e-6)
        for name, error in panel.errors.items():
            np.testing.assert_array_equal(again.errors[name], error)
    # Whatever is loaded: the errors are those of the glass.
    other = engine.load_panel(2 * _W[::-1], instance=3)
    np.testing.assert_array_equal(other.errors["gain"], panel.errors["gain"])


@pytest.mark.parametrize(("one", "other"), [(3, 4), (jax.random.key(0), jax.random.key(1)), (0, jax.random.key(0))])
def test_instances_are_independent(bare, one, other):
    engine = bare(_ALL)
    for ours, theirs in zip(_errors(engine, one), _errors(engine, other), strict=True):
        # Pixels, 6144 of them; sources and rails of the two are others as well.
        assert_uncorrelated(ours, theirs)
    mine, yours = (readout_errors(engine, (4, 256), instance) for instance in (one, other))
    for name, error in mine.items():
        assert_uncorrelated(error, yours[name])


def test_many_instances_in_one_program(bare):
    # Monte Carlo over fabrication: the spread over instances is the width over pixels.
    engine = bare({**_PATTERN, "panel.element_residual": 0.03})
    keys = jax.random.split(jax.random.key(1), 400)
    pixels = jax.jit(jax.vmap(lambda key: disturb(engine, (jnp.ones((1, 2, 3)),), key)[0]))(keys)
    _assert_width(np.asarray(pixels, np.float64) - 1.0, 0.03)
    for i in (0, 399):
        np.testing.assert_allclose(pixels[i], disturb(engine, (jnp.ones((1, 2, 3)),), keys[i])[0], rtol=1e-6)
