"""Adaptive block floating point: the published equation, its gain, signed light, and the published statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import photonics
from photonics.block_floating_point.blocks import block_scale
from photonics.block_floating_point.engine import BlockFloatingPointEngine
from photonics.catalogue import apply_overrides, read_engine_file
from photonics.work import Contraction, Work
from tests.photonics.family_engines import EXACT

_X, _W = jax.random.normal(jax.random.key(1), (40, 300)), jax.random.laplace(jax.random.key(2), (300, 20))
# Nothing but rounding and clipping.
_QUIET = {**EXACT["block-floating-point"], "dac.ideal": False, "weights.ideal": False, "adc.ideal": False}
_QUIET["adc.enob_loss"] = 0.0


@pytest.fixture(scope="module")
def engine() -> BlockFloatingPointEngine:
    return photonics.load_engine("lightmatter-2025")  # pyright: ignore[reportReturnType]


def _quantised(value: np.ndarray, bits: int) -> np.ndarray:
    levels = 2 ** (bits - 1) - 1
    return np.round(np.clip(value, -1, 1) * levels) / levels


@pytest.mark.parametrize("gain", [1.0, 1.86, 8.0])
def test_the_published_equation(gain, engine, product):
    # y = s_w s_x / G Q_by{G sum Q_bw(w / s_w) Q_bx(x / s_x)} by tiles of 128, full scale of Q_by the width of the tile.
    x, w = (np.pad(np.asarray(part), pad) for part, pad in ((_X, ((0, 0), (0, 0))), (_W, ((0, 0), (0, 0)))))
    expected = np.zeros((40, 20))
    for start in range(0, 300, 100):
        rows = slice(start, start + 100)
        s_x = np.asarray(block_scale(jnp.asarray(x[:, rows]), -1))
        s_w = np.asarray(block_scale(jnp.asarray(w[rows]), 0))
        total = _quantised(x[:, rows] / s_x, 10) @ _quantised(w[rows] / s_w, 7)
        expected += s_x * s_w * 128 / gain * _quantised(gain * total / 128, 11)
    y = np.asarray(product(engine.replace(**{**_QUIET, "channels.gain": gain}), jax.random.key(0), _X, _W))
    # The last bit of a float32 sum may move a code: a step of a tile is worth up to 4 here, and few do.
    moved = np.abs(y - expected) > 1e-3
    assert moved.mean() < 0.01


def test_shot_noise_does_not_depend_on_the_weights(engine):
    drive = jnp.ones((1, 128))
    light = [float(engine.electrons(drive, {"v": jnp.full((128, 3), v)})) for v in (0.0, 0.5, -1.0)]
    assert light[0] == light[1] == light[2] == pytest.approx(3 * 128 * float(engine.electrons_per_path()))


def test_repeated_noise_is_that_of_the_converter_and_the_light(engine, product):
    x, w = jnp.broadcast_to(_X[:1, :128], (20_000, 128)), _W[:128, :4]
    y = np.asarray(product(engine, jax.random.key(3), x, w), np.float64)
    panel = engine.load_panel(w)
    unit = np.asarray(panel.scale[0]) * np.asarray(block_scale(_X[:1, :128], -1))[0]
    gain = np.asarray(panel.values["gain"][0])
    lsb = 128 / 1.86 / 1023
    path, at = float(engine.electrons_per_path()), engine.operating_point
    light = float(jnp.sum(jnp.abs(engine.drive(_X[0, :128] / block_scale(_X[:1, :128], -1)[0]))))
    dark = 2 * float(engine.photodetector.dark_electrons(at))
    receiver = float(engine.receiver.readout_variance(at, engine.photodetector.capacitance_f))
    variance = (path * light + dark + receiver) / path**2 * gain**2 + lsb**2 * (1.655**2 + 1 / 12)
    # 20,000 draws with the kurtosis of a logistic (4.2): 1.3 % of the variance in one standard error; five.
    np.testing.assert_allclose(y.var(axis=0) / unit**2, variance / gain**2, rtol=0.065)


def test_raw_channels_show_their_gain(product):
    raw = photonics.load_engine("lightmatter-2025-raw")
    quiet = raw.replace(**{**_QUIET, "channels.fixed_pattern": True})
    y, exact = product(quiet, jax.random.key(0), _X[:, :128], _W[:128]), _X[:, :128] @ _W[:128]
    slope = np.sum(np.asarray(y * exact), axis=0) / np.sum(np.asarray(exact**2), axis=0)
    gain = np.asarray(quiet.load_panel(_W[:128]).values["gain"][0])
    np.testing.assert_allclose(slope, gain, rtol=0.02)
    assert abs(gain.mean() - 0.834) < 0.04


def test_the_gain_recovers_low_bits_until_it_clips(engine, product):
    def error(gain: float) -> float:
        y = product(engine.replace(**{**_QUIET, "channels.gain": gain, "adc.bits": 8}), jax.random.key(0), _X, _W)
        return float(jnp.sqrt(jnp.mean(jnp.square(y - _X @ _W))))

    errors = [error(gain) for gain in (1.0, 2.0, 4.0)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1) and errors[1] / errors[2] == pytest.approx(2, rel=0.1)
    assert error(200.0) > errors[2]


def test_a_package_is_four_cores_of_the_published_rate_and_power(engine):
    assert 4 * 2 * engine.macs_per_s() == pytest.approx(65.536e12)
    parts_w = {part: float(power_w) for part, power_w in engine.power_budget().items()}
    # Anchored on the published 78 W for everything but the lasers.
    assert 4 * (sum(parts_w.values()) - parts_w["laser"]) == pytest.approx(78, rel=0.01)


def test_attention_is_within_reach(engine):
    data = Contraction("attention/scores", batch=3, m=512, k=64, n=512, count=1)
    cost = engine.cost(Work((data,)), dynamic=["scores"])
    # 64 x 512 on cores of 128 x 128: four tiles for each of three heads.
    assert cost.panel_loads == 12 and cost.load_time_s == pytest.approx(12 * 50e-9)
    assert cost.time_s == pytest.approx(512 / 0.5e9 + 50e-9)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("adc.enob_loss=10.5", "at least 1 effective bit"),
        ("operating_point.symbol_rate_hz=1e12", "adc"),
        ("receiver.filter=one-pole", "receivers of this family integrate"),
        ("channels.noise=cauchy", "one of normal, logistic, uniform"),
        ("channels.gian=2", "nearest is 'channels.gain'"),
        ("source.count=7", "unknown key"),
    ],
)
def test_wrong_values_are_refused(override, message):
    with pytest.raises(ValueError, match=message):
        apply_overrides(read_engine_file("lightmatter-2025"), [override])
