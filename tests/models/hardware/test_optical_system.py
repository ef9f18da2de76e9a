import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.hardware.optical_system import LIGHT_PARTS, OpticalSystem, mean_inputs_per_tile
from models.hardware.roadmap import load_roadmap
from models.hardware.workloads import attention_share, dense, workload
from photonics.free_space import FreeSpaceEngine
from photonics.work import Contraction, Work
from tests.models.hardware.lit_machines import FREE, LIGHT, build

PROMPT = "llama-3.1-70b:prefill:8192"


ENGINE = build("free-space-2048", "source.power_max_w=10.0", "system.utilisation=0.7")
ONE_PASS = build(
    "free-space-2048", "source.power_max_w=1e3", "encoding.activation_sign=offset", "panel.reload_time_s=1e-3"
)
SLICED = build("free-space-1024", "source.power_max_w=10.0", "encoding.weight_slices=2", "encoding.weight_sign=offset")
WORKS = {
    "prefill": workload("llama-3.1-8b:prefill:512:4"),
    # Padding both ways, a product that stays digital, experts, a loop over layers.
    "odd": Work(
        (
            Contraction("a", batch=3, m=100, k=3000, n=2500, count=4, weights=True, stacked=(2,), index_after=(1,)),
            Contraction("b", batch=1, m=17, k=100, n=50, weights=True),
            Contraction("c", batch=8, m=100, k=128, n=64),
        )
    ),
    "dense": dense(2048, 2048),
}


def system(
    engine: FreeSpaceEngine = ENGINE, work: Work = WORKS["odd"], power_w: float = 1e4, **changed
) -> OpticalSystem:
    return dataclasses.replace(OpticalSystem(engine=engine, light=LIGHT, work=work, wall_power_w=power_w), **changed)


def time_s(machine: OpticalSystem, figures) -> float:
    """Time of all engines together for one batch."""
    return 2.0 * machine.work.macs / float(figures.ops_per_j) / float(figures.engine_power_w)


@pytest.mark.parametrize("work", ["odd", "prefill"])
@pytest.mark.parametrize("engine", [ENGINE, ONE_PASS, SLICED], ids=["two passes", "one pass", "sliced"])
@pytest.mark.parametrize("resident", [False, True], ids=["reloaded", "resident"])
def test_it_costs_what_an_engine_says_where_links_and_memory_are_free(engine, work, resident):
    machine = system(engine, WORKS[work], power_w=1e12 if resident else 1e-6)
    figures, lit = machine.figures(FREE), machine.lit_engine(FREE)
    tiles = sum(lit.count(one).tiles for one in machine.work if one.weights)
    # Panels that hold everything are never written, so fewer than that.
    panels = "resident" if resident else min(tiles - 1, 7)
    cost = lit.cost(machine.work, panels=panels)
    # Sums of float32 against sums of float64.
    assert float(figures.ops_per_j) == pytest.approx(
        2.0 * machine.work.macs / float(cost.total_energy_j), rel=1e-5, abs=0.0
    )
    assert time_s(machine, figures) == pytest.approx(float(cost.time_s) * cost.engines, rel=1e-5, abs=0.0)
    assert float(figures.busy_share) == pytest.approx(float(cost.utilisation), rel=1e-5, abs=0.0)
    assert float(figures.load_share) == pytest.approx(
        cost.load_time_s / (float(cost.time_s) * cost.engines), rel=1e-5, abs=1e-12
    )
    assert float(figures.link_share) == 0.0
    for part, energy_j in cost.energy_j.items():
        own = float(figures.energy_per_op_j["activation_memory" if part == "memory" else part])
        if part == "memory":
            own += float(figures.energy_per_op_j["weight_memory"])
        assert own * 2.0 * machine.work.macs == pytest.approx(float(energy_j), rel=1e-5, abs=0.0), part


