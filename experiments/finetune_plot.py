"""The figure of a fine-tuning run, drawn from its tables alone: how it learned, and what it was worth."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from experiments.figures import STYLE, save_figure
from experiments.runs import CONFIG_FILE
from experiments.tables import read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by readers with any kind of colour vision.
_BEFORE, _AFTER, _RATE = "#D55E00", "#0072B2", "#999999"
_SMOOTHED = 10


def draw(folder: Path) -> list[Path]:
    """Draw `finetune` as PNG and SVG from the tables in a run folder; returns the files."""
    config = tomllib.loads((folder / CONFIG_FILE).read_text("utf-8"))["options"]
    points = read_table(folder, "points").to_dicts()
    curve = read_table(folder, "curve").to_dicts() if config["steps"] else []
    title = f"{Path(config['model']).name} on {Path(config['engine']).stem}, {config['method']}"
    with matplotlib.rc_context(STYLE):
        return save_figure(finetune_figure(points, curve, title), folder, "finetune")


def finetune_figure(points: Sequence[dict[str, Any]], curve: Sequence[dict[str, Any]], title: str) -> Figure:
    """Loss by step, and divergence by laser power before and after; rows of the tables `curve` and `points`."""
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    learning, worth = figure.subplots(1, 2)
    _learning(learning, curve)
    for arm, colour, marker in (("before", _BEFORE, "s"), ("after", _AFTER, "o")):
        rows = sorted((row for row in points if row["arm"] == arm), key=lambda row: row["laser_power_w"])
        spread = [row["kl_nats_spread"] or 0.0 for row in rows]
        worth.errorbar(
            [row["laser_power_w"] * 1e3 for row in rows],
            [row["kl_nats"] for row in rows],
            # A spread above its mean has no place on a logarithmic axis.
            yerr=[[min(s, 0.9 * row["kl_nats"]) for s, row in zip(spread, rows, strict=True)], spread],
            color=colour, marker=marker, markersize=5, capsize=2, linewidth=1.4, label=f"{arm} training",
        )  # fmt: skip
    worth.set_xscale("log")
    worth.set_yscale("log")
    powers_mw = sorted({row["laser_power_w"] * 1e3 for row in points})
    worth.set_xticks(powers_mw, [f"{power_mw:.3g}" for power_mw in powers_mw])
    worth.set_xticks([], minor=True)
    worth.set_title("Divergence from the original digital model, held-out text")
    worth.set_xlabel("laser power of one source (mW)")
    worth.set_ylabel("KL divergence (nats per token)")
    worth.grid(True, which="major", color="#dddddd", linewidth=0.5)
    worth.set_axisbelow(True)
    worth.legend()
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _learning(axes: "Axes", curve: Sequence[dict[str, Any]]) -> None:
    axes.set_title("Loss in training, fresh noise at every step")
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    if not curve:
        axes.annotate("no steps", (0.5, 0.5), xycoords="axes fraction", ha="center")
        return
    steps, loss = [row["step"] + 1 for row in curve], np.array([row["loss_nats"] for row in curve])
    axes.plot(steps, loss, color=_AFTER, linewidth=0.6, alpha=0.5)
    width = min(_SMOOTHED, len(loss))
    axes.plot(steps[width - 1 :], np.convolve(loss, np.ones(width) / width, "valid"), color=_AFTER, linewidth=1.6)
    rate = axes.twinx()
    rate.plot(steps, [row["learning_rate"] for row in curve], color=_RATE, linewidth=0.8, linestyle="--")
    rate.set_ylabel("learning rate (dashed)", color=_RATE)
    rate.set_ylim(bottom=0.0)
    rate.spines["right"].set_visible(False)
    axes.grid(True, which="major", color="#dddddd", linewidth=0.5)
