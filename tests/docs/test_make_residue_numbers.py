"""The page of residue numbers says what its engines are, and one of its rows measures the same again."""

import importlib.util
import types
from pathlib import Path

import pytest

import photonics

_SCRIPT = Path(__file__).parents[2] / "docs" / "make_residue_numbers.py"


@pytest.fixture(scope="module")
def script() -> types.ModuleType:
    spec = importlib.util.spec_from_file_location("make_residue_numbers", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _rows(script: types.ModuleType, heading: str) -> list[list[str]]:
    section = script.PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]


def test_the_rows_of_six_bits_are_those_of_the_engines(script):
    # The whole page takes a minute; one row of each of its first two tables tells whether it is out of date.
    same = {row[0]: row for row in _rows(script, "The same converters, no noise")}
    engine = script.residue(6)
    assert same["6"][1] == ", ".join(map(str, engine.encoding.all_moduli()))
    assert float(same["6"][2]) == pytest.approx(script.error(engine.replace(**script._QUIET)), rel=0.01)
    assert float(same["6"][3]) == pytest.approx(script.error(script.positional(6, 6, 1.0)), rel=0.01)
    instead = {row[0]: row for row in _rows(script, "What a positional converter needs instead")}
    assert instead["6"][1] == f"4 x 6 bits: {4 * script.conversion_pj(engine):.2f} pJ"


def test_every_part_of_the_page_is_there(script):
    assert {row[0] for row in _rows(script, "Engines as they stand")} >= {f"`{name}`" for name in script.MACHINES}
    machine = next(row for row in _rows(script, "Engines as they stand") if row[0] == "`residue-2024`")
    engine = photonics.load_engine("residue-2024")
    energy_fj = float(sum(engine.power_budget().values())) / float(engine.macs_per_s()) * 1e15
    assert float(machine[5]) == pytest.approx(energy_fj, rel=0.01)
    assert len(_rows(script, "What it asks of the phase")) == 2 * 2 + len(script.SEGMENT_ERRORS_RAD) + len(
        script.ENOB_LOSSES
    )
