"""Memory of the light path: two taps by hand, sequences apart, and the engine's time axis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.settling import leaked

_LEAK, _DARK = 0.1, 0.05
# Two sequences of three vectors of two inputs, two passes each.
_PLUS = jnp.arange(12.0).reshape(6, 2) / 12
_MINUS = 1.0 - _PLUS


def test_two_taps_by_hand():
    (plus, minus), (last,) = leaked([(_PLUS, _MINUS), (_PLUS / 2,)], _LEAK, _DARK, 3)
    # Pass 0 of a vector follows the last pass of the vector before it, and darkness at the start of a sequence.
    before = np.concatenate([[[_DARK] * 2], _PLUS[:2] / 2, [[_DARK] * 2], _PLUS[3:5] / 2])
    np.testing.assert_allclose(plus, 0.9 * _PLUS + 0.1 * before, rtol=1e-6)
    np.testing.assert_allclose(minus, 0.9 * _MINUS + 0.1 * _PLUS, rtol=1e-6)
    np.testing.assert_allclose(last, 0.9 * _PLUS / 2 + 0.1 * _MINUS, rtol=1e-6)


def test_nothing_leaks_from_one_sequence_to_another():
    first = leaked([(_PLUS, _MINUS)], _LEAK, _DARK, 3)[0]
    other = _PLUS.at[:3].set(7.0), _MINUS.at[:3].set(9.0)
    for ours, theirs in zip(first, leaked([other], _LEAK, _DARK, 3)[0], strict=True):
        np.testing.assert_array_equal(ours[3:], theirs[3:])
    # As one sequence of six it would.
    as_one = leaked([other], _LEAK, _DARK, 6)[0]
    assert np.abs(np.asarray(as_one[0][3] - first[0][3])).max() > 0.5


def test_tiles_are_side_by_side():
    tiles = jnp.stack([_PLUS, _MINUS])
    together = leaked([(tiles, tiles)], _LEAK, _DARK, 3)[0]
    for tile in range(2):
        alone = leaked([(tiles[tile], tiles[tile])], _LEAK, _DARK, 3)[0]
        for ours, theirs in zip(together, alone, strict=True):
            np.testing.assert_array_equal(ours[tile], theirs)


def test_light_that_does_not_change_stays():
    still = jnp.full((4, 3), 0.3)
    for light in leaked([(still, still)], 0.4, 0.3, 4)[0]:
        np.testing.assert_allclose(light, still, rtol=1e-6)


# Of the engine ---------------------------------------------------------------------------------------------------

_SLOW = {"modulator.settling": True, "modulator.bandwidth_hz": 3.5e8, "modulator.extinction_ratio": 10.0}
_L = float(np.exp(-2 * np.pi * 0.35))
_X = jax.random.normal(jax.random.key(1), (2, 3, 24))
_W = jax.random.normal(jax.random.key(2), (24, 5))


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("method", ["matmul", "matmul_reference"])
def test_the_time_axis_is_the_last_but_one(bare, method):
    engine = bare(_SLOW)
    y = np.asarray(getattr(engine, method)(jax.random.key(3), _X, _W), np.float64)
    # Signed drives by hand: plus follows minus of the token before, minus follows plus; the floors cancel.
    scale = np.abs(np.asarray(_X, np.float64)).max(axis=-1, keepdims=True)
    drive = np.asarray(_X, np.float64) / scale
    plus, minus = np.maximum(drive, 0.0), np.maximum(-drive, 0.0)
    before = np.concatenate([np.zeros_like(minus[:, :1]), minus[:, :-1]], axis=1)
    shown = (1 - _L) * plus + _L * before - (1 - _L) * minus - _L * plus
    np.testing.assert_allclose(y, scale * shown @ np.asarray(_W, np.float64), atol=2e-5)
    assert np.abs(y - np.asarray(_X @ _W)).max() > 0.1


@pytest.mark.usefixtures("uncompiled")
def test_a_slow_receiver_and_a_slow_modulator_leak_one_after_the_other(bare, catalogue):
    changes = {"receiver": catalogue.receiver, "receiver.filter": "one-pole", "receiver.bandwidth_hz": 5e8}
    engine = bare({**_SLOW, **changes})
    drive = jnp.clip(_X.reshape(6, 24) / 4, -1.0, 1.0)
    floor = engine.modulator.floor()
    (asked,) = bare({**_SLOW, "modulator.settling": False}).lights(drive, (2, 3))
    (expected,) = leaked(leaked([asked], _L, floor, 3), float(np.exp(-np.pi)), floor, 3)
    (lights,) = engine.lights(drive, (2, 3))
    for ours, theirs in zip(lights, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)


@pytest.mark.usefixtures("uncompiled")
def test_a_sequence_of_one_token_follows_darkness(bare):
    engine = bare(_SLOW)
    alone = engine.matmul(jax.random.key(3), _X[:, 1], _W)
    # A batch of vectors without a time axis is one sequence of them. float32 sums of other shapes, of numbers up to 8:
    # some roundings of 5e-7 each.
    np.testing.assert_allclose(alone[0], engine.matmul(jax.random.key(3), _X[0, 1], _W), atol=1e-5)
    several = engine.matmul(jax.random.key(3), _X[:, 1:2], _W)
    np.testing.assert_allclose(several[0, 0], alone[0], atol=1e-5)
    assert np.abs(np.asarray(several[1, 0] - alone[1])).max() > 1e-2
