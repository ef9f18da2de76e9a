"""Electronics between receiver and converter: crosstalk and its correction, clipping, gains, offsets, mismatch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.readout import UNMIX_OPS, Readout
from tests.photonics.agreement import largest_z, z_of_variances

_X = jax.random.normal(jax.random.key(1), (40, 24))
_W = jax.random.normal(jax.random.key(2), (24, 20))
_KEY = jax.random.key(3)
_BOTH = pytest.mark.parametrize("method", ["matmul", "matmul_reference"])


def _readout(**changes) -> Readout:
    values = {
        "saturates": False,
        "pass_mismatch": False,
        "pass_residual": 0.0,
        "fixed_pattern": False,
        "gain_residual": 0.0,
        "offset_residual": 0.0,
        "drift_per_root_s": 0.0,
        "crosstalk": False,
        "crosstalk_per_neighbour": 0.0,
        "crosstalk_residual": 0.0,
    }
    return Readout(**{**values, **changes})


def _matrix(share: float, width: int) -> np.ndarray:
    return np.eye(width) + share * (np.eye(width, k=1) + np.eye(width, k=-1))


def test_neighbours_couple_and_the_known_part_is_undone():
    signal = jax.random.normal(jax.random.key(0), (7, 9))
    readout = _readout(crosstalk=True, crosstalk_per_neighbour=0.1, crosstalk_residual=0.03)
    mixed = np.asarray(readout.mix(signal), np.float64)
    np.testing.assert_allclose(mixed, np.asarray(signal, np.float64) @ _matrix(0.1, 9), atol=1e-6)
    expected = np.asarray(signal, np.float64) @ _matrix(0.1, 9) @ np.linalg.inv(_matrix(0.07, 9))
    np.testing.assert_allclose(readout.unmix(jnp.asarray(mixed, jnp.float32)), expected, atol=1e-5)
    assert readout.correction_ops() == UNMIX_OPS and _readout().correction_ops() == 0


def test_the_swing_ends_on_both_sides():
    electrons = jnp.array([-7e4, -1e4, 0.0, 3e4, 5e4])
    np.testing.assert_array_equal(_readout(saturates=True).clip(electrons, 2e4), [-2e4, -1e4, 0.0, 2e4, 2e4])
    assert _readout().clip(electrons, 2e4) is electrons


# On the engine ----------------------------------------------------------------------------------------------------

_CROSSTALK = {"readout.crosstalk": True, "readout.crosstalk_per_neighbour": 0.2, "readout.crosstalk_residual": 0.0}
_OFFSETS = {"encoding.weight_sign": "offset", "encoding.activation_sign": "offset"}


@pytest.mark.usefixtures("uncompiled")
@_BOTH
@pytest.mark.parametrize("encoding", [{}, _OFFSETS], ids=["rails", "offset"])
def test_crosstalk_that_is_known_is_undone_on_every_panel(bare, method, encoding):
    # 16 outputs on one panel, four on the next: nothing crosses between them, and nothing comes from beside the four.
    y = np.asarray(getattr(bare({**_CROSSTALK, **encoding}), method)(_KEY, _X, _W), np.float64)
    exact = np.asarray(_X, np.float64) @ np.asarray(_W, np.float64)
    # The inverse amplifies rounding by 1 / (1 - 2 c), the pedestal by as much again.
    np.testing.assert_allclose(y, exact, atol=1e-4)


@pytest.mark.usefixtures("uncompiled")
@_BOTH
def test_crosstalk_that_is_not_known_stays_within_a_panel(bare, method):
    engine = bare({**_CROSSTALK, "readout.crosstalk_per_neighbour": 0.05, "readout.crosstalk_residual": 0.05})
    y = np.asarray(getattr(engine, method)(_KEY, _X, _W), np.float64)
    # In units of each column's own scale, because the panel normalises columns.
    scale = np.abs(np.asarray(_W, np.float64)).max(axis=0)
    z = np.asarray(_X, np.float64) @ np.asarray(_W, np.float64) / scale
    expected = np.concatenate([z[:, :16] @ _matrix(0.05, 16), z[:, 16:] @ _matrix(0.05, 4)], axis=1) * scale
    np.testing.assert_allclose(y, expected, atol=2e-5)


_REPEATS = 4_000


@pytest.mark.usefixtures("uncompiled")
@_BOTH
def test_the_correction_mixes_the_noise_of_the_converters(bare, method):
    # Rounding errors S of ideal signals come out as E^-1 S E^-T; only converters make noise here.
    share, n = 0.2, 5
    changes = {**_CROSSTALK, "readout.crosstalk_per_neighbour": share, "ranging.per": "tile"}
    engine = bare({**changes, "adc.ideal": False, "adc.bits": 12, "adc.enob_loss": 7.0})
    x, w = jnp.tile(_X[:1], (_REPEATS, 1)), _W[:, :n] / jnp.abs(_W[:, :n]).max(axis=0)
    y = np.asarray(getattr(engine, method)(_KEY, x, w), np.float64)
    full_scale = float(engine.load_panel(w).full_scale[0, 0])
    single = (2 * full_scale) ** 2 / 12 * 4.0 ** -(12 - 7.0) * float(jnp.abs(x[0]).max()) ** 2
    inverse = np.linalg.inv(_matrix(share, n))
    covariance = single * inverse.T @ inverse
    assert np.abs(z_of_variances(y, np.diag(covariance))).max() < largest_z(2 * n)
    correlation = np.asarray(np.corrcoef(y.T))[np.triu_indices(n, 1)]
    expected = (covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance))))[np.triu_indices(n, 1)]
    np.testing.assert_allclose(correlation, expected, atol=5 / np.sqrt(_REPEATS))
    assert np.abs(expected).max() > 0.3


@pytest.mark.usefixtures("uncompiled")
@_BOTH
def test_crosstalk_mixes_the_noise_of_receivers_and_its_correction_unmixes_it(bare, catalogue, method):
    # Before the ADC nothing is lost: receiver noise of every output is its own again.
    engine = bare({"receiver": catalogue.receiver, "operating_point.laser_power_w": 1e-4})
    mixed = engine.replace(**_CROSSTALK)
    x = jnp.tile(_X[:1], (_REPEATS, 1))
    y, through = (np.asarray(getattr(e, method)(_KEY, x, _W[:, :5]), np.float64) for e in (engine, mixed))
    assert np.abs(z_of_variances(through, y)).max() < largest_z(5)
    assert np.abs(np.asarray(np.corrcoef(through.T))[np.triu_indices(5, 1)]).max() < 5 / np.sqrt(_REPEATS)


@pytest.mark.usefixtures("uncompiled")
@_BOTH
def test_gains_and_offsets_of_an_instance(bare, method):
    changes = {"readout.fixed_pattern": True, "readout.gain_residual": 0.05, "readout.offset_residual": 0.02}
    engine = bare(changes)
    y = np.asarray(getattr(engine, method)(_KEY, _X, _W), np.float64)
    panel = engine.load_panel(_W)
    gain, offset, full = (np.asarray(a, np.float64)[0] for a in (*_two(panel.errors), panel.full_scale))
    s_x = np.abs(np.asarray(_X, np.float64)).max(axis=1, keepdims=True)
    exact = np.asarray(_X, np.float64) @ np.asarray(_W, np.float64)
    expected = exact * (1 + gain) + offset * full * s_x * np.asarray(panel.scale[0], np.float64)
    np.testing.assert_allclose(y, expected, atol=2e-5)
    assert np.abs(gain).max() > 0.03 and np.abs(offset).max() > 0.01


def _two(errors: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    return errors["gain"], errors["offset"]


@pytest.mark.usefixtures("uncompiled")
@_BOTH
def test_unequal_passes_let_half_of_their_sum_through(bare, method):
    engine = bare({"readout.pass_mismatch": True, "readout.pass_residual": 0.1, "modulator.extinction_ratio": 10.0})
    y = np.asarray(getattr(engine, method)(_KEY, _X, _W), np.float64)
    d = np.asarray(engine.load_panel(_W).errors["pass"], np.float64)[0]
    x, w = np.asarray(_X, np.float64), np.asarray(_W, np.float64)
    s_x = np.abs(x).max(axis=1, keepdims=True)
    # The light of both passes: |x| and twice the floor, e / (1 - e) = 1/9.
    expected = x @ w + d / 2 * ((np.abs(x) + 2 / 9 * s_x) @ w)
    np.testing.assert_allclose(y, expected, atol=5e-5)
    assert np.abs(d).max() > 0.1


@pytest.mark.usefixtures("uncompiled")
@_BOTH
def test_a_receiver_clips_every_pass(bare, method):
    engine = bare({"readout.saturates": True, "operating_point.laser_power_w": 1e-3})
    # A swing of 1.5 units of signal, in electrons of an integrating capacitor: C V / q.
    swing = 1.5 * float(engine.gain_electrons())
    well = {"receiver.capacitance_f": 1e-15, "receiver.output_swing_v": swing * 1.602176634e-19 / 1e-15}
    engine = engine.replace(**well, **{"operating_point.temperature_k": 1e-3})
    y = np.asarray(getattr(engine, method)(_KEY, _X, _W), np.float64)
    x, w = np.asarray(_X, np.float64), np.asarray(_W, np.float64)
    s_x, s_w = np.abs(x).max(axis=1, keepdims=True), np.abs(w).max(axis=0)
    passes = [np.clip(np.maximum(sign * x / s_x, 0) @ (w / s_w), -1.5, 1.5) for sign in (1, -1)]
    # k T C at 1 mK is below an electron.
    np.testing.assert_allclose(y, (passes[0] - passes[1]) * s_x * s_w, atol=1e-3)
    assert np.abs(y - x @ w).max() > 0.5
