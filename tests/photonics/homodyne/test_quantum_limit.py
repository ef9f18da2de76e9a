"""The standard quantum limit, measured through `matmul` and by counting photons, against its formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp

from photonics.homodyne.quantum_limit import balanced_deviation, best_weight_share, quantum_limit
from tests.photonics.agreement import largest_z, z_of_means, z_of_variances

_K, _COLUMNS, _DRAWS = 1024, 8, 20_000


@pytest.fixture(scope="module")
def operands():
    """One normal vector, shown many times, and a normal matrix."""
    x, w = jax.random.normal(jax.random.key(1), (1, _K)), jax.random.normal(jax.random.key(2), (_K, _COLUMNS))
    return jnp.broadcast_to(x, (_DRAWS, _K)), w


@pytest.fixture(scope="module")
def limited(bare):
    """Exact but for the noise of photons, some ten for each product."""
    few = {"operating_point.laser_power_w": 2e-5, "pair.dark_current_a": 0.0}
    return bare({"pair.shot_noise": True, "array.integration": _K, **few})


def _norms(x, w):
    """Norms of the operands as the engine shows them, scaled to their largest values."""
    x_hat, v = x[0] / jnp.abs(x[0]).max(), w / jnp.abs(w).max(axis=0)
    return float(jnp.linalg.norm(x_hat)), np.asarray(jnp.linalg.norm(v, axis=0))


def test_random_operands_are_at_the_standard_quantum_limit(limited, operands):
    # Case O22: |A| |x| / sqrt(N n), with n the photons detected per multiply-accumulate, both beams counted.
    x, w = operands
    errors = np.asarray(limited.matmul(jax.random.key(0), x, w) - x[:1] @ w)
    per_mac = float(limited.detected_electrons(x[:1], limited.load_panel(w))) / (_K * _COLUMNS)
    limit = np.linalg.norm(w, axis=0) * float(jnp.linalg.norm(x[0])) / np.sqrt(_K * per_mac)
    assert 1.0 < per_mac < 30.0
    # n is an average over columns and the beams are not quite balanced: 2 % each way, errors of 20,000 draws 0.5 %.
    np.testing.assert_allclose(errors.std(axis=0), limit, rtol=0.12)
    assert np.sqrt(np.mean(errors.std(axis=0) ** 2)) == pytest.approx(np.sqrt(np.mean(limit**2)), rel=0.02)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_deviation_follows_both_field_scales(share, limited, operands):
    x, w = operands
    engine = limited.replace(**{"array.weight_share": share})
    errors = np.asarray(engine.matmul(jax.random.key(0), x, w) - x[:1] @ w) / np.abs(x[0]).max() / np.abs(w).max(axis=0)
    drive, weights = _norms(x, w)
    a2, b2 = (float(electrons) for electrons in engine.electrons_per_symbol())
    deviation = np.sqrt(a2 * weights**2 + b2 * drive**2) / (2 * np.sqrt(a2 * b2))
    np.testing.assert_allclose(np.sqrt(quantum_limit(weights**2, drive**2, a2, b2)), deviation, rtol=1e-6)
    assert np.abs(z_of_variances(errors, deviation**2)).max() < largest_z(_COLUMNS)


def test_the_law_holds_for_counted_photons(limited):
    # Some photons per product and 64 symbols: they are few, so this is not the Gaussian law assumed.
    x, w = jax.random.normal(jax.random.key(3), (1, 64)), jax.random.normal(jax.random.key(4), (64, _COLUMNS))
    engine = limited.replace(**{"operating_point.laser_power_w": 5e-6, "array.weight_share": 0.2})
    many = jnp.broadcast_to(x, (_DRAWS, 64))
    errors = np.asarray(engine.matmul_reference(jax.random.key(5), many, w) - x @ w)
    scale = float(jnp.abs(x).max()) * np.abs(w).max(axis=0)
    drive, weights = _norms(x, w)
    a2, b2 = (float(electrons) for electrons in engine.electrons_per_symbol())
    variance = quantum_limit(weights**2, drive**2, a2, b2) * scale**2
    assert np.abs(z_of_means(errors, np.zeros(_COLUMNS), rounding=1e-6)).max() < largest_z(_COLUMNS)
    assert np.abs(z_of_variances(errors, variance)).max() < largest_z(_COLUMNS)


def test_a_count_of_the_sum_has_the_law_of_the_sum_of_counts(bare):
    # What the reference path relies on: photons of an integration are counted once, not symbol by symbol.
    pair, random, symbols = bare({"pair.shot_noise": True}).pair, np.random.default_rng(6), 16
    light, phase = random.uniform(0.0, 3.0, symbols), random.uniform(-1.0, 1.0, symbols)
    beat, n = light * phase, 20_000
    at_once = pair.counted(random, np.full(n, light.sum()), np.full(n, beat.sum()), 0.1 * symbols, 0.2)
    one_by_one = sum(
        pair.counted(random, np.full(n, p), np.full(n, b), 0.1, 0.2) for p, b in zip(light, beat, strict=True)
    )
    assert float(np.asarray(ks_2samp(at_once, one_by_one))[1]) > 1e-4
    assert float(np.abs(z_of_variances(at_once, one_by_one))) < largest_z(1)
    # Nor do they differ by so little that the comparison could not tell: a tenth more variance is seen.
    assert float(np.abs(z_of_variances(at_once * np.sqrt(1.1), one_by_one))) > largest_z(1)


def test_dark_current_adds_its_own_counts(limited, operands):
    # 16 nA are 10 electrons in a symbol of 10 GHz, from each of two photodiodes.
    x, w = operands
    errors = [
        np.asarray(limited.replace(**{"pair.dark_current_a": dark}).matmul(jax.random.key(key), x, w))
        for key, dark in enumerate((0.0, 1.602e-8))
    ]
    a2, b2 = (float(electrons) for electrons in limited.electrons_per_symbol())
    scale = np.abs(x[0]).max() * np.abs(w).max(axis=0)
    expected = np.var(errors[0], axis=0) + 2 * 10.0 * _K / (4 * a2 * b2) * scale**2
    assert np.abs(z_of_variances(errors[1], expected)).max() < largest_z(_COLUMNS) * np.sqrt(2)


def test_imbalance_adds_light_that_is_no_product(bare):
    engine = bare({"pair.fixed_pattern": True, "pair.gain_residual": 0.0, "pair.imbalance_residual": 0.1})
    x, w = jax.random.normal(jax.random.key(7), (3, 32)), jax.random.normal(jax.random.key(8), (32, 8))
    panel = engine.load_panel(w)
    x_scale, w_scale = jnp.abs(x).max(axis=1, keepdims=True), jnp.abs(w).max(axis=0)
    light = jnp.square(w / w_scale).sum(axis=0) + jnp.square(x / x_scale).sum(axis=1, keepdims=True)
    # Half of the light is in each arm, so a = b and (d/2) a^2 / 2 a b = d/4.
    expected = panel.values["imbalance"][0] / 4.0 * light * x_scale * w_scale
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), x, panel) - x @ w, expected, atol=2e-5)


def test_the_best_share_of_the_light_is_the_balanced_one():
    share = best_weight_share(3.0, 1.0)
    assert share == pytest.approx(0.1)

    def variance(split: float) -> float:
        return quantum_limit(9.0, 1.0, 100.0 * split, 100.0 * (1.0 - split))

    electrons = 100.0 * (share * 9.0 + (1.0 - share) * 1.0)
    assert np.sqrt(variance(share)) == pytest.approx(balanced_deviation(3.0, 1.0, electrons))
    # For the same detected light, any other split is noisier.
    for split in (0.05, 0.2, 0.5):
        detected = 100.0 * (split * 9.0 + (1.0 - split) * 1.0)
        assert np.sqrt(variance(split)) > balanced_deviation(3.0, 1.0, detected) * 1.01


@pytest.mark.parametrize("norms", [(0.0, 0.0), (-1.0, 1.0), (float("nan"), 1.0)])
def test_norms_that_mean_nothing_are_refused(norms):
    with pytest.raises(ValueError, match="norms"):
        best_weight_share(*norms)
