"""Detection light by light: the linear path where nothing bends, closed forms where something does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics import one_by_one
from photonics.free_space import FreeSpaceEngine
from photonics.receiver import IntegratingReceiver
from tests.photonics.agreement import largest_z, z_of_means, z_of_variances

_K, _N, _REPEATS = 24, 5, 8_000
_X = jax.random.normal(jax.random.key(1), (1, _K))
_W = jax.random.normal(jax.random.key(2), (_K, _N))
_KEY = jax.random.key(3)

_FLOORS = {"modulator.extinction_ratio": 12.0, "panel.extinction_ratio": 7.0}
_CAPACITOR = IntegratingReceiver(capacitance_f=2e-13, reset_v=1.0, amplifier_power_w=0.0, output_swing_v=1e6)
_NOISE = {
    **_FLOORS,
    "photodetector.shot_noise": True,
    "photodetector.dark_current_a": 1e-6,
    "operating_point.laser_power_w": 1e-4,
    "receiver": _CAPACITOR,
    "source.noise": "independent",
    "source.rin_per_hz": 1e-12,
}
# k T C of the integrator is nothing, and so little light that 1 kA is far away.
_COLD = {"operating_point.temperature_k": 1e-12, "operating_point.laser_power_w": 1e-4}
# Each of these has its lights followed one by one, and none of them does anything.
_FAR = {
    "saturation": {"photodetector.saturates": True, "photodetector.saturation_current_a": 1e3},
    "swing": {"readout.saturates": True},
    "mismatch": {"readout.pass_mismatch": True, "readout.pass_residual": 0.0},
    "beats": {"source.beats": True, "source.mode_overlap": 0.0},
}
_ENCODINGS = {
    "passes, rails": {},
    "converter per pass": {"encoding.conversion": "pass"},
    "offset both": {"encoding.weight_sign": "offset", "encoding.activation_sign": "offset"},
    "digits": {"encoding.activation_slices": 2, "dac.ideal": False},
}

pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.mark.parametrize("far", _FAR)
@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_far_from_every_limit_the_mean_is_that_of_the_linear_path(bare, far, encoding):
    still = {**_FLOORS, **_ENCODINGS[encoding], "receiver": _CAPACITOR, **_COLD}
    x = jax.random.normal(jax.random.key(4), (30, _K))
    linear = bare(still).matmul(_KEY, x, _W)
    followed = bare({**still, **_FAR[far]})
    assert followed.answers_one_by_one() and not bare(still).answers_one_by_one()
    # Pedestals are some ten times the signal, and float32 keeps 6e-8 of them through some ten roundings.
    np.testing.assert_allclose(followed.matmul(_KEY, x, _W), linear, atol=1e-4)


@pytest.mark.parametrize("encoding", _ENCODINGS)
def test_far_from_every_limit_the_noise_is_that_of_the_linear_path(bare, encoding):
    x = jnp.tile(_X, (_REPEATS, 1))
    noisy = {**_NOISE, **_ENCODINGS[encoding]}
    linear, followed = (
        np.asarray(bare({**noisy, **more}).matmul(_KEY, x, _W), np.float64) for more in ({}, _FAR["saturation"])
    )
    limit = largest_z(2 * _N * len(_ENCODINGS))
    assert np.abs(z_of_means(followed, linear)).max() < limit
    assert np.abs(z_of_variances(followed, linear)).max() < limit


def _mean_electrons(engine: FreeSpaceEngine) -> list[list[np.ndarray]]:
    """Electrons (n,) of every pass on every rail, before saturation, by hand."""
    x, w = np.asarray(_X[0], np.float64), np.asarray(_W, np.float64)
    e_m, e_t = 1 / engine.modulator.extinction_ratio, 1 / engine.panel.extinction_ratio
    passes = [e_m + (1 - e_m) * np.maximum(sign * x / np.abs(x).max(), 0) for sign in (1, -1)]
    rails = [e_t + (1 - e_t) * np.maximum(sign * w / np.abs(w).max(axis=0), 0) for sign in (1, -1)]
    at = engine.operating_point
    idle = (engine.source.count - _K) * e_m * e_t
    dark = engine.photodetector.dark_current_a / 1.602176634e-19 / at.symbol_rate_hz
    path = float(engine.electrons_per_path())
    return [[path * (light @ rail + idle) + dark for rail in rails] for light in passes]


def _unit(engine: FreeSpaceEngine) -> np.ndarray:
    """Result (n,) that one electron stands for."""
    scale = np.abs(np.asarray(_X)).max() * np.abs(np.asarray(_W, np.float64)).max(axis=0)
    return scale / float(engine.gain_electrons())


@pytest.mark.parametrize("method", ["matmul", "matmul_reference"])
def test_saturation_compresses_every_rail_of_every_pass(bare, method):
    engine = bare({**_FLOORS, "photodetector.dark_current_a": 1e-6, "photodetector.saturates": True})
    mu = _mean_electrons(engine)
    # Half of the light is lost at twice the mean.
    limit = 2 * float(np.mean(mu))
    engine = engine.replace(**{"photodetector.saturation_current_a": limit * 1.602176634e-19 * 1e9})
    seen = [[electrons / (1 + electrons / limit) for electrons in rails] for rails in mu]
    expected = ((seen[0][0] - seen[0][1]) - (seen[1][0] - seen[1][1])) * _unit(engine)
    y = np.asarray(getattr(engine, method)(_KEY, _X, _W), np.float64)[0]
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
    assert np.abs(y - np.asarray(_X @ _W)[0]).max() > 0.5


@pytest.mark.parametrize("method", ["matmul", "matmul_reference"])
def test_beats_have_the_square_of_the_light_for_a_variance(bare, method):
    # Overlap 1 on a span of 1e11 Hz: 2 B / span = 1 % of the square of each light.
    beats = {"source.beats": True, "source.mode_overlap": 1.0, "source.optical_span_hz": 1e11}
    engine = bare({**_FLOORS, **beats})
    y = np.asarray(getattr(engine, method)(_KEY, jnp.tile(_X, (_REPEATS, 1)), _W), np.float64)
    squares = sum(electrons**2 for rails in _mean_electrons(engine) for electrons in rails)
    assert np.abs(z_of_variances(y, 0.01 * squares * _unit(engine) ** 2)).max() < largest_z(2 * 2 * _N)
    exact = np.asarray(_X, np.float64)[0] @ np.asarray(_W, np.float64)
    assert np.abs(z_of_means(y, exact, rounding=1e-5)).max() < largest_z(2 * 2 * _N)


def test_mean_and_variance_of_one_pass(bare):
    engine = bare({**_NOISE, "photodetector.saturates": True, "photodetector.saturation_current_a": 1e-5})
    engine = engine.replace(**{"source.beats": True, "source.mode_overlap": 0.5})
    panel, (lights,) = engine.load_panel(_W), engine.lights(_X / jnp.abs(_X).max(), (1,))
    limit = 1e-5 / 1.602176634e-19 / 1e9
    beats = 0.5 * 2 * 5e8 / engine.source.optical_span_hz
    assert panel.rails is not None
    for light, electrons in zip(lights, _mean_electrons(engine), strict=True):
        plus, minus = (one / (1 + one / limit) for one in electrons)
        mean, variance = one_by_one.detected(engine, light, panel.rails[0])
        np.testing.assert_allclose(mean[0], plus - minus, rtol=1e-3, atol=1e-5 * float(np.max(plus)))
        np.testing.assert_allclose(variance[0], plus + minus + beats * (plus**2 + minus**2), rtol=1e-4)


def test_no_light_shares_a_draw_with_another(bare):
    # Shot noise alone: the two passes and rails have draws of their own, so variances add and outputs do not correlate.
    engine = bare({**_FAR["saturation"], **_FLOORS, "photodetector.shot_noise": True})
    engine = engine.at(laser_power_w=1e-4)
    y = np.asarray(engine.matmul(_KEY, jnp.tile(_X, (_REPEATS, 1)), _W), np.float64)
    counts = sum(electrons for rails in _mean_electrons(engine) for electrons in rails)
    assert np.abs(z_of_variances(y, counts * _unit(engine) ** 2)).max() < largest_z(_N)
    assert np.abs(np.asarray(np.corrcoef(y.T))[np.triu_indices(_N, 1)]).max() < 5 / np.sqrt(_REPEATS)