@pytest.mark.parametrize(("work", "power_w"), [("prefill", 1e-6), ("odd", 1e4), ("odd", 1e15), ("dense", 1e4)])
def test_parts_sum_to_the_whole(work, power_w):
    values = load_roadmap().median(2029)
    figures = system(work=WORKS[work], power_w=power_w).figures(values)
    assert float(sum(figures.energy_per_op_j.values()) * figures.ops_per_j) == pytest.approx(1.0, rel=1e-5, abs=0.0)
    shares = float(figures.busy_share + figures.link_share + figures.load_share)
    assert shares <= 1.0 + 1e-5
    if float(figures.load_share) > 0.0:
        assert shares == pytest.approx(1.0, rel=1e-5, abs=0.0)


@pytest.mark.parametrize("engine", [ENGINE, ONE_PASS, SLICED], ids=["two passes", "one pass", "sliced"])
def test_the_peak_is_the_power_budget_and_counts_every_symbol(engine):
    machine = system(engine)
    figures, lit = machine.figures(FREE), machine.lit_engine(FREE)
    # The budget of digits of weights is that of all panels that hold them.
    budget_w = float(sum(lit.power_budget().values())) / lit.encoding.panels
    assert float(figures.peak_engine_power_w) == pytest.approx(budget_w, rel=1e-5, abs=0.0)
    rate_hz = float(lit.operating_point.symbol_rate_hz)
    peak = 2.0 * lit.inputs * lit.outputs * rate_hz / float(figures.peak_engine_power_w)
    assert float(figures.peak_ops_per_j) == pytest.approx(peak, rel=1e-5, abs=0.0)


def test_the_peak_knows_nothing_of_the_work():
    one, other = (system(work=WORKS[name]).figures(FREE) for name in ("odd", "dense"))
    # Sums that one tile makes are the same for the light: held per multiply-accumulate.
    assert float(one.peak_ops_per_j) == float(other.peak_ops_per_j)
    # Full matrices in two symbols each, of an engine that is always busy, are half of the peak.
    always = system(build("free-space-2048", "source.power_max_w=10.0", "system.utilisation=1.0"), WORKS["dense"])
    figures = always.figures(FREE)
    assert float(figures.ops_per_j * 2.0 / figures.peak_ops_per_j) == pytest.approx(1.0, rel=1e-5, abs=0.0)


def test_the_target_is_ten_femtojoules():
    budget_w, target_ops_per_s = 1e4, 1e18
    assert budget_w / target_ops_per_s == pytest.approx(10e-15, rel=1e-12, abs=0.0)
    # A machine of 10 fJ/op in 10 kW: power over energy of an operation is its rate.
    figures = system().figures(FREE)
    energy_j = float(sum(figures.energy_per_op_j.values()))
    assert 1e4 * float(figures.ops_per_j) == pytest.approx(1e4 / energy_j, rel=1e-5, abs=0.0)


def test_the_busy_share_of_a_whole_model_is_that_of_its_matrices():
    # 16,640 panels of 2048^2 see 8,192 vectors; the 4 x 63 of the head see the one whose logits are asked for. One
    # symbol of 1 ns for a vector, 1 ms for each load.
    shown_s, loads_s = (16_640 * 8192 + 252) * 1e-9, 16_892 * 1e-3
    machine = system(ONE_PASS, workload(PROMPT))
    figures = machine.figures(FREE)
    assert float(figures.symbol_rate_hz) == 1e9
    assert float(figures.busy_share) == pytest.approx(shown_s / (shown_s + loads_s), rel=1e-5, abs=0.0)
    assert float(figures.busy_share) == pytest.approx(0.0080, abs=5e-5)
    assert machine.shown_s(1e9) == pytest.approx(shown_s, rel=1e-12, abs=0.0)


