"""Energy, time and use of hardware: counted by hand where it is small, and from shapes where it is Llama-3.1-70B."""

import dataclasses
import math
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import norm

from models.transformer.config import LLAMA_3_1_70B
from models.transformer.model import Transformer
from photonics import count_contractions, load_engine
from photonics.cost import Deployment, power_budget
from photonics.rules import as_arrays
from photonics.work import Contraction, Work


@pytest.fixture(scope="module")
def engine():
    return load_engine("free-space-1024")


@pytest.fixture(scope="module")
def small(engine):
    """4 sources on 3 outputs, so that tiles can be counted on paper."""
    changes = {
        "source.count": 4,
        "panel.outputs": 3,
        "source.slope_efficiency": 0.25,
        "source.threshold_current_a": 5e-3,
    }
    return engine.replace(**changes).at(laser_power_w=1e-2)


# 10 vectors of length 6 on one 6 x 4 matrix: 2 x 2 tiles; and 630 MACs that no panel holds.
WEIGHTS = Contraction(name="layer", batch=1, m=5, k=6, n=4, count=2, weights=True)
DIGITAL = Contraction(name="scores", batch=2, m=5, k=3, n=7, count=3)
WORK = Work((WEIGHTS, DIGITAL))


def matrix(m: int, k: int, n: int, name: str = "") -> Work:
    return Work((Contraction(name=name, batch=1, m=m, k=k, n=n, weights=True),))


def test_counts_of_a_small_product(small):
    cost = small.cost(WORK)
    assert cost.engines == 4  # tiles
    assert cost.passes == 10 * 4 * 2  # vectors, tiles, passes of a signed vector
    assert cost.conversions == 10 * 4 * 2  # vectors, outputs, fan-in tiles
    assert cost.panel_loads == 0
    assert (cost.macs, cost.optical_macs) == (240 + 630, 240)
    assert cost.time_s == pytest.approx(10 * 2 / 1e9 / 0.9, rel=1e-12)
    assert cost.utilisation == pytest.approx(0.9, rel=1e-12)
    assert cost.launched_energy_j == pytest.approx(4 * 1e-2 * 4 * cost.time_s, rel=1e-12)


def test_energy_of_a_small_product_part_by_part(small):
    cost = small.cost(WORK)
    energy_j = dict(cost.energy_j)
    always_on = {part: power_w * 4 * cost.time_s for part, power_w in small.standing_power_w().items()}
    for part in ("laser", "photodetector", "receiver", "panel", "control", "host"):
        assert energy_j.pop(part) == pytest.approx(always_on[part], rel=1e-9), part
    # 10 vectors of 6 values to 2 columns of tiles in 2 passes.
    drives = 10 * 6 * 2 * 2
    dac_j = 3.57e-12 * (2**7 / 7) / (2**8 / 8)  # 7 unipolar bits, from an 8-bit part
    assert energy_j.pop("dac") == pytest.approx(drives * dac_j, rel=1e-9)
    assert energy_j.pop("modulator") == pytest.approx(drives * 4.5e-13, rel=1e-9)
    # One conversion for two passes: half the symbol rate.
    assert energy_j.pop("adc") == pytest.approx(80 * float(small.adc.conversion_energy_j(5e8)), rel=1e-9)
    # Per vector: 6 inputs compared and scaled, 4 * 2 + 2 * 1 additions of the rotation of 4 + 2 values;
    # 4 outputs with 2 rescaled conversions, 1 sum of tiles and the scale of the vector.
    assert energy_j.pop("digital") == pytest.approx(10 * (6 * 2 + 10 + 4 * (2 + 1 + 1)) * 3e-13, rel=1e-9)
    # Codes of one byte in, outputs of 2 byte out, one partial sum of 4 byte per output written and read.
    traffic_byte = 10 * 6 * 2 * 1 + 10 * 4 * 2 + 2 * 10 * 4 * 4
    assert energy_j.pop("memory") == pytest.approx(traffic_byte * 8.3e-13, rel=1e-9)
    assert energy_j.pop("digital_products") == pytest.approx(630 * 3e-13, rel=1e-9)
    supplied_j = sum(energy for part, energy in cost.energy_j.items() if part != "power_supply")
    assert energy_j.pop("power_supply") == pytest.approx(supplied_j * (1 / 0.92 - 1), rel=1e-9)
    assert energy_j == {}


