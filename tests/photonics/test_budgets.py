"""Budgets of an engine: the light step by step, every value with its unit."""

import math

import pytest

from photonics import load_engine
from photonics.budgets import link_budget, parameters, unit_of
from photonics.schema import RECEIVER_KIND, ROWS
from tests.photonics.family_engines import FREE_SPACE


@pytest.fixture(scope="module")
def engine():
    return load_engine("free-space-1024")


# The light -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FREE_SPACE)
def test_the_link_ends_at_the_electrons_of_one_path(name):
    engine = load_engine(name)
    steps = link_budget(engine)
    assert (steps[0].power_w, steps[0].loss_db) == (engine.operating_point.laser_power_w, 0.0)
    total_db = sum(step.loss_db for step in steps)
    assert steps[-1].power_w == pytest.approx(steps[0].power_w * 10 ** (-total_db / 10), rel=1e-9)
    symbol_s = 1 / engine.operating_point.symbol_rate_hz
    photons = steps[-1].power_w * symbol_s / engine.source.photon_energy_j()
    electrons = photons * engine.photodetector.quantum_efficiency
    assert electrons == pytest.approx(engine.electrons_per_path(), rel=1e-9)
    assert engine.link_budget() == steps


def test_every_step_loses_what_its_stage_says(engine):
    losses_db = [step.loss_db for step in link_budget(engine)]
    # 1.2 dB, 1.5 dB and 1.5 dB in the file, two rails of 1024 columns
    assert losses_db == pytest.approx([0, 1.2, 1.5, 1.5, 10 * math.log10(2048)])


# The values ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FREE_SPACE)
def test_every_value_has_the_unit_of_the_catalogue_and_a_meaning(name):
    engine = load_engine(name)
    rows = {row.path: row for row in parameters(engine)}
    assert engine.parameters() == list(rows.values())
    expected = {path for path in ROWS if path.partition(".")[0] != "receiver" and path != RECEIVER_KIND}
    assert {path for path in rows if not path.startswith("receiver.")} == expected
    assert len(rows) > len(expected)
    for path, row in rows.items():
        unit = ROWS[path].unit
        assert row.unit == ("" if unit == "1" else unit), path
        assert row.meaning.strip() and "\n" not in row.meaning, path
        group, _, field = path.partition(".")
        assert row.value == getattr(getattr(engine, group), field), path


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("laser_power_w", "W"),
        ("near_energy_j_per_byte", "J/byte"),
        ("rin_per_hz", "1/Hz"),
        ("drift_per_root_s", "1/sqrt(s)"),
        ("capacitance_f_per_m2", "F/m^2"),
        ("transconductance_siemens", "S"),
        ("reload_time_s", "s"),
        ("feedback_resistance_ohm", "ohm"),
        ("output_byte", "byte"),
        ("weight_percentile", "%"),
        ("percentile", "%"),
        ("bits", ""),
        ("crosstalk_per_neighbour", ""),
        ("margin", ""),
    ],
)
def test_the_name_of_a_value_tells_its_unit(name, unit):
    assert unit_of(name) == unit
