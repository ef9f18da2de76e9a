"""The page of encodings says what its script counts, and one of its rows measures the same again."""

import importlib.util
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "docs" / "make_encodings.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_encodings", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table(script) -> dict[str, list[str]]:
    lines = [line for line in script.PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


def test_counts_and_energies_are_those_of_the_engine(script, table):
    assert list(table) == list(script.ENCODINGS), "run: python docs/make_encodings.py"
    for name, row in table.items():
        assert row[:5] == [str(cell) for cell in script.counted(name)]
        assert row[7] == f"{script.energy_j_per_mac(script.engine_of(name)) * 1e15:.1f}"


def test_a_row_measures_the_same_again(script, table):
    name = "offset weights, two passes subtracted"
    snr_db, electrons = script.measure(script.engine_of(name))
    # The same draws; only the order of sums may differ between machines.
    assert snr_db == pytest.approx(float(table[name][6]), abs=0.1)
    assert electrons == pytest.approx(float(table[name][5]), rel=1e-3)


def test_equal_energy_means_equal_energy(script):
    target = script.energy_j_per_mac(script.engine_of("two rails, two passes subtracted (default)"))
    engine = script.engine_of("two rails, offset activations")
    power_w = script.laser_power_w_for(engine, target)
    assert script.energy_j_per_mac(engine.at(laser_power_w=power_w)) == pytest.approx(target, rel=1e-6)
    assert script.laser_power_w_for(script.engine_of("both in 2 digits"), target) is None