def test_filled_share_and_inputs_are_counted_by_hand():
    machine = system()
    # "a": 2 matrices a batch element, 3 of them: 6, each shown 200 vectors on 2 x 2 panels; "b": one of 17 on one.
    shown = (6 * 200 * 4 + 17) * 2048 * 2048
    assert machine.filled_share == pytest.approx((6 * 200 * 3000 * 2500 + 17 * 100 * 50) / shown, rel=1e-12, abs=0.0)
    macs = np.array([6 * 200 * 3000 * 2500, 17 * 100 * 50])
    assert machine.inputs_per_tile == pytest.approx(float(macs @ [1500.0, 100.0] / macs.sum()), rel=1e-12, abs=0.0)
    assert mean_inputs_per_tile(WORKS["dense"], 1024) == 1024.0
    assert mean_inputs_per_tile(Work(), 1024) == 0.0


def test_links_slower_than_light_make_engines_wait():
    # Dense: 2048 codes of a byte come in and 2048 outputs leave for each vector, which takes two symbols of 1 ns.
    engine = ENGINE.at(symbol_rate_hz=1e9)
    machine = system(engine, WORKS["dense"], power_w=1e12)
    out_byte = float(engine.memory.output_byte)
    vector_byte = 2048 * max(engine.dac.bits / 8, out_byte)
    for bytes_per_s in (vector_byte / 1e-9, vector_byte / 2e-9 * 1.01, vector_byte / 8e-9):
        figures = machine.figures({**FREE, "links.bytes_per_s": bytes_per_s})
        took_s = max(vector_byte / bytes_per_s, 2e-9) / 0.7
        assert time_s(machine, figures) == pytest.approx(1e6 * took_s, rel=1e-5, abs=0.0)
        assert float(figures.link_share) == pytest.approx(max(vector_byte / bytes_per_s - 2e-9, 0.0) / took_s, abs=1e-5)
        assert float(figures.busy_share) == pytest.approx(2e-9 / took_s, rel=1e-5, abs=0.0)


def test_links_are_charged_for_what_crosses_them():
    # Inputs once for each column of panels (2 of "a"), finished outputs once; through the power supply.
    machine, joule = system(), 1e-8
    figures = machine.figures({**FREE, "links.energy_j_per_byte": joule})
    into = (6 * 200 * 3000 * 2 + 17 * 100) * ENGINE.dac.bits / 8
    out_of = (6 * 200 * 2500 + 17 * 50) * float(ENGINE.memory.output_byte)
    assert [float(one) for one in machine.link_bytes()] == pytest.approx([into, out_of], rel=1e-6, abs=0.0)
    ops = 2.0 * machine.work.macs
    assert float(figures.energy_per_op_j["links"]) * ops == pytest.approx((into + out_of) * joule, rel=1e-5, abs=0.0)
    more = 1.0 / float(figures.ops_per_j) - 1.0 / float(machine.figures(FREE).ops_per_j)
    supply = float(ENGINE.system.power_supply_efficiency)
    assert more * ops == pytest.approx((into + out_of) * joule / supply, rel=1e-3, abs=0.0)


def test_partial_sums_beyond_the_near_memory_are_far_and_waited_for():
    # "a" has two fan-in tiles: each is added to, read and written once for 6 x 200 vectors x 2500 outputs; "b" has one.
    engine, machine = ENGINE, system(power_w=1e-6)
    held_byte = 200.0 * 2048 * float(engine.memory.partial_byte)
    moved_byte = 2.0 * 6 * 200 * 2500 * float(engine.memory.partial_byte)
    ops = 2.0 * machine.work.macs
    near = machine.figures(FREE)
    assert float(near.accumulator_share) == 0.0
    assert machine.figures({**FREE, "accumulators.near_byte": held_byte}).ops_per_j == near.ops_per_j
    dearer = float(engine.memory.far_energy_j_per_byte - engine.memory.near_energy_j_per_byte)
    for fits in (0.75, 0.25):
        values = {**FREE, "accumulators.near_byte": fits * held_byte}
        far = machine.figures(values)
        more = float(far.energy_per_op_j["activation_memory"] - near.energy_per_op_j["activation_memory"])
        assert more * ops == pytest.approx((1.0 - fits) * moved_byte * dearer, rel=1e-3, abs=0.0)
        # So slow that showing vectors takes no part: the wait is what is left of fetching them.
        slow = machine.figures({**values, "weights.bytes_per_s": 1e6})
        shown_s = float(slow.busy_share) * time_s(machine, slow)
        fetched_s = (1.0 - fits) * moved_byte / 1e6
        of_a = 1.0 - 17 / (17 + 6 * 200 * 4)
        assert float(slow.accumulator_share) * time_s(machine, slow) == pytest.approx(
            fetched_s - of_a * shown_s, rel=1e-4, abs=0.0
        )


