import jax.numpy as jnp
import numpy as np
import pytest

from models.hardware.optical_system import OpticalSystem
from models.hardware.walls import UTILISATIONS, busy_share, engines_for, reload_walls, utilisation_grid, walls
from models.hardware.workloads import workload
from photonics.free_space import FreeSpaceEngine
from tests.models.hardware.lit_machines import FREE, LIGHT, build

BRIGHT = "source.power_max_w=10.0"
MODEL = "llama-3.1-8b:prefill:512"


def system(text: str = MODEL, engine: FreeSpaceEngine | None = None) -> OpticalSystem:
    one = engine or build("free-space-2048", BRIGHT)
    return OpticalSystem(engine=one, light=LIGHT, work=workload(text, panel=(2048, 2048)), wall_power_w=1e4)


@pytest.mark.parametrize(
    ("name", "engines", "whole"), [("free-space-1024", 476.8, 477), ("free-space-2048", 119.2, 120)]
)
def test_engines_for_an_exaops(name, engines, whole):
    engine = build(name, BRIGHT).at(symbol_rate_hz=1e9)
    assert engines_for(1e18, engine) == pytest.approx(engines, abs=0.05)
    found = walls(system(engine=engine), {**FREE, "operating_point.symbol_rate_hz": jnp.float32(1e9)}, 1e18, 512, 1)
    assert found["engines_at_peak"] == pytest.approx(engines, abs=0.05)
    assert found["engines_at_peak_whole"] == whole


def test_busy_share_of_a_panel():
    assert busy_share(8192, 1, 1e9, 1e-3) == pytest.approx(0.0081, abs=5e-5)
    assert busy_share(8192, 2, 1e9, 1e-3) == pytest.approx(2 * 8.192e-6 / (2 * 8.192e-6 + 1e-3), rel=1e-12, abs=0.0)
    assert busy_share(1, 1, 1e9, 0.0) == 1.0


@pytest.mark.parametrize(("passes", "rate_hz", "load_s"), [(1, 1e9, 1e-3), (2, 3e8, 1e-5)])
def test_walls_of_the_reload_are_the_busy_share_turned_round(passes, rate_hz, load_s):
    found = reload_walls(load_s, passes, rate_hz, tokens=8192, batch=4)
    assert [one.busy_share for one in found] == list(UTILISATIONS) == [0.1, 0.5, 0.9]
    for one in found:
        assert busy_share(one.vectors, passes, rate_hz, load_s) == pytest.approx(one.busy_share, rel=1e-12, abs=0.0)
        assert busy_share(4 * 8192, passes, rate_hz, one.load_time_needed_s) == pytest.approx(
            one.busy_share, rel=1e-12, abs=0.0
        )
        assert one.prompts * 8192 == pytest.approx(one.vectors, rel=1e-12, abs=0.0)
        # Written meanwhile: shown / max(shown, load).
        shown_s = one.vectors_double_buffered * passes / rate_hz
        assert shown_s / max(shown_s, load_s) == pytest.approx(one.busy_share, rel=1e-12, abs=0.0)


def test_walls_of_a_model_add_up():
    machine = system()
    found, figures = walls(machine, FREE, 1e18, 512, 1), machine.figures(FREE)
    assert found["power_delivering_w"] == pytest.approx(1e18 / float(figures.ops_per_j), rel=1e-6, abs=0.0)
    per_engine_w = found["power_delivering_w"] / found["engines_delivering"]
    assert per_engine_w == pytest.approx(float(figures.engine_power_w), rel=1e-6, abs=0.0)
    # A delivering engine does no more than its peak over its two passes.
    assert found["engines_delivering"] >= 2.0 * found["engines_at_peak"] * float(figures.busy_share)
    weights = sum(one.matrices * one.k * one.n for one in machine.work if one.weights)
    assert found["weight_byte_per_batch"] == weights * machine.engine.panel.bits / 8
    batches_per_s = 1e18 / (2.0 * machine.work.macs)
    assert found["weight_byte_per_s"] == pytest.approx(
        found["weight_byte_per_batch"] * batches_per_s, rel=1e-9, abs=0.0
    )
    assert found["accumulator_byte"] == 512 * 2048 * float(machine.engine.memory.partial_byte)
    assert found["accumulator_near_byte"] == FREE["accumulators.near_byte"] and found["accumulator_share"] == 0.0
    assert found["reload"][0]["load_time_s"] == float(figures.load_time_s)


def test_sums_of_many_prompts_do_not_fit_beside_an_engine():
    values = {**FREE, "accumulators.near_byte": 1e7, "weights.bytes_per_s": 1e12}
    one, many = (walls(system(f"llama-3.1-8b:prefill:512:{batch}"), values, 1e18, 512, batch) for batch in (1, 64))
    assert many["accumulator_byte"] == 64 * one["accumulator_byte"] > values["accumulators.near_byte"]
    assert one["accumulator_byte"] < values["accumulators.near_byte"] and one["accumulator_share"] == 0.0
    assert 0.0 < many["accumulator_share"] < 1.0


def test_sums_of_one_tile_need_no_accumulators():
    assert walls(system("dense"), FREE, 1e18, 1, 1)["accumulator_byte"] == 0.0


def test_resident_panels_fetch_no_weights():
    found = walls(system("dense"), FREE, 1e18, 1, 1)
    assert found["weight_byte_per_batch"] == found["weight_byte_per_s"] == 0.0
    assert found["panels_resident"] == 1


def test_the_dense_peak_has_walls_without_prompts():
    # `parse_workload("dense")` has no tokens and no batch.
    found = walls(system("dense"), FREE, 1e18, 0, 0)
    assert found["engines_at_peak"] == pytest.approx(1e18 / (2 * 2048**2 * 1e9), rel=1e-6, abs=0.0)


def test_the_grid_is_the_figures_at_each_point():
    machine, times = system(), [1e-6, 1e-3]
    works = {1: workload(MODEL), 4: workload(MODEL + ":4")}
    rows = utilisation_grid(machine, FREE, times, works)
    assert [(row["batch"], row["reload_time_s"]) for row in rows] == [
        (batch, pytest.approx(t)) for batch in (1, 4) for t in times
    ]
    for row in rows:
        of_batch = OpticalSystem(engine=machine.engine, light=LIGHT, work=works[int(row["batch"])], wall_power_w=1e4)
        figures = of_batch.figures({**FREE, "panel.reload_time_s": jnp.float32(row["reload_time_s"])})
        np.testing.assert_allclose(row["busy_share"], float(figures.busy_share), rtol=1e-5)
        np.testing.assert_allclose(row["tops_per_w"], float(figures.ops_per_j) / 1e12, rtol=1e-5)
    assert rows[0]["busy_share"] > rows[1]["busy_share"]
    assert rows[3]["busy_share"] > rows[1]["busy_share"]