def test_standing_power_of_an_engine_part_by_part(small):
    power_w = small.standing_power_w()
    assert power_w["laser"] == pytest.approx(4 * (5e-3 * 1.8 + 1e-2 / 0.25))
    receiver_w = float(small.receiver.power_w(small.operating_point, small.diodes_f()))
    assert power_w["receiver"] == pytest.approx(3 * receiver_w)
    pixels, pixel_j = 4 * 3 * 2, 2e-12 * 5.0**2 + 7 / 8 * 8.3e-13
    assert power_w["panel"] == pytest.approx(2.0 + 1e3 * pixels * pixel_j)
    assert (power_w["control"], power_w["host"]) == (10.0, 50.0)
    # Half of a typical operand is dark in each pass and rail: quantiles of a normal law, rms 1 / sqrt(2 ln 8).
    quantiles = norm.ppf(np.array([1, 3, 5, 7]) / 8)
    half = np.abs(quantiles).mean() / np.sqrt(np.mean(quantiles**2)) / math.sqrt(2 * math.log(8)) / 2
    floor_m, floor_t = 10**-2.0, 10**-1.7
    lit = (floor_m + (1 - floor_m) * half) * (floor_t + (1 - floor_t) * half)
    received_w = 4 * 1e-2 * 10 ** -(0.12 + 0.15 + 0.15) * lit
    responsivity_a_per_w = 0.8 * 850e-9 * 1.602176634e-19 / (6.62607015e-34 * 299792458)
    assert power_w["photodetector"] == pytest.approx(3.0 * (responsivity_a_per_w * received_w + 6 * 1e-9), rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "engines", "passes", "conversions"),
    [
        ({"encoding.conversion": "pass"}, 4, 80, 160),
        ({"encoding.weight_sign": "offset"}, 4, 80, 80),
        ({"encoding.weight_sign": "offset", "encoding.activation_sign": "offset"}, 4, 40, 80),
        ({"encoding.activation_slices": 2}, 4, 160, 160),
        ({"encoding.weight_slices": 2}, 8, 160, 160),
        ({"encoding.repetitions": 3}, 4, 240, 240),
    ],
)
def test_counts_of_every_encoding(changes, engines, passes, conversions, small):
    cost = small.replace(**changes).cost(WORK)
    assert (cost.engines, cost.passes, cost.conversions) == (engines, passes, conversions)
    # Engines in parallel; passes one after the other.
    assert cost.time_s == pytest.approx(10 * (passes / engines / 10) / 1e9 / 0.9, rel=1e-12)
    drives = passes * 6 // 2  # two panels for each column of tiles share the 6 inputs
    bits = small.replace(**changes).encoding.drive_bits(8)
    dac_j = drives * float(small.dac.conversion_energy_j(bits))
    assert cost.energy_j["dac"] == pytest.approx(dac_j, rel=1e-9)


def test_energy_per_mac_counts_every_mac(small):
    cost = small.cost(WORK)
    assert cost.energy_j_per_mac == pytest.approx(cost.total_energy_j / (240 + 630), rel=1e-12)
    # More MACs than a traced integer can hold.
    large = matrix(2**20, 1024, 1024)
    slope = jax.grad(lambda power_w: small.at(laser_power_w=power_w).cost(large).energy_j_per_mac)(1e-2)
    assert np.isfinite(slope) and slope > 0


def test_directly_modulated_sources_are_charged_for_the_light_they_show(small):
    direct = small.replace(**{"source.modulation": "direct"})
    light, _ = direct.mean_light()
    expected_w = 4 * (5e-3 * 1.8 + 1e-2 * float(light) / 0.25)
    assert direct.standing_power_w()["laser"] == pytest.approx(expected_w, rel=1e-6)
    assert direct.cost(WORK).launched_energy_j == pytest.approx(
        small.cost(WORK).launched_energy_j * float(light), rel=1e-6
    )
    # What the detectors receive is the same.
    assert direct.standing_power_w()["photodetector"] == pytest.approx(
        small.standing_power_w()["photodetector"], rel=1e-6
    )


