"""The table of converter models: every model, the one in use, and its power as the power budget has it."""

import io

import pytest
from rich.console import Console

from experiments.engines_converters import converter_powers_w, converter_table
from photonics.catalogue import load_engine
from photonics.schema import ROWS


@pytest.fixture(scope="module")
def engine():
    return load_engine("free-space-1024", ["adc.energy_model=walden"])


def test_every_model_has_its_power(engine):
    powers_w = converter_powers_w(engine)
    choices = {(stage, model) for stage in ("dac", "adc") for model in ROWS[f"{stage}.energy_model"].choices}
    assert set(powers_w) == choices
    budget = engine.power_budget()
    assert powers_w["adc", "walden"] == pytest.approx(float(budget["adc"]))
    assert powers_w["dac", "scaled"] == pytest.approx(float(budget["dac"]))
    assert powers_w["adc", "murmann"] < powers_w["adc", "largest"] < powers_w["adc", "walden"]


def test_the_models_in_use_are_marked(engine):
    out = io.StringIO()
    Console(file=out, width=100).print(converter_table(engine))
    marked = [line.split()[:2] for line in out.getvalue().splitlines() if "in use" in line]
    assert marked == [["dac", "scaled"], ["adc", "walden"]]
