"""Figure of `exalight validate`: simulated over published for all cases, drawn from the table `points` alone."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from experiments.figures import OTHER, PARTS, STYLE, save_figure
from experiments.tables import read_table

_PASS, _FAIL, _BAND = PARTS[3], PARTS[0], OTHER
_MARKERS = {"measured": "o", "vendor": "s", "derived": "D", "simulated": "^"}
# Ratios this near to 1 are drawn on a linear axis, all others on a logarithmic one, so that a miss by a factor of ten
# and a band of a per cent can both be seen.
_LINEAR = 0.01
_TICKS = (1e-3, 0.01, 0.1, 0.3, 0.5, 0.8, 0.9, 0.95, 0.99, 1, 1.01, 1.05, 1.1, 1.2, 2, 3, 10, 100, 1e3)
_LEAST_SPAN, _LARGEST = 1.1, 1e4
_ROW_HEIGHT = 0.21


def draw(folder: Path) -> list[Path]:
    """Draw `validate` as PNG and SVG from the tables in a run folder; returns the files."""
    with matplotlib.rc_context(STYLE):
        return save_figure(ratio_figure(read_table(folder, "points").to_dicts()), folder, "validate")


def ratio_figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Ratios as points, tolerances as bands, a row for each case; points beyond the axis stand at its end.

    Hollow points are values that could not but agree: their number went in (`Case.by_construction`).
    Values published as 0 have no ratio and are named below.
    """
    cases = list(dict.fromkeys((row["group"], row["id"]) for row in rows))
    groups = list(dict.fromkeys(group for group, _ in cases))
    places, labels, place = {}, {}, 0.0
    for group in groups:
        labels[place] = group
        for case in (case for case in cases if case[0] == group):
            place += 1.0
            places[case[1]] = place
        place += 1.0
    ratios = [row["ratio"] for row in rows if row["ratio"]]
    span = min(max([_LEAST_SPAN, *(max(r, 1 / r) for r in ratios if r > 0)]) * 1.3, _LARGEST)
    figure = Figure(figsize=(9.0, 1.6 + _ROW_HEIGHT * place), layout="constrained")
    axes = figure.subplots()
    drawn = [row for row in rows if row["ratio"] is not None]
    for case, low, high in dict.fromkeys(_band(row, span) for row in drawn):
        where = places[case]
        axes.fill_betweenx([where - 0.32, where + 0.32], low, high, color=_BAND, alpha=0.45, linewidth=0)
    for row in drawn:
        _draw_value(axes, row, places[row["id"]], span)
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_yticks(list(places.values()), list(places))
    for where, group in labels.items():
        axes.text(0.0, where, group, transform=axes.get_yaxis_transform(), va="center", fontweight="bold", fontsize=8)
    axes.set_ylim(place - 0.4, -0.6)
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    _ratio_axis(axes, span)
    figure.legend(handles=_handles(rows), loc="outside lower center", ncols=4)
    figure.suptitle("Simulated over published", x=0.01, ha="left", fontweight="bold")
    return figure


def _band(row: dict[str, Any], span: float) -> tuple[str, float, float]:
    """Case and tolerance as ratios, ends at infinity (stored as null) at those of the axis."""
    low = 1 / span if row["ratio_low"] is None or row["ratio_low"] <= 0 else max(row["ratio_low"], 1 / span)
    high = span if row["ratio_high"] is None else min(row["ratio_high"], span)
    # A tolerance of zero is a line; the same tolerance of several values is the same band.
    return row["id"], round(low, 9), round(max(high, low * 1.0002), 9)


def _draw_value(axes: Any, row: dict[str, Any], place: float, span: float) -> None:
    ratio = row["ratio"]
    inside = 1 / span <= ratio <= span
    where = min(max(ratio, 1 / span), span) if ratio > 0 else 1 / span
    marker = _MARKERS.get(row["kind"], "o") if inside else ("<" if where < 1 else ">")
    colour = _PASS if row["pass"] else _FAIL
    face = "white" if row.get("by_construction") else colour
    axes.plot(where, place, marker, color=colour, markerfacecolor=face, markersize=4.2, alpha=0.85, zorder=3)


def _ratio_axis(axes: Any, span: float) -> None:
    def forward(ratio: Any) -> Any:
        log = np.log(np.maximum(np.asarray(ratio, float), 1e-12))
        return np.sign(log) * np.log1p(np.abs(log) / _LINEAR)

    def inverse(value: Any) -> Any:
        value = np.asarray(value, float)
        return np.exp(np.sign(value) * _LINEAR * np.expm1(np.abs(value)))

    axes.set_xscale("function", functions=(forward, inverse))
    axes.set_xlim(1 / span, span)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if 1 / span <= tick <= span]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(True, axis="x", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"ratio (logarithmic; linear within {100 * _LINEAR:g} % of 1)")


def _handles(rows: Sequence[dict[str, Any]]) -> list[Any]:
    kinds = [kind for kind in _MARKERS if any(row["kind"] == kind for row in rows)]
    markers = [
        Line2D([], [], color="black", marker=_MARKERS[kind], linestyle="none", markersize=4.2, label=kind)
        for kind in kinds
    ]
    if any(row.get("by_construction") for row in rows):
        hollow = {"color": _PASS, "markerfacecolor": "white", "linestyle": "none", "markersize": 4.2}
        markers.append(Line2D([], [], marker="o", label="by construction (hollow)", **hollow))
    verdicts: list[Any] = [Patch(color=_BAND, alpha=0.45, label="tolerance"), Patch(color=_PASS, label="passes")]
    if any(not row["pass"] for row in rows):
        verdicts.append(Patch(color=_FAIL, label="fails"))
    unplaced = sorted({row["id"] for row in rows if row["ratio"] is None or math.isnan(row["ratio"])})
    if unplaced:
        verdicts.append(Line2D([], [], linestyle="none", label=f"0 published: {', '.join(unplaced)}"))
    return [*markers, *verdicts]
