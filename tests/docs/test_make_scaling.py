"""The page about an exaOPS in 10 kW is what its numbers print, and the numbers are those of the model."""

import importlib.util
import json
from pathlib import Path

import pytest

from experiments.scaling_config import ScalingConfig
from experiments.scaling_model import model_of
from experiments.scaling_request import check_request
from experiments.scaling_results import projected, year_row

_SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "make_scaling.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("make_scaling", _SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(script):
    return json.loads(script.DATA.read_text("utf-8"))


def test_the_page_is_up_to_date(script, data):
    assert script.PAGE.read_text("utf-8") == script.page(data)


def test_every_scenario_is_there(script, data):
    assert list(data["scenarios"]) == list(script.SCENARIOS)
    images = [line for line in script.page(data).splitlines() if line.startswith("![")]
    for line in images:
        assert (_SCRIPT.parent / line.partition("](")[2].rstrip(")")).is_file(), line
    assert len(images) == len(script._FIGURES)


def test_the_numbers_are_those_of_the_model(script, data, tmp_path):
    options = {**script.SCENARIOS[script.BUSY], "out": str(tmp_path / "run")}
    config = ScalingConfig(**options)
    (year,) = projected(config, model_of(check_request(config)), [config.year])
    found, kept = year_row(year, config.power_w), data["scenarios"][script.BUSY]["year"]
    for key in ("tops_per_w_p05", "tops_per_w_p50", "tops_per_w_p95", "peak_tops_per_w_p50"):
        # The same samples; another version of JAX sums and takes exponentials in another order.
        assert found[key] == pytest.approx(kept[key], rel=1e-3, abs=0.0), key
    assert found["probability_of_target"] == kept["probability_of_target"]
