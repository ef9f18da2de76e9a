"""The engine: published power by part, exact limits, both paths, light, and what a product costs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.work import Contraction, Work
from tests.photonics.agreement import largest_z, z_of_means, z_of_variances

_X, _W = jax.random.normal(jax.random.key(1), (2, 3, 60)), jax.random.normal(jax.random.key(2), (60, 50))

# Power by part [W] of DOTA-B, from the paper's public simulator: reference table of the project, 1 %.
PUBLISHED_W = {
    4: {"laser": 0.77, "dac": 3.21, "modulator": 4.03, "adc": 2.13, "receiver": 1.73, "photodetector": 2.53},
    8: {"laser": 12.3, "dac": 25.7, "modulator": 4.03, "adc": 4.26},
}
_WHOLE_W = {4: 14.753, 8: 50.935}


# What is published -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [4, 8])
def test_the_published_power_comes_out_of_the_components(bits, dota, dota_8bit):
    budget = (dota if bits == 4 else dota_8bit).power_budget()
    assert sum(budget.values()) == pytest.approx(_WHOLE_W[bits], rel=1e-3)
    for part, watt in PUBLISHED_W[bits].items():
        assert budget[part] == pytest.approx(watt, rel=1e-2), part
    # 26.2 mW of adders and 316.4 mW of buffers, as the simulator computes them.
    assert budget["digital"] == pytest.approx(0.02624, rel=1e-2)
    assert budget["memory"] == pytest.approx(0.3164, rel=1e-2)
    # The published core has nothing around it.
    assert budget["control"] == budget["host"] == budget["power_supply"] == 0


def test_the_published_rate(dota):
    assert 2 * dota.macs_per_s() / 1e12 == pytest.approx(138.24)
    total_w = sum(dota.power_budget().values())
    assert 2 * dota.macs_per_s() / 1e12 / total_w == pytest.approx(9.4, rel=1e-2)


def test_gathering_symbols_saves_conversions_and_nothing_else(dota):
    one, three = dota.power_budget(), dota.replace(**{"core.accumulated_symbols": 3}).power_budget()
    assert three["adc"] == pytest.approx(one["adc"] / 3, rel=1e-4)
    assert three["digital"] == pytest.approx(one["digital"] / 3, rel=1e-4)
    for part in ("laser", "dac", "modulator", "receiver", "photodetector"):
        assert three[part] == pytest.approx(one[part], rel=1e-4)
    assert dota.replace(**{"core.accumulated_symbols": 3}).macs_per_s() == pytest.approx(dota.macs_per_s())


# The product -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("symbols", [1, 3])
def test_the_ideal_limit_is_exact(symbols, bare, product):
    y = product(bare({"core.accumulated_symbols": symbols}), jax.random.key(0), _X, _W)
    # float32 sums of 60 products of order one.
    np.testing.assert_allclose(y, _X @ _W, atol=2e-5)


def test_codes_multiply_exactly_where_nothing_disturbs_them(bare, product):
    y = product(bare({"dac.ideal": False, "dac.bits": 5}), jax.random.key(0), _X, _W)
    s_x, s_w = jnp.abs(_X).max(axis=-1, keepdims=True), jnp.abs(_W).max(axis=0)
    expected = (jnp.round(_X / s_x * 15) / 15 * s_x) @ (jnp.round(_W / s_w * 15) / 15 * s_w)
    np.testing.assert_allclose(y, expected, atol=3e-5)


_STRONG = {
    "operand_noise.magnitude_deviation": 0.1,
    "operand_noise.phase_deviation_rad": 0.3,
    "operand_noise.output_deviation": 0.1,
    "dispersion.present": True,
    "dispersion.channel_spacing_m": 1e-9,
    "detection.shot_noise": True,
    "detection.dark_current_a": 1e-6,
    "detection.noise_resistance_ohm": 663.0,
}


@pytest.mark.parametrize(
    ("changes", "laser_w"),
    [(_STRONG, 5e-3), ({"detection.shot_noise": True}, 1e-3), ({**_STRONG, "core.accumulated_symbols": 2}, 5e-2)],
    ids=["everything", "shot noise", "two symbols"],
)
def test_both_paths_have_one_law(changes, laser_w, bare, product):
    engine, draws = bare(changes).at(laser_power_w=laser_w), 4000
    # 30 terms take two tiles of 15, or two symbols of one; 50 outputs would be two groups, 4 are one.
    x, w = jnp.tile(_X[:1, 0, :30], (draws, 1)), _W[:30, :4]
    fast = np.asarray(product(engine, jax.random.key(5), x, w), np.float64)
    reference = np.asarray(engine.matmul_reference(jax.random.key(6), x, w), np.float64)
    limit = largest_z(2 * 4)
    assert np.abs(z_of_means(fast, reference)).max() < limit
    assert np.abs(z_of_variances(fast, reference)).max() < limit
    # The noise is felt: it is what is compared.
    assert fast.std(axis=0).min() > 0.05


def test_a_sample_sets_the_range(dota):
    sample = 10.0 * jax.random.normal(jax.random.key(7), (64, 60)) * jnp.linspace(0.1, 3.0, 60)
    by_sample, typical = dota.load_panel(_W, sample=sample), dota.load_panel(_W)
    assert by_sample.full_scale.shape == typical.full_scale.shape == (3, 50)
    # The last tile takes the large activations, which fill the drives; the first is far below.
    assert by_sample.full_scale[2, 0] > 2 * by_sample.full_scale[0, 0]
    handed_on = dota.load_panel(_W, ranges=(by_sample.full_scale, by_sample.activation_scale))
    np.testing.assert_array_equal(handed_on.full_scale, by_sample.full_scale)


@pytest.mark.parametrize("engine_name", ["dota", "dota_8bit"])
def test_more_light_buys_accuracy_and_is_paid_for(engine_name, request, product):
    engine = request.getfixturevalue(engine_name)
    exact, errors, powers = _X @ _W, [], []
    for laser_w in (1e-3, 1e-2, 1e-1):
        brighter = engine.at(laser_power_w=laser_w).replace(**{"adc.ideal": True, "dac.ideal": True})
        errors.append(float(jnp.mean(jnp.square(product(brighter, jax.random.key(9), _X, _W) - exact))))
        powers.append(float(sum(brighter.power_budget().values())))
    assert errors[0] > errors[1] > errors[2]
    assert powers[2] - powers[1] == pytest.approx(8 * 0.09 / 0.2, rel=1e-6)


def test_the_readout_noise_falls_with_the_square_of_the_light(bare, product):
    engine = bare({"detection.noise_resistance_ohm": 663.0})
    exact = _X @ _W
    few, many = (product(engine.at(laser_power_w=w), jax.random.key(9), _X, _W) - exact for w in (1e-3, 1e-2))
    # The same draws in units of the signal, which is ten times as large; float32 of the product is left.
    np.testing.assert_allclose(few, 10 * many, atol=3e-4)


def test_electrons_are_those_of_both_operands(dota):
    x = jax.random.normal(jax.random.key(1), (5, 24))
    panel = dota.load_panel(_W[:24])
    drive, v = dota.drive(x / jnp.abs(x).max(axis=1, keepdims=True)), panel.values["v"][0]
    one = 2631.99 * (1 + 0.03**2)
    expected = one * (50 * float(jnp.sum(drive**2)) + 5 * float(jnp.sum(v**2)))
    assert float(dota.detected_electrons(x, panel)) == pytest.approx(expected, rel=1e-4)


# What it costs ---------------------------------------------------------------------------------------------------


def test_both_operands_are_converted_as_the_layout_shares_them(dota):
    # 30 vectors in groups of 12, 50 terms in tiles of 24, 100 outputs in groups of 48.
    tally = dota.count(Contraction(name="", batch=1, m=30, k=50, n=100, count=2, weights=True))
    assert tally.busy_passes == 2 * 3 * 3 * 3
    assert tally.drives == 2 * 30 * 50 * 3
    assert tally.weight_drives == 2 * 50 * 100 * 3
    assert tally.conversions == 2 * 30 * 100 * 3
    assert tally.partial_sums == 2 * 30 * 100 * 2
    assert tally.macs == 2 * 30 * 50 * 100
    gathering = dota.replace(**{"core.accumulated_symbols": 3})
    fewer = gathering.count(Contraction(name="", batch=1, m=30, k=50, n=100, count=2, weights=True))
    assert (fewer.conversions, fewer.busy_passes) == (2 * 30 * 100, tally.busy_passes)


def test_one_vector_leaves_most_columns_idle(dota):
    # A single token uses one column of twelve, and every weight is converted for it alone.
    one, twelve = (
        dota.cost(Work((Contraction(name="", batch=1, m=m, k=48, n=96, weights=True),)), panels=1) for m in (1, 12)
    )
    assert one.time_s == pytest.approx(twelve.time_s)
    assert float(one.energy_j["laser"]) == pytest.approx(float(twelve.energy_j["laser"]))
    assert one.panel_loads == 0


def test_attention_goes_through_light_without_reloads(dota):
    attention = Contraction(name="attention", batch=4, m=24, k=24, n=48, weights=False)
    cost = dota.cost(Work((attention,)), dynamic=["attention"])
    assert (cost.panel_loads, cost.engines, cost.optical_macs) == (0, 1, attention.macs)
    assert cost.time_s == pytest.approx(4 * 2 / 5e9)
    assert cost.utilisation == pytest.approx(1.0)
