"""The engine: exact in its limit, two paths of one law, ranges, keys and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

X = jax.random.normal(jax.random.key(1), (6, 40))
W = jax.random.normal(jax.random.key(2), (40, 20))
SIGNS = ["rails", "passes"]
# Every noise large enough to be seen beside the others.
LOUD = {
    "operating_point.laser_power_w": 1e-5,
    "receiver.capacitance_f": 1e-15,
    "adc.bits": 6,
    "quantiser.rounding": "random",
}


def test_the_ideal_limit_is_exact_in_passes(bare):
    engine = bare({"encoding.signs": "passes"})
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), X, W), X @ W, atol=2e-5)
    np.testing.assert_allclose(engine.matmul_reference(jax.random.key(0), X, W), X @ W, atol=2e-5)


@pytest.mark.parametrize("signs", SIGNS)
def test_both_paths_have_one_mean_and_one_variance_in_the_range_of_a_sample(small, signs):
    engine, copies = small({**LOUD, "encoding.signs": signs}), 4000
    panel = engine.load_panel(W, sample=X)
    x = jnp.tile(X[:1], (copies, 1))
    fast = np.asarray(engine.matmul(jax.random.key(3), x, panel), float)
    slow = np.asarray(engine.matmul_reference(jax.random.key(4), x, W, sample=X), float)
    spread = fast.std(0)
    # 20 outputs: five deviations of a mean, and of a variance, of two times `copies` draws.
    assert np.all(np.abs(fast.mean(0) - slow.mean(0)) < 5 * spread * np.sqrt(2 / copies))
    np.testing.assert_allclose(fast.var(0), slow.var(0), rtol=5 * np.sqrt(4 / copies))
    assert np.all(spread > 0.05 * np.std(np.asarray(X @ W)))


@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize(
    "noise",
    [
        {"receiver.shot_noise": True},
        {"receiver.capacitance_f": 1e-13},
        {"adc.ideal": False, "adc.enob_loss": 3.0, "adc.bits": 10},
        {"adc.ideal": False, "quantiser.rounding": "random", "adc.bits": 6, "adc.enob_loss": 0.0},
    ],
    ids=["shot", "receiver", "converter", "random rounding"],
)
def test_each_noise_alone_has_the_same_variance_on_both_paths(bare, signs, noise):
    engine, copies = bare({**noise, "encoding.signs": signs, "operating_point.laser_power_w": 1e-5}), 6000
    panel = engine.load_panel(W[:24, :8])
    tile, full_scale = panel.of_tile(0), panel.full_scale[0]
    drive = jnp.tile(engine.drive(X[:1, :24] / 4.0), (copies, 1))
    # Ahead of the converters: behind them, a normal and a uniform dither differ from one place of a step to another.
    fast = np.asarray(engine.analog(jax.random.key(5), drive, full_scale, tile, (copies,)), float)
    host = jax.tree.map(np.asarray, (full_scale, tile))
    slow = engine.counted(np.random.default_rng(6), np.asarray(drive, float), *host)
    assert fast.shape == slow.shape == ((copies, 8) if signs == "rails" else (4, copies, 8))
    assert np.all(slow.var(-2) > 0)
    spread = np.sqrt(slow.var(-2))
    assert np.all(np.abs(fast.mean(-2) - slow.mean(-2)) < 5 * spread * np.sqrt(2 / copies))
    np.testing.assert_allclose(fast.var(-2), slow.var(-2), rtol=5 * np.sqrt(4 / copies))


def test_shot_noise_is_that_of_the_light_of_both_signs(bare):
    engine = bare({"receiver.shot_noise": True, "operating_point.laser_power_w": 1e-4})
    x = jnp.tile(X[:1, :24], (20_000, 1))
    panel = engine.load_panel(W[:24, :8])
    drive = x[:1] / jnp.max(jnp.abs(x[0]))
    y = engine.matmul(jax.random.key(7), x, panel) / jnp.max(jnp.abs(x[0])) / panel.scale[0]
    from photonics.optical_transformer.photon_budget import electrons_per_path

    expected = (jnp.abs(drive) @ jnp.abs(panel.values["v"][0]))[0] / electrons_per_path(engine)
    np.testing.assert_allclose(jnp.var(y, axis=0), expected, rtol=5 * np.sqrt(2 / 20_000))
    electrons = engine.detected_electrons(x[:1], panel)
    assert float(electrons) == pytest.approx(float(jnp.sum(expected) * electrons_per_path(engine) ** 2), rel=1e-4)


def test_a_zero_is_dark(small):
    engine = small()
    w = W.at[:, 3].set(0.0)
    panel = engine.load_panel(w)
    assert float(jnp.max(jnp.abs(panel.values["v"][:, :, 3]))) == 0.0
    lit = jnp.abs(panel.values["v"])
    assert float(jnp.min(jnp.where(lit > 0, lit, 1.0))) == pytest.approx(0.02004)
    assert float(engine.detected_electrons(jnp.zeros((1, 40)), panel)) == 0.0


def test_ranges_come_from_a_sample_or_from_typical_operands(small):
    engine = small({"ranging.percentile": 100.0 - 1e-6})
    sample = 3.0 * X
    panel = engine.load_panel(W, sample=sample)
    scale = jnp.max(jnp.abs(sample), axis=1, keepdims=True)
    drives = jnp.round(jnp.clip(sample / scale, -1, 1) * 127) / 127
    tiles = drives.reshape(6, 2, 20).swapaxes(0, 1)
    largest = jnp.max(jnp.abs(tiles @ panel.values["v"]), axis=(1, 2))
    # The activation percentile of 99.99 clips the largest of 40 values by nearly nothing.
    np.testing.assert_allclose(panel.full_scale[:, 0], largest, rtol=0.02)
    again = engine.load_panel(W, ranges=(panel.full_scale, panel.activation_scale))
    np.testing.assert_array_equal(again.full_scale, panel.full_scale)
    assert np.all(np.asarray(engine.load_panel(W).full_scale) > 0)


def test_gradients_of_passes_are_finite_and_reach_everything(small):
    engine = small({"encoding.signs": "passes", "receiver.capacitance_f": 1e-15})

    def loss(engine, x, w):
        return jnp.mean(jnp.square(engine.matmul(jax.random.key(0), x, w) - X @ W))

    by_engine, by_x, by_w = jax.grad(loss, argnums=(0, 1, 2))(engine, X, W)
    for leaf in jax.tree.leaves((by_engine, by_x, by_w)):
        assert np.all(np.isfinite(leaf))
    assert float(jnp.max(jnp.abs(by_x))) > 0 and float(jnp.max(jnp.abs(by_w))) > 0
    assert float(by_engine.operating_point.laser_power_w) < 0


def test_switches_change_what_they_say(small, bare):
    clean = bare({"quantiser.ideal": False})
    floored = clean.replace(**{"quantiser.floor": 0.2})

    def error(engine):
        return float(jnp.mean(jnp.square(engine.matmul(jax.random.key(0), X, W) - X @ W)))

    assert error(floored) > 5 * error(clean) > 0
    assert error(clean.replace(**{"quantiser.levels": 4096, "quantiser.floor": 0.0})) < 0.01 * error(clean)
    quiet = small({"operating_point.laser_power_w": 1.0, "quantiser.floor": 0.2, "adc.enob_loss": 3.0})
    causes = [cause for cause, _ in quiet.removals()]
    assert causes == ["ADC noise beyond rounding", "least transmission of weights"]
    for _, values in quiet.removals():
        assert error(quiet.replace(**values)) < error(quiet)


def test_explained(small):
    found = small().explain()
    assert found.snr_db is not None and 20 < found.snr_db < 40
    assert found.link[-1].power_w == pytest.approx(1.5e-3 * 10**-0.3 / 32, rel=1e-6)