def test_resident_sums_are_not_held():
    # Tiles of one column are engines side by side: what passes between them is never stored.
    values = {**FREE, "accumulators.near_byte": 1.0}
    few, enough = system(power_w=1e12).figures(values), system(power_w=1e12).figures(FREE)
    assert few.ops_per_j == enough.ops_per_j and float(few.accumulator_share) == 0.0


def test_resident_tiles_send_partial_sums_over_their_links():
    # Tiles of one column are engines apart: their sums do not meet beside any of them for nothing. "a" has two.
    values = {**FREE, "links.energy_j_per_byte": 1e-12}
    reloaded, resident = (system(power_w=power_w).figures(values).energy_per_op_j["links"] for power_w in (1e-6, 1e12))
    assert float(resident) > float(reloaded) * 1.01


def test_weights_that_come_slower_than_panels_are_written_decide_the_load():
    machine = system(power_w=1e-6)
    tile_byte = 2048 * 2048 * ENGINE.panel.bits / 8
    reload_s = float(ENGINE.reload_time_s)
    for bytes_per_s, load_s in ((tile_byte / (3 * reload_s), 3 * reload_s), (tile_byte / reload_s * 2, reload_s)):
        figures = machine.figures({**FREE, "weights.bytes_per_s": bytes_per_s})
        assert float(figures.load_time_s) == pytest.approx(load_s, rel=1e-5, abs=0.0)
        assert float(figures.load_share) * time_s(machine, figures) == pytest.approx(25 * load_s, rel=1e-5, abs=0.0)


def test_digits_of_a_weight_are_fetched_once():
    # Two panels hold the digits of a weight: together they take the bytes of its code.
    machine = system(SLICED, dense(1024, 1024), power_w=1e-6)
    bytes_per_s = 1e6
    figures = machine.figures({**FREE, "weights.bytes_per_s": bytes_per_s})
    fetched_s = 1024 * 1024 * SLICED.panel.bits / 8 / bytes_per_s
    assert float(figures.load_share) * time_s(machine, figures) == pytest.approx(fetched_s, rel=1e-4, abs=0.0)


def test_dark_sources_save_exactly_the_light_of_loads():
    values = load_roadmap().median(2029)
    lit, dark = (system(work=WORKS["prefill"], power_w=1e-6, idle=idle) for idle in ("lit", "dark"))
    bright, saved = lit.figures(values), dark.figures(values)
    loads = float(bright.load_share)
    assert 0.1 < loads < 0.999
    for part, energy_j in bright.energy_per_op_j.items():
        if part == "power_supply":
            continue
        left = 1.0 - loads if part in LIGHT_PARTS else 1.0
        assert float(saved.energy_per_op_j[part]) == pytest.approx(float(energy_j) * left, rel=1e-4, abs=0.0), part
    assert float(saved.busy_share) == float(bright.busy_share)
    assert float(saved.peak_ops_per_j) == float(bright.peak_ops_per_j)


def test_digital_products_are_charged_to_every_operation():
    machine, mac_j = system(work=workload(PROMPT)), 5e-13
    figures = machine.figures({**FREE, "digital.mac_energy_j": mac_j})
    share = attention_share(machine.work)
    assert 0.05 < share < 0.1
    assert float(figures.energy_per_op_j["digital_products"]) == pytest.approx(share * mac_j / 2.0, rel=1e-5, abs=0.0)
    # They are no part of the peak, which one panel does alone.
    free = machine.figures({**FREE, "digital.mac_energy_j": 0.0})
    assert float(free.peak_ops_per_j) == float(figures.peak_ops_per_j)