@pytest.mark.parametrize(
    ("panels", "engines", "loads"),
    [("resident", 4, 0), (1, 1, 4), (3, 3, 4), (4, 4, 0), (99, 4, 0), (np.int64(2), 2, 4)],
)
def test_few_panels_are_reloaded(small, panels, engines, loads):
    cost = small.cost(WORK, panels=panels)
    assert (cost.engines, cost.panel_loads, cost.passes, cost.conversions) == (engines, loads, 80, 80)
    busy_s = 80e-9
    expected_s = 20e-9 / 0.9 if panels == "resident" else (busy_s + loads * 1e-3) / engines
    assert cost.time_s == pytest.approx(expected_s, rel=1e-12)
    assert cost.utilisation == pytest.approx(busy_s / (engines * expected_s), rel=1e-12)
    # Loading: every pixel of 4 x 6 written from the frame memory, and codes of one byte from far memory.
    write_j = loads * 24 * (2e-12 * 25.0 + 7 / 8 * 8.3e-13)
    held_w = small.standing_power_w()["panel"] * engines
    assert cost.energy_j["panel"] == pytest.approx(held_w * expected_s + write_j, rel=1e-9)
    traffic_j, fetched_j = 520 * 8.3e-13, (24 * 3.12e-11 if loads else 0.0)
    assert cost.energy_j["memory"] == pytest.approx(traffic_j + fetched_j, rel=1e-9)


@pytest.mark.parametrize("vectors", [1, 1000, 10**7])
def test_delivered_rate_with_reloads(engine, vectors):
    # K N M / (M p / f + t_reload); two tiles of one matrix, because a single tile would stay on its panel.
    k, n, passes, rate_hz, reload_s = 1024, 1024, 2, 1e9, 1e-3
    cost = engine.cost(matrix(vectors, k, 2 * n), panels=1)
    expected = k * n * vectors / (vectors * passes / rate_hz + reload_s)
    assert cost.optical_macs / cost.time_s == pytest.approx(expected, rel=1e-12)
    assert cost.utilisation == pytest.approx((vectors * passes / rate_hz) / (vectors * passes / rate_hz + reload_s))


@pytest.mark.parametrize("panels", ["resident", 1, 2])
def test_parts_sum_to_the_whole(engine, panels: Deployment):
    cost = engine.cost(WORK + matrix(700, 3000, 5000), panels=panels)
    total_j = math.fsum(cost.energy_j.values())
    assert cost.total_energy_j == pytest.approx(total_j, rel=1e-9)
    assert cost.power_w * cost.time_s == pytest.approx(total_j, rel=1e-9)
    assert cost.tops_per_w * 1e12 * total_j == pytest.approx(2 * cost.macs, rel=1e-9)
    # The supply delivers all the rest at its efficiency.
    assert (total_j - cost.energy_j["power_supply"]) / total_j == pytest.approx(0.92, rel=1e-9)
    assert all(isinstance(energy, float) and energy > 0 for energy in cost.energy_j.values())


def test_layers_one_by_one_cost_what_they_cost_together(engine):
    # On one panel nothing runs beside anything else, so energy, time and counts are sums.
    pieces = [matrix(7, 3000, 1200, "a"), matrix(50, 1025, 4000, "b"), WORK]
    whole = engine.cost(sum(pieces[1:], pieces[0]), panels=1)
    costs = [engine.cost(piece, panels=1) for piece in pieces[:2]]
    # The small matrix alone would not be reloaded; beside others it is.
    assert engine.cost(pieces[2], panels=1).panel_loads == 0
    rest = engine.cost(pieces[0] + pieces[2], panels=1)
    for part, energy_j in whole.energy_j.items():
        assert energy_j == pytest.approx(rest.energy_j[part] + costs[1].energy_j[part], rel=1e-9), part
    assert whole.time_s == pytest.approx(rest.time_s + costs[1].time_s, rel=1e-9)
    assert whole.passes == rest.passes + costs[1].passes
    assert whole.energy_j["laser"] > costs[0].energy_j["laser"] + costs[1].energy_j["laser"]


def test_resident_panels_wait_for_the_busiest(engine):
    # Twice the vectors on one of two equal matrices: the other engine waits half of the time.
    cost = engine.cost(matrix(100, 1024, 1024) + matrix(50, 1024, 1024))
    assert cost.engines == 2
    assert cost.time_s == pytest.approx(200e-9 / 0.9)
    assert cost.utilisation == pytest.approx(0.9 * 0.75)


def test_a_static_scale_spares_the_search_for_the_largest_value(small):
    static = small.replace(**{"encoding.activation_scale": "static", "encoding.rotate": False})
    assert static.cost(WORK).energy_j["digital"] == pytest.approx(10 * (6 + 16) * 3e-13, rel=1e-9)


