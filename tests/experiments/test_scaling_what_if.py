"""One decision at a time: which are asked, and that each is the machine with that decision and nothing else."""

import pytest

from experiments.scaling_config import ScalingConfig
from experiments.scaling_model import model_of
from experiments.scaling_request import check_request
from experiments.scaling_what_if import what_if

PROMPTS, WRITTEN, DARK = "64 prompts at once", "panels written in 1 us", "lasers dark while panels are written"
DIRECT, DOT = "lasers modulated by their own current", "constant photons per dot product (1/d)"
LOOSER, ALL, AS_IS = "a divergence of 0.2 nats instead of 0.1", "all of these", "as it is"


def asked(tmp_path, *engine_set, **options):
    options = {"set": engine_set, "out": str(tmp_path / "run"), "samples": 100, **options}
    request = check_request(ScalingConfig(**options))
    return request, model_of(request)


def changes(tmp_path, *engine_set, **options):
    return {row["change"]: row for row in what_if(*asked(tmp_path, *engine_set, **options))}


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    return changes(tmp_path_factory.mktemp("what-if"))


def test_every_decision_is_asked_and_the_first_row_is_the_machine_as_it_is(default, tmp_path):
    assert list(default) == [AS_IS, PROMPTS, WRITTEN, DARK, DIRECT, DOT, LOOSER, ALL]
    _, model = asked(tmp_path)
    figures = model.system.figures(model.values)
    first = default[AS_IS]
    assert first["factor"] == 1.0
    assert first["tops_per_w"] == pytest.approx(float(figures.ops_per_j) / 1e12, rel=1e-6)
    assert first["peak_tops_per_w"] == pytest.approx(float(figures.peak_ops_per_j) / 1e12, rel=1e-6)
    assert first["busy_share"] == pytest.approx(float(figures.busy_share), rel=1e-6)
    for row in default.values():
        assert row["factor"] == pytest.approx(row["tops_per_w"] / first["tops_per_w"], rel=1e-12)
    assert default[ALL]["factor"] > max(row["factor"] for change, row in default.items() if change != ALL) > 1.0


def test_a_decision_is_the_scenario_that_has_it(default, tmp_path):
    """The same numbers as from the command with that option."""
    for change, engine_set, options in (
        (PROMPTS, (), {"workload": "llama-3.1-70b:prefill:8192:64"}),
        (WRITTEN, ("panel.reload_time_s=1e-6",), {}),
        (DARK, (), {"idle": "dark"}),
        (DOT, (), {"photons": "per-dot-product"}),
        (LOOSER, (), {"kl_nats": 0.2}),
    ):
        _, model = asked(tmp_path, *engine_set, **options)
        figures = model.system.figures(model.values)
        assert default[change]["tops_per_w"] == pytest.approx(float(figures.ops_per_j) / 1e12, rel=1e-4), change
        assert default[change]["peak_tops_per_w"] == pytest.approx(float(figures.peak_ops_per_j) / 1e12, rel=1e-4)


def test_what_the_scenario_has_already_is_left_out(tmp_path):
    found = changes(
        tmp_path,
        "panel.reload_time_s=1e-6",
        workload="llama-3.1-70b:prefill:8192:64",
        idle="dark",
        photons="per-dot-product",
    )
    assert list(found) == [AS_IS, DIRECT, LOOSER, ALL]


def test_a_slow_panel_that_is_held_could_still_be_fast(default, tmp_path):
    found = changes(tmp_path, "panel.reload_time_s=1e-2", idle="dark", photons="per-dot-product")
    assert list(found) == [AS_IS, PROMPTS, WRITTEN, DIRECT, LOOSER, ALL]
    assert found[WRITTEN]["factor"] > default[WRITTEN]["factor"] and found[WRITTEN]["busy_share"] > 0.5


def test_full_matrices_know_neither_prompts_nor_loads(tmp_path):
    assert list(changes(tmp_path, workload="dense")) == [AS_IS, DIRECT, DOT, LOOSER, ALL]


def test_an_accuracy_that_no_run_has_is_left_out(tmp_path):
    request, model = asked(tmp_path, kl_nats=0.5)
    found = {row["change"] for row in what_if(request, model)}
    looser = {one for one in found if "divergence" in one}
    assert bool(looser) == (request.need_at(1.0) is not None)
