"""Files of `exalight scaling`: tables agree with the result, figures are drawn again from them."""

import pytest

from experiments.plot import run_plot
from experiments.plot_config import PlotConfig
from experiments.tables import read_table
from tests.experiments.scaled import easy


def test_tables_hold_what_the_result_says():
    run = easy()
    years = {row["year"]: row for row in read_table(run.folder, "years").to_dicts()}
    for row in run.result["years"]:
        assert years[row["year"]]["tops_per_w_p50"] == row["tops_per_w_p50"]
        assert years[row["year"]]["target_tops_per_w"] == pytest.approx(0.35)
    breakdown = read_table(run.folder, "breakdown").to_dicts()
    assert sum(row["power_w"] for row in breakdown if row["year"] == 2030) == pytest.approx(1e4, rel=1e-6)
    assert len(read_table(run.folder, "samples")) == run.request.config.samples
    assert len(read_table(run.folder, "requirements")) == len(run.model.roadmap.paths)
    path = read_table(run.folder, "path").to_dicts()
    assert max(row["target_tops_per_w"] for row in path) == pytest.approx(0.35, rel=1e-6)
    grid = read_table(run.folder, "utilisation").to_dicts()
    assert {row["batch"] for row in grid} >= {1, 64} and all(0 < row["busy_share"] <= 1 for row in grid)
    median_s = grid[0]["median_reload_time_s"]
    assert any(row["reload_time_s"] == pytest.approx(median_s, rel=1e-6) for row in grid)


def test_figures_are_drawn_again(capsys):
    run = easy()
    for name in ("fan", "tornado", "power", "utilisation", "path", "requirements"):
        assert (run.folder / f"{name}.png").stat().st_size > 10_000
        (run.folder / f"{name}.svg").unlink()
    run_plot(PlotConfig(run=str(run.folder)))
    assert all((run.folder / f"{name}.svg").exists() for name in ("fan", "path"))
