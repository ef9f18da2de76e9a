"""Ranges of the converters: what a sample shows, what weights alone suggest, and how pedestals and digits enter."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.free_space import FreeSpaceEngine
from photonics.ranges import ranges_of
from photonics.transmissions import transmissions

_K, _N = 48, 6
_W = jax.random.normal(jax.random.key(1), (_K, _N))
_SAMPLE = jax.random.normal(jax.random.key(2), (400, _K))
_FLOORS = {"modulator.extinction_ratio": 8.0, "panel.extinction_ratio": 8.0}
_ENCODINGS = {
    "passes, rails": {},
    "converter per pass": {"encoding.conversion": "pass"},
    "offset weights": {"encoding.weight_sign": "offset"},
    "offset weights, converter per pass": {"encoding.weight_sign": "offset", "encoding.conversion": "pass"},
    "offset activations": {"encoding.activation_sign": "offset"},
    "offset both": {"encoding.weight_sign": "offset", "encoding.activation_sign": "offset"},
}

pytestmark = pytest.mark.usefixtures("uncompiled")


def _ranges(engine: FreeSpaceEngine, sample: jax.Array | None) -> np.ndarray:
    """Half ranges (tiles, n)."""
    return np.asarray(ranges_of(engine, sample, transmissions(engine, _W, 0).meant)[0], np.float64)


def _signals(engine: FreeSpaceEngine) -> np.ndarray:
    """What the converters see of the sample (tiles, exposures and tokens, n), light added up by hand."""
    x, w = np.asarray(_SAMPLE, np.float64), np.asarray(_W, np.float64).reshape(2, 24, _N)
    drive = x / np.abs(x).max(axis=1, keepdims=True)
    v = w / np.abs(w).max(axis=1, keepdims=True)
    e_m, e_t = 1 / engine.modulator.extinction_ratio, 1 / engine.panel.extinction_ratio
    halves = [np.maximum(v, 0), np.maximum(-v, 0)] if engine.encoding.weight_sign == "rails" else [(1 + v) / 2]
    rails = [e_t / (1 - e_t) + half for half in halves]
    value = rails[0] - rails[1] if len(rails) == 2 else rails[0]
    if engine.encoding.activation_sign == "offset":
        shown = [(1 + drive) / 2 + e_m / (1 - e_m)]
    elif engine.encoding.conversion == "pass":
        shown = [np.maximum(sign * drive, 0) + e_m / (1 - e_m) for sign in (1, -1)]
    else:
        shown = [drive]
    tiled = [light.reshape(-1, 2, 24).swapaxes(0, 1) for light in shown]
    return np.concatenate([light @ value for light in tiled], axis=1)


@pytest.mark.parametrize("name", _ENCODINGS)
@pytest.mark.parametrize("statistic", ["sigmas", "percentile"])
def test_the_range_of_a_sample_is_that_of_the_signals_by_hand(bare, name, statistic):
    changes = {"ranging.statistic": statistic, "ranging.sigmas": 3.0, "ranging.percentile": 90.0}
    engine = bare({**_FLOORS, **_ENCODINGS[name], **changes, "source.count": 24})
    # A pedestal is the mean; only what is around it is spread. Codes of one sign have half of the range.
    pedestal = name not in ("passes, rails", "offset weights")
    reaches = []
    for signal in np.split(_signals(engine), engine.encoding.conversions, axis=1):
        mean = signal.mean(axis=1, keepdims=True) if pedestal else np.zeros((2, 1, _N))
        around = signal - mean
        if statistic == "sigmas":
            spread = 3.0 * np.sqrt(np.mean(around**2, axis=1))
        else:
            spread = engine.ranging.margin * np.percentile(np.abs(around), 90.0, axis=1)
        reaches.append(np.abs(mean[:, 0]) + spread)
    one_sided = name in ("offset weights, converter per pass", "offset both")
    # One converter serves the passes that are converted alone: the widest decides.
    expected = np.maximum.reduce(reaches) * (0.5 if one_sided else 1.0)
    np.testing.assert_allclose(_ranges(engine, _SAMPLE), expected, rtol=1e-4)
    assert engine.unipolar() is one_sided


@pytest.mark.parametrize("name", _ENCODINGS)
def test_weights_alone_suggest_nearly_what_a_normal_sample_shows(bare, name):
    engine = bare({**_FLOORS, **_ENCODINGS[name], "ranging.sigmas": 4.0, "source.count": 24})
    ratio = _ranges(engine, None) / _ranges(engine, _SAMPLE)
    # 400 tokens leave 4 % on a deviation; the drives of 24 inputs are normalised by the largest of 48, and typical
    # operands overestimate that by a fifth at this length (`photonics.operands`).
    assert np.all((ratio > 0.75) & (ratio < 1.35)), ratio


@pytest.mark.parametrize("name", _ENCODINGS)
def test_no_range_exceeds_the_largest_signal(bare, name):
    engine = bare({**_FLOORS, **_ENCODINGS[name], "ranging.sigmas": 1e6, "source.count": 24})
    from_sample, from_weights = _ranges(engine, _SAMPLE), _ranges(engine, None)
    np.testing.assert_allclose(from_sample, from_weights, rtol=1e-5)
    reached = np.abs(_signals(engine)).max(axis=1) * (0.5 if engine.unipolar() else 1.0)
    assert np.all(from_sample > reached)
    fraction = engine.replace(**{"ranging.statistic": "fraction", "ranging.fraction": 1.0})
    np.testing.assert_allclose(_ranges(fraction, None), from_sample, rtol=1e-5)


def test_the_largest_signal_by_hand(bare):
    full = {"ranging.statistic": "fraction", "ranging.fraction": 1.0, "source.count": 24}
    w = np.asarray(_W, np.float64).reshape(2, 24, _N)
    v = w / np.abs(w).max(axis=1, keepdims=True)
    np.testing.assert_allclose(_ranges(bare(full), None), np.abs(v).sum(axis=1), rtol=1e-5)
    # Light only: every source full, half of it for the half range.
    both = bare({**full, **_ENCODINGS["offset both"]})
    np.testing.assert_allclose(_ranges(both, None), ((1 + v) / 2).sum(axis=1) / 2, rtol=1e-5)


def test_idle_sources_and_dark_current_are_within_the_range_of_light(bare):
    changes = {**_FLOORS, **_ENCODINGS["offset both"], "ranging.sigmas": 3.0}
    dark = {"photodetector.dark_current_a": 1e-5, "operating_point.laser_power_w": 1e-4, "source.count": 56}
    engine = bare({**changes, **dark})
    meant = transmissions(engine, _W, 0).meant
    added = _half_range(engine, meant) - _half_range(bare({**changes, "source.count": 48}), meant)
    # Eight idle sources at both floors, and I_d / (q f) electrons in units of the gain; half for the half range.
    electrons = 8 * float(engine.electrons_per_path()) / 64 + 1e-5 / 1.602176634e-19 / 1e9
    np.testing.assert_allclose(added, electrons / float(engine.gain_electrons()) / 2, rtol=1e-3)
    assert added.min() > 0.01


def _half_range(engine: FreeSpaceEngine, meant: jax.Array) -> np.ndarray:
    return np.asarray(ranges_of(engine, _SAMPLE, meant)[0], np.float64)


def test_every_digit_of_the_weights_has_ranges_of_its_own(bare):
    engine = bare({"panel.ideal": False, "encoding.weight_slices": 2, "source.count": 24})
    light = transmissions(engine, _W, 0)
    full_scale, _ = ranges_of(engine, _SAMPLE, light.meant)
    assert full_scale.shape == (4, _N)
    x = np.asarray(_SAMPLE, np.float64)
    drive = (x / np.abs(x).max(axis=1, keepdims=True)).reshape(-1, 2, 24).swapaxes(0, 1)
    signal = np.concatenate([drive, drive]) @ np.asarray(light.meant, np.float64)
    largest = np.abs(np.asarray(light.meant, np.float64)).sum(axis=1)
    expected = np.minimum(10.0 * np.sqrt(np.mean(signal**2, axis=1)), largest)
    np.testing.assert_allclose(full_scale, expected, rtol=1e-4)


def test_static_scales_come_with_the_ranges(bare):
    engine = bare({"encoding.activation_scale": "static"})
    meant = jnp.ones((2, 24, _N)) / 2
    full_scale, scale = ranges_of(engine, _SAMPLE.reshape(4, 100, _K), meant)
    assert float(scale) == float(jnp.abs(_SAMPLE).max())
    assert full_scale.shape == (2, _N)
    with pytest.raises(ValueError, match="need a calibration sample"):
        ranges_of(engine, None, meant)