def test_every_expert_and_layer_has_a_matrix_of_its_own(small):
    stacked = Contraction(
        name="layers/up", batch=2, m=5, k=4, n=3, count=6, weights=True, stacked=(3,), index_after=(1,)
    )
    cost = small.cost(Work((stacked,)))
    assert cost.engines == 6 and cost.passes == 2 * 5 * 6 * 2
    assert cost.time_s == pytest.approx(5 * 2 * 2 / 1e9 / 0.9)  # each sees its 5 vectors twice
    assert cost.energy_j == pytest.approx(small.cost(Work((stacked,)).expand()).energy_j, rel=1e-9)


def test_no_work_costs_nothing(engine):
    for empty in (Work(), matrix(0, 8, 8), matrix(8, 0, 8)):
        cost = engine.cost(empty)
        assert (cost.total_energy_j, cost.power_w, cost.tops_per_w, cost.macs) == (0.0, 0.0, 0.0, 0)
    only_digital = engine.cost(Work((DIGITAL,)))
    assert only_digital.total_energy_j == pytest.approx(630 * 3e-13 / 0.92)
    assert (only_digital.time_s, only_digital.power_w, only_digital.optical_macs) == (0.0, 0.0, 0)


def test_digital_patterns_take_layers_off_the_panels(engine):
    up = Contraction(
        name="layers/up", batch=1, m=15, k=2000, n=1000, count=3, weights=True, stacked=(3,), index_after=(1,)
    )
    work = Work((up,)) + matrix(5, 1000, 50, "head") + Work((DIGITAL,))
    whole, rest = engine.cost(work), engine.cost(work, digital=["layers/0/", "head"])
    assert (whole.engines, rest.engines) == (7, 4)
    excluded_macs = 15 * 2000 * 1000 + 5 * 1000 * 50
    assert whole.macs == rest.macs and whole.optical_macs - rest.optical_macs == excluded_macs
    difference_j = rest.energy_j["digital_products"] - whole.energy_j["digital_products"]
    assert difference_j == pytest.approx(excluded_macs * 3e-13, rel=1e-9)
    all_digital = engine.cost(work, digital=[""])
    assert all_digital.optical_macs == all_digital.passes == 0


@pytest.mark.parametrize("panels", ["x", "1", 0, -3, 1.5, 2.0, math.nan, True, None])
def test_a_deployment_that_is_none_is_refused(engine, panels):
    with pytest.raises(ValueError, match='panels must be "resident" or a positive number of panels, not '):
        engine.cost(WORK, panels=panels)


def test_patterns_that_match_no_weight_product_are_refused(engine):
    with pytest.raises(ValueError, match="digital pattern 'lm_head' matches no weight product"):
        engine.cost(WORK, digital=["layer", "lm_head"])
    with pytest.raises(ValueError, match="digital pattern 'scores' matches no weight product"):
        engine.cost(WORK, digital=["scores"])  # digital already
    with pytest.raises(ValueError, match=r"digital pattern '\(' is not a regular expression"):
        engine.cost(WORK, digital=["("])
    with pytest.raises(TypeError, match=r"write \['layer'\]"):
        engine.cost(WORK, digital="layer")


def test_converters_that_nobody_has_built_are_refused(small):
    twelve = small.replace(**{"adc.bits": 12, "adc.enob_loss": 0.0})
    assert twelve.cost(WORK).conversions == 80
    with pytest.raises(ValueError, match=r"12\.00 effective bits at 5e\+09 conversions/s, beyond all converters built"):
        twelve.at(symbol_rate_hz=1e10).cost(WORK)


def test_power_is_energy_over_time_of_a_busy_engine(engine):
    budget = power_budget(engine)
    one_tile = engine.replace(**{"system.utilisation": 1.0}).cost(matrix(1000, 1024, 1024))
    assert one_tile.engines == 1 and set(budget) == set(one_tile.energy_j) - {"digital_products"}
    for part, power_w in budget.items():
        assert power_w == pytest.approx(one_tile.energy_j[part] / one_tile.time_s, rel=1e-9), part
    assert sum(budget.values()) == pytest.approx(one_tile.power_w, rel=1e-9)
    for part, power_w in engine.standing_power_w().items():
        assert budget[part] == pytest.approx(float(power_w), rel=1e-9), part
    assert engine.power_budget() == budget


