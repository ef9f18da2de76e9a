"""The engine: exact in its limit, two paths of one law, ranges, keys, gradients, and accuracy that is paid for."""

import dataclasses

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


@pytest.mark.parametrize("signs", SIGNS)
def test_the_ideal_limit_is_exact(bare, signs):
    engine = bare({"encoding.signs": signs})
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), X, W), X @ W, atol=2e-5)
    np.testing.assert_allclose(engine.matmul_reference(jax.random.key(0), X, W), X @ W, atol=2e-5)


@pytest.mark.parametrize(("signs", "sampled"), [("rails", False), ("rails", True), ("passes", True)])
def test_both_paths_have_one_mean_and_one_variance(small, signs, sampled):
    engine, copies = small({**LOUD, "encoding.signs": signs}), 4000
    sample = X if sampled else None
    panel = engine.load_panel(W, sample=sample)
    x = jnp.tile(X[:1], (copies, 1))
    fast = np.asarray(engine.matmul(jax.random.key(3), x, panel), float)
    slow = np.asarray(engine.matmul_reference(jax.random.key(4), x, W, sample=sample), float)
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
    tile = engine.load_panel(W[:24, :8]).of_tile(0)
    drive = jnp.tile(engine.drive(X[:1, :24] / 4.0), (copies, 1))
    # Ahead of the converters: behind them, a normal and a uniform dither differ from one place of a step to another.
    fast = np.asarray(engine.analog(jax.random.key(5), drive, tile, (copies,)), float)
    slow = engine.counted(np.random.default_rng(6), np.asarray(drive, float), jax.tree.map(np.asarray, tile))
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
    np.testing.assert_array_equal(again.values["full_scale"], panel.full_scale)
    assert np.all(np.asarray(engine.load_panel(W).full_scale) > 0)


def test_draws_belong_to_tokens(small):
    engine, key = small(LOUD), jax.random.key(8)
    panel = engine.load_panel(W)
    whole = engine.matmul(key, X, panel)
    np.testing.assert_allclose(engine.matmul(key, X[:2], panel), whole[:2], atol=1e-5)
    np.testing.assert_array_equal(engine.matmul(key, X, panel), whole)
    assert float(jnp.mean(jnp.abs(engine.matmul(jax.random.key(9), X, panel) - whole))) > 0.01
    repeated = engine.matmul(key, jnp.tile(X[:1], (2, 1)), panel)
    assert float(jnp.mean(jnp.abs(repeated[0] - repeated[1]))) > 0.01


@pytest.mark.parametrize("signs", SIGNS)
def test_gradients_are_finite_and_reach_everything(small, signs):
    engine = small({"encoding.signs": signs, "receiver.capacitance_f": 1e-15})

    def loss(engine, x, w):
        return jnp.mean(jnp.square(engine.matmul(jax.random.key(0), x, w) - X @ W))

    by_engine, by_x, by_w = jax.grad(loss, argnums=(0, 1, 2))(engine, X, W)
    for leaf in jax.tree.leaves((by_engine, by_x, by_w)):
        assert np.all(np.isfinite(leaf))
    assert float(jnp.max(jnp.abs(by_x))) > 0 and float(jnp.max(jnp.abs(by_w))) > 0
    assert float(by_engine.operating_point.laser_power_w) < 0


def test_another_value_compiles_nothing_anew(small):
    traces = []

    @jax.jit
    def product(engine, x, w):
        traces.append(1)
        return engine.matmul(jax.random.key(0), x, w)

    engine = small()
    for power_w in (1e-3, 2e-3, 3e-3):
        product(engine.at(laser_power_w=jnp.float32(power_w)), X, W)
    product(engine.at(laser_power_w=1e-3).replace(**{"quantiser.floor": 0.1}), X, W)
    assert len(traces) <= 2  # arrays, and Python numbers


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


# What buys accuracy without being paid for, and why that is so. An entry that is not needed fails the test.
FREE = {
    "panel.transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "receiver.quantum_efficiency": "a property of the part; bias power is left out",
    "receiver.capacitance_f": "a property of the part; less of it saves energy elsewhere",
    "source.wavelength_m": "a choice among sources: longer waves have more photons to the joule",
    "operating_point.temperature_k": "cooling is not modelled; engines run at room temperature",
    "quantiser.floor": "a property of the part, its extinction",
}


def test_accuracy_is_paid_for(small):
    # Every effect strong enough to be felt in float32; ranges are constants of a calibrated machine.
    engine = small({**LOUD, "quantiser.rounding": "nearest", "quantiser.floor": 0.1, "adc.bits": 7})
    x = jax.random.normal(jax.random.key(11), (1500, 24))
    w = jax.random.normal(jax.random.key(12), (24, 8))

    def noise(engine):
        return jnp.mean(jnp.square(engine.matmul(jax.random.key(0), x, w) - x @ w))

    def energy(engine):
        return sum(engine.power_budget().values()) / engine.operating_point.symbol_rate_hz

    as_arrays = jax.tree.map(jnp.float32, engine)
    of_noise, of_energy = jax.grad(noise)(as_arrays), jax.grad(energy)(as_arrays)
    unpaid, asked = [], float(of_energy.operating_point.laser_power_w) * 1e-5
    for stage in dataclasses.fields(engine):
        part = getattr(engine, stage.name)
        if stage.name == "name":
            continue
        for field in dataclasses.fields(part):
            if field.metadata.get("static"):
                continue
            path, value = f"{stage.name}.{field.name}", float(getattr(part, field.name))
            helps = float(getattr(getattr(of_noise, stage.name), field.name)) * value
            costs = float(getattr(getattr(of_energy, stage.name), field.name)) * value
            # More accuracy in one direction has to cost energy in the same one.
            if abs(helps) > 1e-6 * float(noise(engine)) and not -np.sign(helps) * costs > 0.01 * asked:
                unpaid.append(path)
    assert sorted(unpaid) == sorted(FREE)


@pytest.mark.parametrize(
    ("path", "finer", "part"), [("adc.bits", 9, "adc"), ("dac.bits", 10, "dac"), ("quantiser.levels", 1024, None)]
)
def test_finer_steps_cost_something(small, path, finer, part):
    """Levels of weights are paid for where weights are loaded: a byte of each has more bits."""
    engine = small({"operating_point.laser_power_w": 1.0, "quantiser.floor": 0.0})
    better = engine.replace(**{path: finer})
    if part is None:
        assert better.weight_byte() > engine.weight_byte()
    else:
        assert float(better.power_budget()[part]) > float(engine.power_budget()[part])


def test_explained(small):
    found = small().explain()
    assert found.snr_db is not None and 20 < found.snr_db < 40
    assert sum(term.share for term in found.noise) == pytest.approx(1.0)
    assert found.link[-1].power_w == pytest.approx(1.5e-3 * 10**-0.3 / 32, rel=1e-6)
