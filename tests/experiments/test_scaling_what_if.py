"""Decisions of a scenario, one at a time."""

import pytest

from experiments.scaling_config import ScalingConfig
from experiments.scaling_model import model_of
from experiments.scaling_request import check_request
from experiments.scaling_what_if import what_if
from tests.experiments.scaled import easy


def _changes(tmp_path, **options) -> list[str]:
    request = check_request(ScalingConfig(**options, out=str(tmp_path / "run")))
    return [row["change"] for row in what_if(request, model_of(request))]


def test_the_first_row_is_the_scenario_and_the_last_all_changes():
    run = easy()
    rows = run.result["what_if"]
    ops = float(run.model.system.figures(run.model.values).ops_per_j)
    assert rows[0]["factor"] == 1.0 and rows[0]["tops_per_w"] == pytest.approx(ops / 1e12, rel=1e-6)
    assert rows[-1]["change"] == "all of these but the symbol rate"
    assert any("symbol rate that is best" in row["change"] and row["factor"] > 1.5 for row in rows)
    assert rows[-1]["tops_per_w"] > max(row["tops_per_w"] for row in rows[:-1])
    assert all(row["factor"] == pytest.approx(row["tops_per_w"] / rows[0]["tops_per_w"]) for row in rows)


def test_what_the_scenario_has_already_is_left_out(tmp_path):
    names = _changes(tmp_path, idle="dark", photons="per-dot-product", workload="llama-3.1-8b:prefill:512:64")
    assert not [name for name in names if "dark" in name or "1/d" in name or "64 prompts" in name]
    assert any("panels written" in name for name in names)


def test_a_full_panel_is_never_loaded(tmp_path):
    names = _changes(tmp_path, workload="dense")
    assert not [name for name in names if "panels written" in name or "prompts" in name or "dark" in name]


def test_a_decision_is_the_scenario_that_has_it(tmp_path):
    """The same numbers as from the command with that option."""
    rows = {row["change"]: row for row in easy().result["what_if"]}
    for change, options in (
        ("64 prompts at once", {"workload": "llama-3.1-70b:prefill:8192:64"}),
        ("panels written in 1 us", {"set": ("panel.reload_time_s=1e-6",)}),
        ("lasers dark while panels are written", {"idle": "dark"}),
        ("constant photons per dot product (1/d)", {"photons": "per-dot-product"}),
        ("a divergence of 0.2 nats instead of 0.1", {"kl_nats": 0.2}),
    ):
        model = model_of(check_request(ScalingConfig(**options, out=str(tmp_path / "run"))))
        figures = model.system.figures(model.values)
        # Sums of float32; the time of a load from a file or from the change.
        assert rows[change]["tops_per_w"] == pytest.approx(float(figures.ops_per_j) / 1e12, rel=1e-4), change
        assert rows[change]["peak_tops_per_w"] == pytest.approx(float(figures.peak_ops_per_j) / 1e12, rel=1e-4), change


def test_a_slow_panel_that_is_held_could_still_be_fast(tmp_path):
    slow, fast = (_changes(tmp_path, set=(f"panel.reload_time_s={seconds}",)) for seconds in (1e-2, 1e-6))
    assert "panels written in 1 us" in slow and "panels written in 1 us" not in fast