@pytest.mark.parametrize("panels", ["resident", 2])
@pytest.mark.parametrize("leaf", ["operating_point.laser_power_w", "operating_point.symbol_rate_hz", "adc.enob_loss"])
def test_gradients_are_those_of_the_value(engine, panels, leaf):
    work = WORK + matrix(700, 3000, 5000)
    group, field = leaf.split(".")
    value = getattr(getattr(engine, group), field)

    def energy_j(factor):
        return engine.replace(**{leaf: value * factor}).cost(work, panels=panels).total_energy_j

    gradient, step = float(jax.grad(energy_j)(1.0)), 2e-2
    difference = float(energy_j(1 + step) - energy_j(1 - step)) / (2 * step)
    # Second-order error (a step)^2 / 6 with a = 4 at most (4^ENOB over 1.5 bits) is 1e-3; float32 leaves 1e-5.
    assert gradient == pytest.approx(difference, rel=3e-3, abs=1e-5 * float(energy_j(1.0)) / step)
    assert gradient != 0


def test_the_whole_engine_may_be_traced(engine):
    def total_j(engine):
        return engine.cost(WORK, panels=1).total_energy_j

    arrays = as_arrays(engine)
    value, gradient = jax.jit(jax.value_and_grad(total_j))(arrays)
    np.testing.assert_allclose(value, total_j(engine), rtol=1e-5)
    assert all(bool(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))
    assert gradient.system.host_power_w > 0 > gradient.source.slope_efficiency


def test_more_light_costs_only_where_light_goes(engine):
    dim, bright = (engine.at(laser_power_w=power_w).cost(WORK).energy_j for power_w in (1e-3, 1e-1))
    changed = {part for part in dim if bright[part] != dim[part]}
    assert changed == {"laser", "photodetector", "power_supply"}
    # Above the threshold, which both pay.
    threshold_j = 1024 * engine.source.threshold_current_a * engine.source.voltage_v * engine.cost(WORK).time_s
    assert bright["laser"] - threshold_j == pytest.approx(100 * (dim["laser"] - threshold_j), rel=1e-9)


def test_llama_3_1_70b_is_counted_and_costed_from_shapes(engine):
    tokens = 8192
    start_s = time.perf_counter()
    model = nnx.eval_shape(lambda: Transformer(LLAMA_3_1_70B, rngs=nnx.Rngs(0)))
    work = count_contractions(model, jax.ShapeDtypeStruct((1, tokens), jnp.int32))
    resident, reloaded = engine.cost(work, digital=["^head$"]), engine.cost(work, panels=1)
    elapsed_s = time.perf_counter() - start_s
    assert elapsed_s < 10  # measured: 0.3 s on 2 cores; the limit catches an unrolled model or a real array

    c = LLAMA_3_1_70B
    shapes = (
        [(c.width, c.width)] * 2 + [(c.width, 1024)] * 2 + [(c.width, c.hidden_width)] * 2 + [(c.hidden_width, c.width)]
    )
    head = (c.width, c.vocabulary)
    norms = (2 * c.layers + 1) * c.width
    assert work.weight_macs == tokens * (c.parameters - c.vocabulary * c.width - norms)
    assert work.digital_macs == c.layers * 2 * tokens**2 * c.heads * c.head_width

    def tiles(k, n):
        return math.ceil(k / 1024) * math.ceil(n / 1024)

    assert resident.engines == c.layers * sum(tiles(*shape) for shape in shapes)
    assert reloaded.panel_loads == resident.engines + tiles(*head)
    assert resident.time_s == pytest.approx(tokens * 2 / 1e9 / 0.9)
    assert reloaded.time_s == pytest.approx(reloaded.panel_loads * (tokens * 2 / 1e9 + 1e-3))
    assert resident.macs == reloaded.macs == work.macs
    assert resident.energy_j["digital_products"] == pytest.approx(
        (work.digital_macs + tokens * math.prod(head)) * 3e-13
    )


def test_a_cost_is_a_plain_record(engine):
    cost = engine.cost(WORK)
    kinds = {field.name: type(getattr(cost, field.name)) for field in dataclasses.fields(cost)}
    assert {name for name, kind in kinds.items() if kind is int} == {
        *("passes", "conversions", "panel_loads", "engines", "macs", "optical_macs")
    }
    assert {name for name, kind in kinds.items() if kind is float} == {
        *("time_s", "load_time_s", "utilisation", "launched_energy_j")
    }