def test_panels_stay_loaded_where_the_budget_feeds_one_engine_each():
    rich = system(work=WORKS["prefill"], power_w=1e12)
    resident = rich.figures(FREE)
    assert float(resident.load_share) == 0.0
    assert float(resident.energy_per_op_j["weight_memory"]) == 0.0
    tiles = sum(ENGINE.count(one).tiles for one in rich.work if one.weights)
    whole_w = tiles * float(resident.engine_power_w)
    for power_w, loaded in ((whole_w * 1.001, True), (whole_w * 0.999, False)):
        figures = system(work=WORKS["prefill"], power_w=power_w).figures(FREE)
        assert (float(figures.load_share) == 0.0) == loaded


def test_weak_sources_are_told():
    weak = system(build("free-space-2048", "source.power_max_w=1e-3"))
    figures = weak.figures(FREE)
    assert float(figures.rate_limited) == 1.0
    assert float(figures.symbol_rate_hz) < 1e9
    assert float(figures.laser_power_w) == pytest.approx(1e-3, rel=1e-3, abs=0.0)
    assert float(system().figures(FREE).rate_limited) == 0.0


@pytest.mark.parametrize(
    ("work", "power_w"),
    [("prefill", 1e-9), ("dense", 1e15), ("llama-3.1-405b:prefill:131072:64", 1.0), ("llama-3.1-8b:prefill:1", 1e15)],
)
def test_numbers_and_gradients_are_finite(work, power_w):
    machine = system(work=WORKS[work] if work in WORKS else workload(work), power_w=power_w)
    values = load_roadmap().median(2029)
    measured, slopes = jax.jit(jax.value_and_grad(machine.log_ops_per_j))(values)
    assert np.isfinite(float(measured))
    assert all(np.isfinite(float(slope)) for slope in slopes.values()), slopes
    # Nothing of the building is in the machine.
    assert float(slopes["facility.power_usage_effectiveness"]) == 0.0


def test_elasticities_are_those_of_differences():
    machine, values = system(work=WORKS["prefill"]), load_roadmap().median(2029)
    measure = jax.jit(machine.log_ops_per_j)
    slopes = jax.grad(machine.log_ops_per_j)(values)
    for path in ("panel.reload_time_s", "system.host_power_w", "optics.transmission", "system.power_supply_efficiency"):
        step = 0.01
        up, down = ({**values, path: values[path] * factor} for factor in (np.exp(step), np.exp(-step)))
        difference = float(measure(up) - measure(down)) / (2.0 * step)
        # float32: 2e-6 of a logarithm of about 29, over 0.02.
        assert float(slopes[path] * values[path]) == pytest.approx(difference, rel=1e-3, abs=4e-4), path


def test_many_samples_at_once_are_those_one_by_one():
    machine = system(work=WORKS["prefill"])
    samples = {path: one[0] for path, one in load_roadmap().sample(jax.random.key(5), [2029], 3).items()}
    together = jax.jit(jax.vmap(machine.figures))(samples)
    for i in range(3):
        alone = machine.figures({path: one[i] for path, one in samples.items()})
        np.testing.assert_allclose(together.ops_per_j[i], alone.ops_per_j, rtol=1e-5)
        np.testing.assert_allclose(together.engine_power_w[i], alone.engine_power_w, rtol=1e-5)


def test_a_missing_or_unknown_parameter_is_refused():
    short = {path: value for path, value in FREE.items() if path != "links.bytes_per_s"}
    with pytest.raises(KeyError, match="links"):
        system().figures(short)
    with pytest.raises(TypeError):
        system().figures({**FREE, "panel.colour": jnp.float32(1.0)})
