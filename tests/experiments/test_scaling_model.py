"""From a request to the machine: nothing that was asked is lost on the way."""

from pathlib import Path

import pytest

from experiments.scaling_config import ScalingConfig
from experiments.scaling_model import Model, light_of, model_of, work_of
from experiments.scaling_request import ScalingRequest, check_request
from models.hardware.required_light import RequiredLight
from models.hardware.workloads import Request, workload


def request(tmp_path: Path, *engine_set: str, **options) -> ScalingRequest:
    return check_request(ScalingConfig(**{"set": engine_set, "out": str(tmp_path / "run"), "samples": 100, **options}))


def model(tmp_path: Path, *engine_set: str, **options) -> Model:
    return model_of(request(tmp_path, *engine_set, **options))


def test_the_target_is_operations_per_joule_at_the_median_of_its_year(tmp_path):
    found = model(tmp_path, year=2031, power_w=2e3, target_ops=1e17)
    assert found.target_ops_per_j == pytest.approx(5e13, rel=1e-12, abs=0.0) and found.year == 2031
    # An exaOPS in 10 kW is 100 TOPS/W.
    assert model(tmp_path).target_ops_per_j == pytest.approx(1e14, rel=1e-12, abs=0.0)
    assert float(found.system.wall_power_w) == 2e3
    for path in ("panel.reload_time_s", "operating_point.symbol_rate_hz"):
        expected = found.roadmap.quantile(path, 2031, 0.5)
        assert float(found.values[path]) == pytest.approx(expected, rel=1e-5, abs=0.0)


def test_what_is_held_reaches_the_machine(tmp_path):
    found = model(
        tmp_path, "links.bytes_per_s=1e12", "panel.reload_time_s=1e-6", idle="dark", bits_x=6, bits_w=6, kl_nats=0.2
    )
    assert found.system.held == {"links.bytes_per_s": 1e12} and found.system.idle == "dark"
    assert not {"links.bytes_per_s", "panel.reload_time_s"} & set(found.values)
    lit = found.system.lit_engine(found.values)
    assert float(lit.reload_time_s) == pytest.approx(1e-6, rel=1e-6, abs=0.0)
    assert (lit.dac.bits, lit.panel.bits) == (6, 6)


def test_the_light_is_that_of_the_accuracy_run(tmp_path):
    asked = request(tmp_path, photons="per-dot-product")
    need, light = asked.need, model_of(asked).system.light
    assert light == light_of(need, "per-dot-product") and light != light_of(need, "per-mac")
    assert light == RequiredLight(
        electrons_per_path=need.electrons_per_path,
        shot_variance_per_electron=need.shot_variance_per_electron,
        readout_variance=need.readout_variance,
        readout_weight=need.readout_weight,
        noise_band=need.noise_band,
        inputs_per_tile=need.inputs_per_tile,
        held="per-dot-product",
    )


def test_the_work_is_that_of_the_name(tmp_path):
    engine = model(tmp_path).system.engine
    asked = Request("llama-3.1-8b", tokens=512, batch=4)
    assert work_of(asked, engine) == workload("llama-3.1-8b:prefill:512:4")
    assert work_of(asked, engine, 16) == workload("llama-3.1-8b:prefill:512:16")
    (dense,) = work_of(Request("dense"), engine)
    assert (dense.k, dense.n) == (engine.inputs, engine.outputs) == (2048, 2048)
    found = model(tmp_path, workload="llama-3.1-8b:prefill:512:4")
    assert found.system.work == workload("llama-3.1-8b:prefill:512:4") and found.request == asked
