"""Figures of `exalight scaling` that say what limits a machine: sensitivities, reloads, and what has to change."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, LogLocator

from experiments.figures import HALO, OTHER, PARTS
from experiments.scaling_plot_labels import (
    GRID,
    INK,
    SOFT,
    Tables,
    draw_grid,
    finite,
    log_scale,
    name_ends,
    parameter,
    percent,
    quantity,
    write_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOW, _HIGH, _SHARE, _FIRST, _TARGET, _MARK = PARTS[4], PARTS[1], PARTS[6], INK, PARTS[5], PARTS[0]
_BARS, _FACTORS, _PATHS, _REQUIREMENTS = 15, 6, 8, 15
_ROW_HEIGHT = 0.33
# A target beyond this many times the longest bar would leave no room for the bars.
_FAR = 12.0
_LINES = ("-", (0, (5, 2)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)))
# A target is met within rounding of the tables.
_NEARLY = 1 + 1e-6
_BUSY = (0.1, 0.5, 0.9)


def tornado_figure(tables: Tables, subtitle: str) -> Figure:
    """What each parameter alone does to operations per joule between its 5 and 95 % values, and shares of variance.

    From `sensitivity`; the year and the target from `years`, if it is there. Causes that parameters share (factors)
    have a share of variance of their own, below.
    """
    parameters = [row for row in tables["sensitivity"] if row["kind"] == "parameter" and _ends(row)]
    ranked = sorted(parameters, key=lambda row: -abs(math.log(row["tops_per_w_at_high"] / row["tops_per_w_at_low"])))
    bars = ranked[:_BARS]
    factors = [row for row in tables["sensitivity"] if row["kind"] == "factor"]
    factors = sorted(factors, key=lambda row: -(row["share_total"] or 0.0))[:_FACTORS]
    places = [*range(len(bars)), *(len(bars) + 0.7 + place for place in range(len(factors)))]
    figure = Figure(figsize=(10.0, 2.0 + _ROW_HEIGHT * (len(places) + 0.7 * bool(factors))), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3.2, 1.0))
    middle = _middle(parameters)
    _draw_bars(left, bars, middle, tables["years"])
    _draw_variance(right, [*bars, *factors], places)
    names = [f"{parameter(row['name'])} ({quantity(row['median'], row['unit'])})" for row in bars]
    left.set_yticks(places, [*names, *(parameter(row["name"]) for row in factors)])
    left.set_ylim((places[-1] if places else 0) + 0.6, -0.6)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)
    if factors:
        words = "causes that several parameters share:\nno value of their own, only a share"
        left.text(
            0.5,
            len(bars) + 0.7 + (len(factors) - 1) / 2,
            words,
            transform=left.get_yaxis_transform(),
            ha="center",
            va="center",
            fontsize=8,
            color=SOFT,
            bbox=HALO | {"alpha": 1.0, "pad": 2.0},
            zorder=5,
        )
        for axes in (left, right):
            axes.axhline(len(bars) - 0.15, color=OTHER, linewidth=0.8)
    handles = [
        Patch(color=_LOW, label="at its 5 % value"),
        Patch(color=_HIGH, label="at its 95 % value"),
        Patch(color=_SHARE, label="share of variance with interactions"),
        Line2D([], [], color=_FIRST, marker="|", markersize=8, linestyle="none", label="alone"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    year = f" in {tables['years'][0]['target_year']}" if tables["years"] else ""
    most = f", most of all {parameter(bars[0]['name'])}" if bars else ""
    write_title(figure, f"What decides TOPS/W{year}{most}", subtitle)
    return figure


def _ends(row: dict[str, Any]) -> bool:
    return (row["tops_per_w_at_low"] or 0) > 0 and (row["tops_per_w_at_high"] or 0) > 0


def _middle(rows: Sequence[dict[str, Any]]) -> float:
    """Operations per joule of the median machine; 1 without any parameter."""
    return next((row["tops_per_w_at_median"] for row in rows), 1.0)


def _draw_bars(axes: "Axes", rows: Sequence[dict[str, Any]], middle: float, years: Sequence[dict[str, Any]]) -> None:
    values = [row[key] for row in rows for key in ("tops_per_w_at_low", "tops_per_w_at_high")] + [middle]
    target: float = years[0]["target_tops_per_w"] if years else 0.0
    near = min(values) / _FAR < target < max(values) * _FAR
    log_scale(axes.xaxis, [*values, *([target] if near else [])], 0.13, 0.13)
    draw_grid(axes, "x")
    for place, row in enumerate(rows):
        ends = [("low", row["tops_per_w_at_low"], _LOW), ("high", row["tops_per_w_at_high"], _HIGH)]
        # The longer bar behind the shorter, should both lie on one side.
        for _, end, colour in sorted(ends, key=lambda end: -abs(math.log(end[1] / middle))):
            axes.barh(place, end - middle, 0.68, middle, color=colour)
        for side, (name, end, _) in zip((-1, 1), sorted(ends, key=lambda end: end[1]), strict=True):
            outside = min(end, middle) if side < 0 else max(end, middle)
            axes.annotate(
                quantity(row[name], row["unit"]),
                (outside, place),
                xytext=(3 * side, 0),
                textcoords="offset points",
                ha="right" if side < 0 else "left",
                va="center",
                fontsize=7.5,
                color=INK,
                bbox=HALO,
            )
    axes.axvline(middle, color="black", linewidth=0.9)
    if near:
        axes.axvline(target, color=_TARGET, linewidth=1.0, linestyle=(0, (6, 3)), zorder=0.9)
        place = {"xytext": (-3, 2), "textcoords": "offset points", "ha": "right", "va": "bottom"}
        words = f"target {target:.3g}"
        axes.annotate(
            words, (target, 0.0), xycoords=("data", "axes fraction"), color=_TARGET, fontsize=8, bbox=HALO, **place
        )
    axes.set_xlabel(f"TOPS/W at the wall; line: all at the median, {middle:.3g}")
    axes.set_title("One at a time, the others at the median")


def _draw_variance(axes: "Axes", rows: Sequence[dict[str, Any]], places: Sequence[float]) -> None:
    """Shares in per cent; estimates may fall below 0 or exceed 100 within their errors."""
    total, first = ([100 * (row[key] or 0.0) for row in rows] for key in ("share_total", "share_first"))
    errors = [100 * (row["share_total_error"] or 0.0) for row in rows]
    axes.barh(places, total, 0.55, color=_SHARE)
    axes.errorbar(total, places, xerr=errors, linestyle="none", color=SOFT, capsize=2, linewidth=0.8)
    axes.plot(first, places, "|", color=_FIRST, markersize=8, markeredgewidth=1.4)
    highest = max([*(t + e for t, e in zip(total, errors, strict=True)), *first, 1.0])
    axes.set_xlim(min(0.0, *total, *first) if rows else 0.0, 1.12 * highest)
    draw_grid(axes, "x")
    axes.set_xlabel("share (%)")
    axes.set_title("Share of variance")


def utilisation_figure(tables: Tables, subtitle: str) -> Figure:
    """How busy engines are, and operations per joule, against the reload time of a panel, for several batches.

    From the table `utilisation`, where `tokens` are those of a prompt; reload times of 0 have no place on the axis and
    are left out.
    """
    rows = [row for row in tables["utilisation"] if row["reload_time_s"] > 0]
    batches = sorted({row["batch"] for row in rows}, reverse=True)
    median_s = next((row["median_reload_time_s"] for row in rows), None)
    figure = Figure(figsize=(10.5, 4.9), layout="constrained")
    busy, rate = figure.subplots(1, 2)
    shades = matplotlib.colormaps["cividis_r"]
    handles = []
    for index, batch in enumerate(batches):
        chosen = sorted((row for row in rows if row["batch"] == batch), key=lambda row: row["reload_time_s"])
        times_s = [row["reload_time_s"] for row in chosen]
        style = {"color": shades(0.15 + 0.85 * index / max(1, len(batches) - 1)), "linewidth": 1.8}
        marker = "o" if len(chosen) == 1 else ""
        busy.plot(times_s, [row["busy_share"] for row in chosen], marker=marker, **style)
        rate.plot(times_s, finite([row["tops_per_w"] for row in chosen]), marker=marker, **style)
        words = f"{batch:,} prompt{'s' * (batch != 1)} of {chosen[0]['tokens']:,} tokens"
        handles.append(Line2D([], [], label=words, **style))
    for axes in (busy, rate):
        log_scale(axes.xaxis, [*(row["reload_time_s"] for row in rows), *finite([median_s])], 0.02, 0.02)
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(EngFormatter(unit="s"))
        axes.set_xlabel("reload time of a panel")
    busy.set_ylim(0, 1.04)
    busy.set_yticks([0.0, *_BUSY, 1.0], ["0", *(f"{100 * share:.0f}" for share in _BUSY), "100"])
    for share in _BUSY:
        busy.axhline(share, color=SOFT, linewidth=0.8, linestyle=":")
    busy.set_ylabel("engines busy (% of the time)")
    busy.set_title("Share of the time that light computes")
    busy.grid(True, axis="x", color=GRID, linewidth=0.5)
    values = [row["tops_per_w"] for row in rows if row["tops_per_w"] is not None]
    log_scale(rate.yaxis, values, 0.08, 0.08)
    draw_grid(rate)
    rate.set_title("TOPS/W at the wall")
    if median_s:
        _mark_median(busy, rate, median_s)
    figure.legend(handles=handles, loc="outside right center")
    write_title(figure, _utilisation_title(rows, tables["years"], median_s), subtitle)
    return figure


def _mark_median(busy: "Axes", rate: "Axes", median_s: float) -> None:
    for axes in (busy, rate):
        axes.axvline(median_s, color=_MARK, linewidth=1.2, linestyle="--")
    low, high = busy.get_xlim()
    late = math.log(median_s / low) > 0.6 * math.log(high / low)
    rate.annotate(
        f"median, {quantity(median_s, 's')}",
        (median_s, 0.02),
        xycoords=("data", "axes fraction"),
        xytext=(-4 if late else 4, 0),
        textcoords="offset points",
        ha="right" if late else "left",
        va="bottom",
        color=_MARK,
        fontsize=8,
        bbox=HALO,
    )


def _utilisation_title(rows: Sequence[dict[str, Any]], years: Sequence[dict[str, Any]], median_s: float | None) -> str:
    """Busy shares at the reload time that is nearest to the median, for the smallest and the largest batch."""
    year = f" in {years[0]['target_year']}" if years else ""
    if not rows or not median_s:
        return f"How busy the engines are{year}"
    near_s = min({row["reload_time_s"] for row in rows}, key=lambda time_s: abs(math.log(time_s / median_s)))
    at = sorted((row for row in rows if row["reload_time_s"] == near_s), key=lambda row: row["batch"])
    few, many = at[0], at[-1]
    words = f"{few['batch']:,} prompt{'s' * (few['batch'] != 1)} keep{'s' * (few['batch'] == 1)} engines"
    words = f"{words} {percent(few['busy_share'])} busy"
    if many is not few:
        words += f", {many['batch']:,} prompts {percent(many['busy_share'])}"
    return f"Panel reloads{year}: with {quantity(float(f'{near_s:.2g}'), 's')} each, {words}"


def path_figure(tables: Tables, subtitle: str) -> Figure:
    """How parameters move on the way of least effort from the median machine to higher targets, those that move most.

    From `path`; the target from `years`, if it is there. Left: values relative to the median. Right: the same in
    standard deviations of each parameter, and the effort, the root of the sum of their squares.
    """
    rows = [row for row in tables["path"] if (row["factor"] or 0) > 0 and row["steps"] is not None]
    target = tables["years"][0]["target_tops_per_w"] if tables["years"] else None
    moved: dict[str, float] = {}
    for row in rows:
        moved[row["path"]] = max(moved.get(row["path"], 0.0), abs(row["steps"]))
    chosen = sorted(moved, key=lambda path: -moved[path])[:_PATHS]
    figure = Figure(figsize=(11.0, 5.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    ends: list[tuple[float, float, str, str]] = []
    for index, path in enumerate(chosen):
        curve = sorted((row for row in rows if row["path"] == path), key=lambda row: row["target_tops_per_w"])
        goals = [row["target_tops_per_w"] for row in curve]
        style = {"color": PARTS[index], "linestyle": _LINES[index % len(_LINES)], "linewidth": 1.9}
        style |= {"marker": "o", "markersize": 3.2 if len(curve) > 1 else 6}
        left.plot(goals, finite([row["factor"] for row in curve]), **style)
        right.plot(goals, [row["steps"] for row in curve], **style)
        name = f"{parameter(path)}  \u00d7 {_along(curve, 'factor', target):.2g}"
        ends.append((goals[-1], curve[-1]["steps"], name, PARTS[index]))
    efforts = sorted({(row["target_tops_per_w"], row["effort"]) for row in rows if row["effort"] is not None})
    if efforts:
        right.plot(*zip(*efforts, strict=True), color=INK, linewidth=2.4, marker="o" if len(efforts) == 1 else "")
        ends.append((*efforts[-1], "effort, all together", INK))
    log_scale(left.yaxis, finite([row["factor"] for row in rows if row["path"] in chosen]), 0.05, 0.05)
    left.axhline(1.0, color=SOFT, linewidth=0.8)
    right.axhline(0.0, color=SOFT, linewidth=0.8)
    reached = [row["target_tops_per_w"] for row in rows]
    for axes in (left, right):
        log_scale(axes.xaxis, [*reached, *finite([target])], 0.03, 0.03)
        draw_grid(axes)
        axes.set_xlabel("TOPS/W to be reached")
        if target:
            axes.axvline(target, color=_TARGET, linewidth=1.0, linestyle=(0, (6, 3)))
    left.set_title("Value relative to the median")
    passed = target and reached and target <= max(reached) * _NEARLY
    at = f"at {target:.3g} TOPS/W" if passed else "at the end"
    right.set_title(f"Steps, in standard deviations of each; \u00d7 value {at}")
    name_ends(right, ends)
    write_title(figure, _path_title(rows, tables["years"]), subtitle)
    return figure


def _along(rows: Sequence[dict[str, Any]], column: str, target: float | None) -> float:
    """A column where the path passes the target, or its last value if the path ends before.

    Between two points it is straight over the logarithm of the target, a factor in its own logarithm too.
    """
    known = sorted(rows, key=lambda row: row["target_tops_per_w"])
    before = [row for row in known if target is None or row["target_tops_per_w"] <= target * _NEARLY]
    after = [row for row in known if target is not None and row["target_tops_per_w"] > target * _NEARLY]
    if not before or not after or target is None:
        return (before[-1] if before else after[0])[column]
    low, high = before[-1], after[0]
    share = math.log(target / low["target_tops_per_w"]) / math.log(high["target_tops_per_w"] / low["target_tops_per_w"])
    share = max(0.0, share)
    if column == "factor":
        return low[column] * (high[column] / low[column]) ** share
    return low[column] + share * (high[column] - low[column])


def _path_title(rows: Sequence[dict[str, Any]], years: Sequence[dict[str, Any]]) -> str:
    """The effort at the target, or how far the path goes."""
    known = [row for row in rows if row["effort"] is not None]
    target = years[0]["target_tops_per_w"] if years else None
    if target is None:
        return "The way of least effort to higher targets"
    words = f"The way of least effort to {target:.3g} TOPS/W"
    furthest = max((row["target_tops_per_w"] for row in known), default=0.0)
    if furthest * _NEARLY < target:
        return f"{words}: found as far as {furthest:.3g}" if known else f"{words}: none found"
    return f"{words}: {_along(known, 'effort', target):.2g} standard deviations in all"


def requirements_figure(tables: Tables, subtitle: str) -> Figure:
    """How far each parameter alone takes the machine, and the value with which it alone reaches the target, if any.

    From `requirements`; the line from the median of the target year, if `years` is there.
    """
    rows = [row for row in tables["requirements"] if (row["best_tops_per_w"] or 0) > 0]
    rows = sorted(rows, key=lambda row: (row["value"] is None, -row["best_tops_per_w"]))[:_REQUIREMENTS]
    figure = Figure(figsize=(10.0, 1.7 + _ROW_HEIGHT * len(rows)), layout="constrained")
    axes = figure.subplots()
    years = tables["years"]
    target = years[0]["target_tops_per_w"] if years else None
    start = min((row["best_tops_per_w"] for row in tables["requirements"] if row["best_tops_per_w"]), default=1.0)
    log_scale(axes.xaxis, [start, *(row["best_tops_per_w"] for row in rows), *finite([target])], 0.02, 0.04)
    draw_grid(axes, "x")
    for place, row in enumerate(rows):
        colour = _HIGH if row["value"] is not None else OTHER
        axes.plot([start, row["best_tops_per_w"]], [place, place], color=colour, linewidth=5, solid_capstyle="butt")
        axes.plot(row["best_tops_per_w"], place, "o", color=colour, markersize=7)
        axes.annotate(
            _requirement_words(row),
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=INK if row["value"] is not None else SOFT,
        )
    axes.set_yticks(range(len(rows)), [parameter(row["path"]) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("TOPS/W at the wall with the best that this parameter alone can be, the others at the median")
    if target:
        axes.axvline(target, color=_TARGET, linewidth=1.2, linestyle=(0, (6, 3)))
    count = sum(row["value"] is not None for row in tables["requirements"])
    goal = f"{target:.3g} TOPS/W" if target else "the target"
    who = {0: "No parameter alone reaches", 1: "One parameter alone could reach"}.get(
        count, f"{count} parameters could each alone reach"
    )
    write_title(figure, f"{who} {goal}", subtitle)
    return figure


def _requirement_words(row: dict[str, Any]) -> str:
    if row["value"] is None:
        return f"not alone: {row['best_tops_per_w']:.3g} TOPS/W at best"
    words = f"{quantity(row['median'], row['unit'])} \u2192 {quantity(row['value'], row['unit'])}"
    factor = "" if row["factor"] is None else f" (\u00d7 {row['factor']:.2g})"
    chance = "" if row["probability"] is None else f", {percent(row['probability'])} likely"
    return words + factor + chance
