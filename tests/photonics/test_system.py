"""What stands around an engine is charged for as long as the engine is on."""

import pytest

from photonics import load_engine
from photonics.work import Contraction, Work

# Two tiles along the contraction: two engines if resident.
WORK = Work((Contraction(name="layer", batch=1, m=900, k=2048, n=1024, weights=True),))


@pytest.fixture(scope="module")
def engine():
    return load_engine("free-space-1024")


@pytest.mark.parametrize("panels", ["resident", 1])
@pytest.mark.parametrize(("field", "part"), [("control_power_w", "control"), ("host_power_w", "host")])
def test_control_and_host_are_always_on(engine, field, part, panels):
    cost = engine.replace(**{f"system.{field}": 7.0}).cost(WORK, panels=panels)
    on_s = 1800e-9 / 0.9 if panels == "resident" else 2 * (1800e-9 + 1e-3)
    assert cost.energy_j[part] == pytest.approx(7.0 * cost.engines * on_s, rel=1e-9)


def test_the_supply_takes_its_share_of_everything(engine):
    half = engine.replace(**{"system.power_supply_efficiency": 0.5}).cost(WORK)
    assert half.energy_j["power_supply"] == pytest.approx(half.total_energy_j / 2, rel=1e-9)
    perfect = engine.replace(**{"system.power_supply_efficiency": 1.0}).cost(WORK)
    assert perfect.energy_j["power_supply"] == 0
    assert perfect.total_energy_j == pytest.approx(half.total_energy_j / 2, rel=1e-9)


def test_idle_engines_cost_what_is_always_on(engine):
    full, half = (engine.replace(**{"system.utilisation": share}).cost(WORK) for share in (1.0, 0.5))
    assert half.time_s == pytest.approx(2 * full.time_s, rel=1e-12)
    assert (full.utilisation, half.utilisation) == pytest.approx((1.0, 0.5))
    always = ("laser", "photodetector", "receiver", "panel", "control", "host")
    for part, energy_j in full.energy_j.items():
        expected = 2 * energy_j if part in always else energy_j
        if part != "power_supply":
            assert half.energy_j[part] == pytest.approx(expected, rel=1e-9), part


def test_utilisation_belongs_to_resident_engines(engine):
    full, half = (engine.replace(**{"system.utilisation": share}).cost(WORK, panels=1) for share in (1.0, 0.5))
    assert half == full
