"""Every law of noise against a formula written out by hand, on both paths; and who shares a draw with whom."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.draws import stream
from photonics.free_space import FreeSpaceEngine
from photonics.receiver import IntegratingReceiver
from photonics.work import Contraction
from tests.photonics.agreement import assert_normal, assert_uncorrelated, largest_z, z_of_means, z_of_variances

_K, _N, _REPEATS = 24, 5, 16_000
_X = jax.random.normal(jax.random.key(1), (1, _K))
_W = jax.random.normal(jax.random.key(2), (_K, _N))

_FLOORS = {"modulator.extinction_ratio": 12.0, "panel.extinction_ratio": 7.0}
_SHOT = {"photodetector.shot_noise": True, "operating_point.laser_power_w": 1e-4}
_CAPACITOR = {
    "receiver": IntegratingReceiver(capacitance_f=2e-13, reset_v=1.0, amplifier_power_w=0.0, output_swing_v=1.0)
}
_CASES = {
    "shot": _SHOT,
    "shot with floors": {**_SHOT, **_FLOORS},
    "shot of idle sources": {
        **_SHOT,
        "modulator.extinction_ratio": 3.0,
        "panel.extinction_ratio": 3.0,
        "source.count": 96,
    },
    "shot of the dark current": {**_SHOT, "photodetector.dark_current_a": 3e-5},
    "transimpedance": {"receiver": "catalogue", "operating_point.laser_power_w": 1e-3},
    "integrating": {**_CAPACITOR, "operating_point.laser_power_w": 1e-3},
    "independent sources": {"source.noise": "independent", "source.rin_per_hz": 1e-12, **_FLOORS},
    "common laser": {"source.noise": "common", "source.rin_per_hz": 1e-12, **_FLOORS},
    "converter": {"adc.ideal": False, "adc.bits": 12, "adc.enob_loss": 6.5},
    "all": {
        **_SHOT,
        **_FLOORS,
        **_CAPACITOR,
        "source.noise": "independent",
        "source.rin_per_hz": 1e-12,
        "adc.ideal": False,
        "adc.bits": 12,
        "adc.enob_loss": 6.5,
    },
}


def _variance(engine: FreeSpaceEngine, full_scale: np.ndarray) -> np.ndarray:
    """Variance (n,) of x w in the units of y, from the equations of the design alone."""
    at, source = engine.operating_point, engine.source
    x, w = np.asarray(_X[0], np.float64), np.asarray(_W, np.float64)
    s_x, s_w = np.abs(x).max(), np.abs(w).max(axis=0)
    e_m, e_t = 1 / engine.modulator.extinction_ratio, 1 / engine.panel.extinction_ratio
    passes = [e_m + (1 - e_m) * np.maximum(sign * x / s_x, 0) for sign in (1, -1)]
    rails = [e_t + (1 - e_t) * np.maximum(sign * w / s_w, 0) for sign in (1, -1)]
    photon_j = 6.62607015e-34 * 299_792_458.0 / source.wavelength_m
    eta = engine.modulator.transmission * engine.optics.transmission * engine.panel.transmission
    columns = 2 * engine.panel.outputs
    path = engine.photodetector.quantum_efficiency * at.laser_power_w * eta / (photon_j * at.symbol_rate_hz * columns)
    gain = path * (1 - e_m) * (1 - e_t)

    variance = np.zeros(w.shape[1])
    idle = (source.count - len(x)) * e_m * e_t
    dark = engine.photodetector.dark_current_a / (1.602176634e-19 * at.symbol_rate_hz)
    rin_b = source.rin_per_hz * at.symbol_rate_hz / 2
    for light in passes:
        if engine.photodetector.shot_noise:
            variance += sum(path * (light @ rail + idle) + dark for rail in rails)
        if source.noise == "independent":
            variance += rin_b * path**2 * (light**2 @ (rails[0] - rails[1]) ** 2)
        if source.noise == "common":
            variance += rin_b * path**2 * (light @ (rails[0] - rails[1])) ** 2
        variance += engine.receiver.readout_variance(at, engine.diodes_f())
    variance *= (s_x * s_w / gain) ** 2
    if not engine.adc.ideal:
        lsb = 2 * full_scale / (2**engine.adc.bits - 2)
        extra = (2 * full_scale) ** 2 / 12 * (4.0 ** -(engine.adc.bits - engine.adc.enob_loss) - 4.0**-engine.adc.bits)
        variance += (lsb**2 / 12 + extra) * (s_x * s_w) ** 2
    return variance


def _engine(bare, catalogue, name: str) -> FreeSpaceEngine:
    changes = dict(_CASES[name])
    if changes.get("receiver") == "catalogue":
        changes["receiver"] = catalogue.receiver
    return bare(changes)


@pytest.fixture(scope="module")
def sampled(bare, catalogue):
    """Samples (repeats, n) of one product by case and path, and the variance (n,) that they should have."""
    kept: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}

    def sample(name: str, path: str) -> tuple[np.ndarray, np.ndarray]:
        if (name, path) not in kept:
            engine, x = _engine(bare, catalogue, name), jnp.tile(_X, (_REPEATS, 1))
            with jax.disable_jit():
                panel = engine.load_panel(_W)
                multiply = engine.matmul if path == "fast" else engine.matmul_reference
                y = multiply(jax.random.key(5), x, _W)
            kept[name, path] = np.asarray(y, np.float64), _variance(engine, np.asarray(panel.full_scale[0], np.float64))
        return kept[name, path]

    return sample


# The laws --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["fast", "reference"])
@pytest.mark.parametrize("name", _CASES)
def test_mean_and_variance_are_those_of_the_formula(name, path, sampled):
    y, variance = sampled(name, path)
    limit = largest_z(2 * _N * 2 * len(_CASES))
    exact = np.asarray(_X, np.float64)[0] @ np.asarray(_W, np.float64)
    assert np.abs(z_of_means(y, exact, rounding=3e-6 * np.abs(exact).max())).max() < limit
    assert np.abs(z_of_variances(y, variance)).max() < limit


@pytest.mark.parametrize("path", ["fast", "reference"])
@pytest.mark.parametrize("name", _CASES)
def test_every_noise_is_normal(name, path, sampled):
    y, variance = sampled(name, path)
    exact = np.asarray(_X, np.float64)[0] @ np.asarray(_W, np.float64)
    standard = (y - exact) / np.sqrt(variance)
    # Outputs one by one: sources are shared by all of them.
    for output in range(_N):
        assert_normal(standard[:, output])


@pytest.mark.parametrize("name", ["shot with floors", "independent sources", "common laser", "converter"])
def test_a_law_that_is_wrong_by_a_tenth_is_seen(name, sampled):
    y, variance = sampled(name, "fast")
    assert np.abs(z_of_variances(y, 1.1 * variance)).max() > 3.0
    assert np.abs(z_of_variances(y, 1.5 * variance)).min() > largest_z(2 * _N)


def test_passes_have_draws_of_their_own(sampled):
    # One eps for both passes of a common laser would leave RIN B (x w)^2 alone, whatever the floors.
    y, _ = sampled("common laser", "fast")
    exact = np.asarray(_X, np.float64)[0] @ np.asarray(_W, np.float64)
    shared = 1e-12 * 1e9 / 2 * exact**2
    assert np.abs(z_of_variances(y, shared)).max() > 3 * largest_z(_N)


# Who shares a draw ------------------------------------------------------------------------------------------------


def _correlation(noise: np.ndarray) -> np.ndarray:
    return np.corrcoef(noise.T)[np.triu_indices(noise.shape[1], 1)]


@pytest.mark.parametrize("path", ["fast", "reference"])
@pytest.mark.parametrize("name", ["shot", "transimpedance", "converter"])
def test_detectors_are_independent(name, path, sampled):
    y, _ = sampled(name, path)
    assert np.abs(_correlation(y)).max() < 5 / np.sqrt(_REPEATS)


@pytest.mark.parametrize("path", ["fast", "reference"])
@pytest.mark.parametrize("name", ["independent sources", "common laser"])
def test_all_detectors_see_the_same_sources(name, path, sampled, bare, catalogue):
    y, variance = sampled(name, path)
    # From the same law: the covariance of outputs n and m is that of light times the rails of each.
    engine = _engine(bare, catalogue, name)
    x, w = np.asarray(_X[0], np.float64), np.asarray(_W, np.float64)
    e_m = 1 / engine.modulator.extinction_ratio
    drives = [np.maximum(sign * x / np.abs(x).max(), 0) for sign in (1, -1)]
    reached = w * np.abs(x).max() / (1 - e_m)
    covariance = np.zeros((_N, _N))
    for light in (e_m + (1 - e_m) * drive for drive in drives):
        by_source = light[:, None] * reached
        one = by_source if name == "independent sources" else by_source.sum(axis=0, keepdims=True)
        covariance += 1e-12 * 1e9 / 2 * one.T @ one
    np.testing.assert_allclose(np.diag(covariance), variance, rtol=1e-9)
    expected = (covariance / np.sqrt(np.outer(variance, variance)))[np.triu_indices(_N, 1)]
    # Standard error of a correlation r: (1 - r^2) / sqrt(n), 1 / sqrt(n) at most.
    np.testing.assert_allclose(_correlation(y), expected, atol=5 / np.sqrt(_REPEATS))
    assert np.abs(expected).max() > 0.1


@pytest.mark.parametrize("path", ["fast", "reference"])
@pytest.mark.parametrize("name", ["shot", "independent sources", "common laser"])
@pytest.mark.parametrize("lag", [1, 2, 16])
def test_tokens_are_independent(name, path, lag, sampled):
    y, _ = sampled(name, path)
    for output in range(_N):
        assert_uncorrelated(y[:-lag, output], y[lag:, output])
        # Sizes of the noise too, not only the noise.
        assert_uncorrelated((y[:-lag, output] - y.mean(0)[output]) ** 2, (y[lag:, output] - y.mean(0)[output]) ** 2)


@pytest.mark.parametrize("name", ["shot", "independent sources", "common laser"])
def test_tiles_layers_and_calls_are_independent(name, bare, catalogue, product):
    engine = _engine(bare, catalogue, name).replace(**{"source.count": 12})
    panel = engine.load_panel(_W)
    assert panel.tiles == 2
    x = jnp.tile(_X, (_REPEATS, 1))
    key = jax.random.key(6)
    first, second = (product(engine, key, x, _only(panel, tile)) for tile in (0, 1))
    # The sum of both is what the whole panel gives.
    np.testing.assert_allclose(first + second, product(engine, key, x, panel), atol=1e-4)
    _uncorrelated(first, second)
    # Layers and calls fold their numbers into the key.
    layers = [product(engine, stream(key, layer), x, panel) for layer in (0, 1)]
    calls = [product(engine, stream(key, 0, call), x, panel) for call in (0, 1)]
    _uncorrelated(*layers)
    _uncorrelated(*calls)
    _uncorrelated(layers[0], calls[0])


def _only(panel, tile: int):
    """The panel with the outputs of one tile alone; its noise stays, that of the other is multiplied by zero."""
    return dataclasses.replace(panel, scale=panel.scale * jnp.eye(panel.tiles)[tile][:, None])


def _uncorrelated(a, b) -> None:
    for output in range(_N):
        assert_uncorrelated(a[:, output], b[:, output])


@pytest.mark.parametrize(
    ("changes", "bits"),
    [
        ({"encoding.activation_slices": 2}, 9),
        ({"encoding.activation_slices": 4}, 9),
        ({"encoding.weight_slices": 2}, 7),
    ],
)
def test_slices_trade_noise_passes_and_bits_as_theory_says(changes, bits, bare, product):
    # w = sum B^i w_i: receiver noise of each conversion counts with the square of what its digit is worth.
    (path, slices), levels = next(iter(changes.items())), 2 ** (bits - 1) - 1
    stage = "dac" if path == "encoding.activation_slices" else "panel"
    noisy = {**_CAPACITOR, "operating_point.laser_power_w": 1e-3, f"{stage}.ideal": False, f"{stage}.bits": bits}
    whole, sliced = bare(noisy), bare({**noisy, **changes})
    x = jnp.broadcast_to(_X, (_REPEATS, _K))
    one, many = (np.asarray(product(engine, jax.random.key(3), x, _W), np.float64) for engine in (whole, sliced))
    base = 2 ** -(-(bits - 1) // slices)
    worth = sum((base**place * (base - 1) / levels) ** 2 for place in range(slices))
    # Two variances of 16,000 normal draws each.
    limit = largest_z(_N) * np.sqrt(2 * 2 / _REPEATS)
    assert np.abs(np.log(many.var(axis=0) / one.var(axis=0) / worth)).max() < limit
    assert worth < 0.9  # the law is not that of one whole code
    np.testing.assert_allclose(many.mean(axis=0), one.mean(axis=0), atol=6 * many.std() / np.sqrt(_REPEATS))
    vectors = Contraction("", batch=1, m=10, k=_K, n=_N, weights=True)
    tallies = [engine.count(vectors) for engine in (whole, sliced)]
    assert tallies[1].busy_passes == slices * tallies[0].busy_passes
    assert tallies[1].conversions == slices * tallies[0].conversions
    assert sliced.encoding.drive_bits(9) == (-(-8 // slices) if stage == "dac" else 8)
