"""Arithmetic beside the optics is charged per operation, and its time is hidden."""

import pytest

from photonics import load_engine
from photonics.work import Contraction, Work

WORK = Work(
    (
        Contraction(name="layer", batch=1, m=7, k=2048, n=30, weights=True),
        Contraction(name="scores", batch=2, m=5, k=3, n=7),
    )
)


@pytest.fixture(scope="module")
def engine():
    return load_engine("free-space-1024")


@pytest.mark.parametrize(
    ("field", "part", "count"),
    [
        # 2048 inputs compared, scaled, rotated by 11 additions each; 30 outputs: 2 conversions, 1 sum, 1 scale
        ("op_energy_j", "digital", 7 * (2048 * (2 + 11) + 30 * 4)),
        ("mac_energy_j", "digital_products", 2 * 5 * 3 * 7),
    ],
)
def test_energy_is_in_proportion_to_the_operations(engine, field, part, count):
    costs = [engine.replace(**{f"digital.{field}": each_j}).cost(WORK) for each_j in (1e-12, 3e-12)]
    assert [cost.energy_j[part] for cost in costs] == pytest.approx([count * 1e-12, count * 3e-12], rel=1e-9)
    other = [{name: energy for name, energy in cost.energy_j.items() if name != part} for cost in costs]
    changed = {name for name in other[0] if other[0][name] != other[1][name]}
    assert changed == {"power_supply"}
    assert costs[0].time_s == costs[1].time_s


def test_an_engine_that_does_not_rotate_spares_the_additions(engine):
    plain = engine.replace(**{"encoding.rotate": False}).cost(WORK).energy_j["digital"]
    spared_j = engine.cost(WORK).energy_j["digital"] - plain
    assert spared_j == pytest.approx(7 * 2048 * 11 * engine.digital.op_energy_j, rel=1e-9)
