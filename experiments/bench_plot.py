"""Figure of `exalight bench`: every ratio with its quartiles, drawn from the table `cases` alone."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.figures import PARTS, STYLE, save_figure
from experiments.runs import CONFIG_FILE
from experiments.tables import read_table

_TARGET = "#BB5566"
# The first colour of all figures is too close to that of the targets.
_COLOURS = (PARTS[1], PARTS[3], PARTS[2], PARTS[4], PARTS[6], PARTS[7])
_MARKERS = "osD^vP"
# Ratios that the axis names, as far as they lie on it.
_TICKS = (0.5, 1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)
# Shapes side by side within the row of one case.
_ROW_HEIGHT, _SPREAD = 0.3, 0.5


def draw(folder: Path) -> list[Path]:
    """Draw `bench` as PNG and SVG from the tables in a run folder; returns the files."""
    config = tomllib.loads((folder / CONFIG_FILE).read_text("utf-8"))["options"]
    title = Path(config["engine"]).stem
    if config.get("set"):
        title += f" with {', '.join(config['set'])}"
    with matplotlib.rc_context(STYLE):
        return save_figure(ratio_figure(read_table(folder, "cases").to_dicts(), title), folder, "bench")


def ratio_figure(rows: Sequence[dict[str, Any]], title: str) -> Figure:
    """Median ratios as points, quartiles as bars, targets as short lines; a row for each case, a marker per shape."""
    names = list(dict.fromkeys(row["title"] for row in rows))
    shapes = list(dict.fromkeys(_shape(row) for row in rows))
    figure = Figure(figsize=(9.0, 1.7 + _ROW_HEIGHT * len(names)), layout="constrained")
    axes = figure.subplots()
    for row in rows:
        which = shapes.index(_shape(row))
        beside = [_shape(other) for other in rows if other["title"] == row["title"]]
        place = names.index(row["title"]) + _SPREAD * ((beside.index(_shape(row)) + 0.5) / len(beside) - 0.5)
        colour, median = _COLOURS[which % len(_COLOURS)], row["ratio_median"]
        axes.plot([row["ratio_low"], row["ratio_high"]], [place, place], color=colour, linewidth=2.5, alpha=0.5)
        axes.plot(median, place, _MARKERS[which % len(_MARKERS)], color=colour, markersize=4.5)
        if row["target_ratio"] is not None:
            half = _SPREAD / len(beside) / 2
            axes.plot([row["target_ratio"]] * 2, [place - half, place + half], color=_TARGET, linewidth=2.0)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    _ratio_axis(axes)
    handles = [
        Line2D(
            [], [], color=_COLOURS[i % len(_COLOURS)], marker=_MARKERS[i % len(_MARKERS)], linestyle="none", label=shape
        )
        for i, shape in enumerate(shapes)
    ]
    if any(row["target_ratio"] is not None for row in rows):
        handles.append(Line2D([], [], color=_TARGET, linewidth=2.0, label="asked for, at most"))
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    figure.suptitle(f"{title}: optical over plain time", x=0.01, ha="left", fontweight="bold")
    return figure


def _ratio_axis(axes: Any) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.95), max(high, 2.1))
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(True, axis="x", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel("time over that of the plain float32 function (median; bar: quartiles)")


def _shape(row: dict[str, Any]) -> str:
    return "whole model" if row["k"] is None else f"{row['m']} x {row['k']} x {row['n']}"
