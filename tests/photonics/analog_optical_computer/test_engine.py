"""The whole engine: exact without imperfections, one law on both paths, noise from light, gradients, instances, energy.

What every family keeps (draws of tokens, compilations) stands in `tests/photonics/test_families.py`.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import photonics
from photonics import tally
from photonics.work import Contraction, Work
from tests.photonics.agreement import largest_z, z_of_means, z_of_variances


def _operands(k=24, n=8, m=4):
    x = jax.random.normal(jax.random.key(1), (m, k))
    return x, jax.random.normal(jax.random.key(2), (k, n))


@pytest.mark.parametrize(("k", "n"), [(7, 5), (30, 19)])
def test_ideal_limit_is_exact(bare, k, n):
    x, w = _operands(k, n)
    y = bare().matmul(jax.random.key(0), x, w)
    np.testing.assert_allclose(y, x @ w, rtol=2e-5, atol=2e-5 * float(jnp.abs(x @ w).max()))


@pytest.mark.parametrize(
    "change",
    [
        {"source.response": "measured"},
        {"panel.response": "measured"},
        {"fan_in.profile_spread": 0.2},
        {"panel.column_spread": 0.2},
        {"panel.pixel_errors": True, "panel.element_residual": 0.05},
        {"leakage.present": True, "leakage.spread": 0.05},
        {"crosstalk.present": True},
        {"output.loop_gain_spread": 0.05},
        {"output.offset_v": 0.1},
        {"saturation.present": True, "output.full_scale_sigmas": 0.5},
        {"photodetector.saturates": True, "photodetector.saturation_current_a": 1e-6},
        {"photodetector.shot_noise": True},
        {"receiver.capacitance_f": 1e-12},
        {"dac.ideal": False, "dac.bits": 4},
        {"panel.ideal": False, "panel.bits": 4},
        {"adc.ideal": False, "adc.bits": 4},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.usefixtures("uncompiled")
def test_every_imperfection_costs_accuracy(bare, change):
    x, w = _operands(12, 8)
    error = bare(change).matmul(jax.random.key(0), x, w) - x @ w
    # Float32 leaves 1e-6 of the signal, see the ideal limit.
    assert jnp.sqrt(jnp.mean(error**2)) > 1e-3 * jnp.sqrt(jnp.mean((x @ w) ** 2))


@pytest.mark.parametrize("integrating", [False, True])
def test_reference_and_fast_path_have_one_law(small, bare, integrating):
    measured = {"source.response": "measured", "panel.response": "measured", "crosstalk.present": True}
    noisy = {"photodetector.shot_noise": True, "receiver.capacitance_f": 1e-16, "fan_in.profile_spread": 0.2}
    engine = bare({**measured, **noisy, "leakage.present": True}) if integrating else small({"adc.ideal": True})
    engine = engine.at(laser_power_w=3e-5)
    x, w = _operands(24, 8, 1)
    n = 3000
    rows = jnp.repeat(x, n, axis=0)
    panel = engine.load_panel(w)
    fast = np.asarray(engine.matmul(jax.random.key(3), rows, panel), np.float64)
    slow = np.asarray(engine.matmul_reference(jax.random.key(4), rows, w), np.float64)
    assert np.abs(z_of_means(fast, slow)).max() < largest_z(8)
    assert np.abs(z_of_variances(fast, slow)).max() < largest_z(8)


def test_saturating_photodiodes_have_one_law(bare):
    changes = {"photodetector.saturates": True, "photodetector.saturation_current_a": 2e-7}
    engine = bare({**changes, "photodetector.shot_noise": True, "adc.ideal": True}).at(laser_power_w=1e-3)
    x, w = _operands(12, 8, 1)
    rows, n = jnp.repeat(x, 3000, axis=0), 8
    fast = np.asarray(engine.matmul(jax.random.key(3), rows, w), np.float64)
    slow = np.asarray(engine.matmul_reference(jax.random.key(4), rows, w), np.float64)
    # A curve adds half of its bend times the variance to the mean of counts, which the closed form leaves out.
    assert np.abs(z_of_means(fast, slow, rounding=0.02 * float(slow.std()))).max() < largest_z(n)
    assert np.abs(z_of_variances(fast, slow)).max() < largest_z(n)


def test_noise_follows_the_light(small):
    """Shot noise: four times the light, half the relative deviation; receivers: a quarter."""
    x, w = _operands(12, 8, 1)
    rows = jnp.repeat(x, 4000, axis=0)
    for shot, factor in ((True, 2.0), (False, 4.0)):
        engine = small({"photodetector.shot_noise": shot, "adc.ideal": True, "saturation.present": False})
        # Shot noise is far above that of receivers that are all but silent, and the other way round.
        engine = engine.replace(**{"receiver.noise_factor": 1e-9 if shot else 2.4, "photodetector.dark_current_a": 0.0})
        engine = engine.replace(**{"receiver.channel_noise_factor": 0.0})
        spread = []
        for power_w in (1e-3, 4e-3):
            y = engine.at(laser_power_w=power_w).matmul(jax.random.key(5), rows, w)
            spread.append(np.std(np.asarray(y, np.float64), axis=0))
        # The same draws are scaled, so only rounding differs.
        np.testing.assert_allclose(spread[0] / spread[1], factor, rtol=1e-3)


def test_variance_is_that_of_the_law(small):
    engine = small({"adc.ideal": True, "saturation.present": False, "output.loop_gain_spread": 0.0})
    x, w = _operands(12, 8, 1)
    n = 20_000
    y = np.asarray(engine.matmul(jax.random.key(6), jnp.repeat(x, n, axis=0), w), np.float64)
    panel = engine.load_panel(w)
    scale = engine.activation_scale(x[None])
    drive = engine.drive(x / scale[0])
    electrons = float(engine.electrons(drive, panel.of_tile(0)))
    # Two receivers for each output; light of both rails summed over all outputs.
    per_output = 2.0 * float(engine.readout_variance()) * 8 + electrons
    per_output += 8 * 2 * float(engine.photodetector.dark_electrons(engine.operating_point))
    worth = np.asarray(panel.scale[0]) * float(scale[0, 0, 0]) / float(engine.signal_electrons())
    assert np.sum(np.var(y / worth, axis=0)) == pytest.approx(per_output, rel=5 * np.sqrt(2 / n))


def test_gradients_are_finite_and_reach_everything(small):
    engine = small()
    x, w = _operands()

    def loss(x, w, power_w):
        return jnp.sum(engine.at(laser_power_w=power_w).matmul(jax.random.key(7), x, w) ** 2)

    gradients = jax.grad(loss, argnums=(0, 1, 2))(x, w, jnp.asarray(3e-3))
    for gradient in gradients:
        assert np.all(np.isfinite(gradient)) and np.all(np.asarray(gradient) != 0.0)


def test_instances_differ_and_repeat(small):
    engine = small()
    _, w = _operands()
    one, again, other = (engine.load_panel(w, instance=number) for number in (1, 1, 2))
    np.testing.assert_array_equal(one.values["plus"], again.values["plus"])
    correlation = np.corrcoef(np.ravel(one.values["plus"]), np.ravel(other.values["plus"]))[0, 1]
    assert correlation < 0.999


def test_outputs_beyond_a_panel_stand_on_the_next(small):
    """Neighbours on two panels do not see each other: the first panel is the same with and without the second."""
    engine = small()
    _, w = _operands(12, 16)
    w = w.at[:, :8].set(jnp.clip(w[:, :8], -1, 1) / jnp.max(jnp.abs(w[:, :8])))
    both, first = engine.load_panel(w), engine.load_panel(w[:, :8])
    np.testing.assert_allclose(both.values["constant"][:, :8], first.values["constant"], atol=1e-6)
    assert both.scale[0, 0] == first.scale[0, 0] and both.scale[0, 8] != first.scale[0, 8]


def test_full_scale_is_one_for_a_panel_and_needs_no_sample(small):
    engine = small({"output.full_scale_sigmas": 3.0})
    x, w = _operands()
    panel = engine.load_panel(w)
    assert np.all(panel.full_scale == panel.full_scale[:, :1])
    np.testing.assert_array_equal(panel.full_scale, engine.load_panel(w, sample=x).full_scale)


def test_counts_and_energy(small):
    engine = small()
    work = Contraction(name="", batch=1, m=10, k=30, n=17, count=1, weights=True)
    counted = engine.count(work)
    assert isinstance(counted, tally.Tally)
    assert (counted.tiles, counted.busy_passes, counted.conversions) == (9, 90, 10 * 17 * 3)
    assert (counted.drives, counted.partial_sums, counted.macs) == (10 * 30 * 3, 10 * 17 * 2, 10 * 30 * 17)
    cost = engine.cost(Work((work,)))
    standing = engine.standing_power_w()
    assert float(cost.energy_j["laser"]) == pytest.approx(9 * float(standing["laser"]) * float(cost.time_s), rel=1e-5)
    assert engine.macs_per_s() == pytest.approx(12 * 8 * 5e7)


def test_noise_budget_is_that_of_products(small):
    """Moving terms of the budget against the spread of one tile of the operands that it is about."""
    engine = small({"source.count": 48, "panel.outputs": 48, "saturation.present": False})
    shares = engine.noise_budget()
    assert sum(term.share for term in shares) == pytest.approx(1.0)
    assert [term.share for term in shares] == sorted((term.share for term in shares), reverse=True)
    moving = ("shot noise of open pixels", "shot noise of dark pixels", "shot noise of the dark current", "receivers")
    expected = sum(term.variance_electrons2 for term in shares if term.origin in moving)
    w = jax.random.normal(jax.random.key(11), (48, 48))
    n = 300
    rows = jnp.repeat(jax.random.normal(jax.random.key(12), (1, 48)), n, axis=0)
    ideal = engine.replace(**{"adc.ideal": True, "output.loop_gain_spread": 0.0})
    panel = ideal.load_panel(w)
    y = np.asarray(ideal.matmul(jax.random.key(13), rows, panel), np.float64)
    worth = np.asarray(panel.scale[0]) * float(jnp.max(jnp.abs(rows))) / float(ideal.signal_electrons())
    # Profiles are drawn (25 % each), and a finite vector is not typical: the light of a panel varies by some per cent.
    assert np.mean(np.var(y / worth, axis=0)) == pytest.approx(expected, rel=0.1)


def test_patterns_of_the_budget_are_those_of_products(small):
    """All static terms together, over outputs and instances."""
    removed = {"dac.ideal": True, "panel.ideal": True, "adc.ideal": True, "saturation.present": False}
    engine = small({**removed, "source.count": 48, "panel.outputs": 48, "photodetector.shot_noise": False})
    moving = ("receivers", "shot noise of the dark current")
    expected = sum(t.variance_electrons2 for t in engine.noise_budget() if t.origin not in moving)
    errors = []
    for instance in range(6):
        x = jax.random.normal(jax.random.key(20 + instance), (1, 48))
        w = jax.random.normal(jax.random.key(40 + instance), (48, 48))
        panel = engine.load_panel(w, instance=instance)
        bright = engine.at(laser_power_w=1e3)
        y = bright.matmul(jax.random.key(14), x, panel)
        worth = panel.scale[0] * jnp.max(jnp.abs(x)) / engine.signal_electrons()
        # The budget is about operands of one mean square; real ones of 48 entries differ by a third from it.
        ratio = jnp.sqrt(jnp.mean((x @ w) ** 2)) / jnp.mean(worth) / engine.typical_signal_electrons()
        errors.append(np.asarray((y - x @ w) / worth / ratio))
    assert np.mean(np.square(errors)) == pytest.approx(expected, rel=0.5)


@pytest.mark.parametrize("name", ["aoc-2025", "aoc-2025-calibrated", "aoc-projected"])
def test_link_budget_ends_with_the_light_of_one_path(name):
    engine: Any = photonics.load_engine(name)
    link, at = engine.link_budget(), engine.operating_point
    assert link[0].power_w == pytest.approx(float(at.laser_power_w))
    electrons = link[-1].power_w * float(engine.electrons_per_joule()) / float(at.symbol_rate_hz)
    assert electrons == pytest.approx(float(engine.electrons_per_path()), rel=1e-5)


def test_calibration_leaves_less_error():
    """Static errors of the budget, over the variance of the signal."""
    moving = ("shot", "receivers", "ADC", "activation", "weight")
    left = {}
    for name in ("aoc-2025", "aoc-2025-calibrated"):
        engine = photonics.load_engine(name)
        static = sum(t.variance_electrons2 for t in engine.noise_budget() if not t.origin.startswith(moving))
        left[name] = static / engine.typical_signal_electrons() ** 2
    assert left["aoc-2025-calibrated"] < 0.01 * left["aoc-2025"]


def test_removals_leave_nothing(small):
    engine = small().at(laser_power_w=1e6)
    for _, changes in engine.removals():
        engine = engine.replace(**changes)
    x, w = _operands(12, 8)
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), x, w), x @ w, atol=1e-3)
