import math

import pytest

from experiments import engines_sweep
from experiments.engines_sweep import EnginesSweep, budgets
from experiments.errors import RequestError
from experiments.sweepable import Failed, Point
from photonics import load_engine


def point(engine_set=(), **options) -> Point:
    facts = EnginesSweep().facts(options, engine_set)
    return Point("engines", options, engine_set, 0, None, facts)


def test_a_row_is_what_explain_says():
    engine = load_engine("free-space-1024", ["operating_point.laser_power_w=0.01", "adc.bits=8"])
    explained = engine.explain()
    ((_, row),) = EnginesSweep().evaluate([point(("adc.bits=8",), laser_power_w=0.01)])
    assert not isinstance(row, Failed)
    assert row == budgets(engine)
    assert row["snr_db"] == pytest.approx(explained.snr_db)
    assert row["effective_bits"] == pytest.approx(explained.effective_bits)
    assert row["noise_electrons"] == pytest.approx(explained.electrons.noise_rms)
    assert row["power_w"] == pytest.approx(math.fsum(explained.power_w.values()))
    assert math.fsum(v for k, v in row.items() if k.startswith("noise_share.")) == pytest.approx(1)  # pyright: ignore
    assert math.fsum(v for k, v in row.items() if k.startswith("power_w.")) == pytest.approx(row["power_w"])  # pyright: ignore


@pytest.mark.parametrize("overrides", [(), ("encoding.activation_sign=offset", "encoding.repetitions=2")])
def test_energy_per_mac_is_that_of_the_cost_model(overrides):
    from photonics.work import Contraction, Work

    engine = load_engine("free-space-1024", [*overrides, "system.utilisation=1"])
    matrix = Contraction("", batch=1, m=10**6, k=engine.source.count, n=engine.panel.outputs, count=1, weights=True)
    cost = engine.cost(Work((matrix,)))
    row = budgets(engine)
    assert row["energy_per_mac_j"] == pytest.approx(float(cost.energy_j_per_mac))
    assert row["tops_per_w"] == pytest.approx(float(cost.tops_per_w))
    assert row["macs_per_s"] == pytest.approx(cost.macs / float(cost.time_s))


def test_numbers_of_one_structure_are_one_group():
    sweepable = EnginesSweep()
    assert sweepable.group(point(laser_power_w=0.01)) == sweepable.group(point(("optics.transmission=0.3",)))
    assert sweepable.group(point()) != sweepable.group(point(("adc.bits=6",)))


def test_what_an_engine_refuses_is_refused_before():
    with pytest.raises(RequestError, match="at least 1 effective bit"):
        point(("adc.bits=4", "adc.enob_loss=3.5"))
    with pytest.raises(RequestError, match="the same value, set twice"):
        point(("operating_point.laser_power_w=3",), laser_power_w=0.01)
    with pytest.raises(RequestError, match="unknown engine"):
        point(engine="free-space-1023")


def test_a_file_that_has_changed_since_the_plan_fails_its_points(tmp_path):
    file = tmp_path / "mine.toml"
    text = 'extends = "ideal"\ntitle = "mine"\n[adc.bits]\nvalue = {}\nkind = "assumption"\nsource = "test"\n'
    file.write_text(text.format(8))
    planned = point(engine=str(file))
    # A worker is another process.
    engines_sweep._read.cache_clear()
    file.write_text(text.format(6))
    ((_, found),) = EnginesSweep().evaluate([planned])
    assert isinstance(found, Failed) and "other values" in found.error
    file.write_text(text.format(8))
    ((_, found),) = EnginesSweep().evaluate([planned])
    assert not isinstance(found, Failed)
