"""Figures of `exalight scaling` with years along the axis: operations per joule, and where the power goes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, Stroke

from experiments.figures import HALO, OTHER, PARTS
from experiments.scaling_plot_labels import (
    INK,
    SOFT,
    Tables,
    draw_grid,
    finite,
    largest_number,
    log_scale,
    machine,
    name_ends,
    name_points,
    part,
    percent,
    quantity,
    write_title,
)
from experiments.words import engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DELIVERED, _PEAK, _CONVENTIONAL, _PUBLISHED, _TARGET = PARTS[1], PARTS[4], PARTS[7], SOFT, PARTS[5]
_PEAK_ALPHA, _OUTER_ALPHA, _INNER_ALPHA = 0.3, 0.18, 0.28
_OUTER = ("tops_per_w_p05", "tops_per_w_p95")
# The conventional band lies over the others: hatched, so that it hides none.
_HATCHED = {"facecolor": "none", "edgecolor": _CONVENTIONAL, "hatch": "////", "alpha": 0.45, "linewidth": 0.6}
# Chips older than this before the first year of the roadmap are left out.
_HISTORY_YEARS = 4
# Half the width of the band of a roadmap of one year.
_LONE_YEAR = 0.3
# Parts below this share in every year are drawn together, and shares below the other are not written into their bar.
_OTHER_SHARE, _WRITTEN_SHARE = 0.03, 0.045
# A target below this share of the longest bar is not to be seen on a linear axis.
_SEEN = 0.01
# Colours darker than this have white texts on them (relative luminance).
_DARK = 0.4


def fan_figure(tables: Tables, subtitle: str) -> Figure:
    """Operations per joule by year, with the target, chips of today and the conventional projection.

    From `years`; `conventional` and `machines` may be empty. Below: the share of samples that reach the target.
    """
    years, machines = tables["years"], _recent(tables)
    figure = Figure(figsize=(10.0, 7.0), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(6.2, 1.0))
    ends = [*_conventional(axes, tables["conventional"]), *_fan(axes, years)]
    for row in machines:
        face = PARTS[7] if row["number_format"] == "8-bit" else "white"
        axes.plot(row["year"], row["tops_per_w"], "o", color=INK, markerfacecolor=face, markersize=5, zorder=6)
    shown = [value for line in axes.lines for value in finite(list(line.get_ydata()))]  # pyright: ignore[reportArgumentType]
    columns = ("tops_per_w_p05", "tops_per_w_p95", "peak_tops_per_w_p05", "peak_tops_per_w_p95", "target_tops_per_w")
    shown += [value for name in columns for value in finite([row[name] for row in years])]
    shown += [v for name in columns[:2] for v in finite([row[name] for row in tables["conventional"]])]
    log_scale(axes.yaxis, shown)
    draw_grid(axes)
    axes.set_ylabel("TOPS/W at the wall")
    places = [row["year"] for row in (*years, *machines)] + [years[0]["target_year"]]
    axes.set_xlim(min(places) - 0.4, max(places) + 0.4)
    axes.set_xticks(range(int(min(places)), int(max(places)) + 1))
    figure.legend(handles=_fan_handles(years, machines, tables["conventional"]), loc="outside lower center", ncols=3)
    write_title(figure, _fan_title(years), subtitle)
    _draw_probability(below, years)
    words = _draw_target(axes, years)
    name_ends(axes, ends)
    name_points(axes, [(row["year"], row["tops_per_w"], machine(row["name"])) for row in machines], [words])
    return figure


def _recent(tables: Tables) -> list[dict[str, Any]]:
    first = min(row["year"] for row in tables["years"]) - _HISTORY_YEARS
    rows = [row for row in tables["machines"] if row["year"] >= first and (row["tops_per_w"] or 0) > 0]
    # The most efficient first: they find a place for their name.
    return sorted(rows, key=lambda row: -row["tops_per_w"])


def _widened(years: Sequence[float], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """A lone year has no width; it gets one."""
    if len(years) > 1:
        return list(years), list(values)
    return [years[0] - _LONE_YEAR, years[0] + _LONE_YEAR], [values[0]] * 2


def _band(axes: "Axes", rows: Sequence[dict[str, Any]], quantiles: tuple[str, str], **style: Any) -> None:
    years = [row["year"] for row in rows]
    x, bottom = _widened(years, finite([row[quantiles[0]] for row in rows]))
    _, top = _widened(years, finite([row[quantiles[1]] for row in rows]))
    axes.fill_between(x, bottom, top, **style)


def _curve(axes: "Axes", rows: Sequence[dict[str, Any]], column: str, name: str, **style: Any) -> list[tuple[Any, ...]]:
    """A median by year; its end as `name_ends` takes it, nothing if there are no values."""
    if all(row[column] is None for row in rows):
        return []
    x, y = _widened([row["year"] for row in rows], finite([row[column] for row in rows]))
    # A white seam keeps a line apart from the bands that it crosses.
    seam = [Stroke(linewidth=style["linewidth"] + 1.6, foreground="white", alpha=0.7), Normal()]
    axes.plot(x, y, path_effects=seam, zorder=4, **style)
    return [(x[-1], y[-1], name, style["color"])]


def _conventional(axes: "Axes", rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    ends: list[tuple[Any, ...]] = []
    for number_format in dict.fromkeys(row["number_format"] for row in rows):
        chosen = sorted((row for row in rows if row["number_format"] == number_format), key=lambda row: row["year"])
        if number_format == "8-bit":
            _band(axes, chosen, _OUTER, **_HATCHED)
            pace = {"color": _PUBLISHED, "linestyle": ":", "linewidth": 1.5}
            ends += _curve(axes, chosen, "epoch_tops_per_w", "8-bit at Epoch AI's pace", **pace)
        dashes = "-" if number_format == "8-bit" else (0, (5, 2))
        style = {"color": _CONVENTIONAL, "linestyle": dashes, "linewidth": 1.5}
        ends += _curve(axes, chosen, "tops_per_w_p50", f"conventional, {number_format} peak", **style)
    return ends


def _fan(axes: "Axes", years: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    peak = ("peak_tops_per_w_p05", "peak_tops_per_w_p95")
    _band(axes, years, peak, color=_PEAK, alpha=_PEAK_ALPHA, linewidth=0)
    _band(axes, years, _OUTER, color=_DELIVERED, alpha=_OUTER_ALPHA, linewidth=0)
    _band(axes, years, ("tops_per_w_p25", "tops_per_w_p75"), color=_DELIVERED, alpha=_INNER_ALPHA, linewidth=0)
    product = {"color": _PEAK, "linewidth": 1.8, "linestyle": (0, (4, 1.5))}
    facility = {"color": _DELIVERED, "linewidth": 1.0, "linestyle": (0, (1, 1.5))}
    return [
        *_curve(axes, years, "peak_tops_per_w_p50", "optical, peak, one pass", color=_PEAK, linewidth=1.8),
        *_curve(axes, years, "product_tops_per_w_p50", "optical, peak, all passes", **product),
        *_curve(axes, years, "facility_tops_per_w_p50", "delivered, cooling paid", **facility),
        *_curve(axes, years, "tops_per_w_p50", "optical, delivered", color=_DELIVERED, linewidth=2.2),
    ]


def _draw_target(axes: "Axes", years: Sequence[dict[str, Any]]) -> Any:
    """The star and its words, which are returned."""
    year, target = years[0]["target_year"], years[0]["target_tops_per_w"]
    axes.axhline(target, color=_TARGET, linewidth=0.9, linestyle=(0, (6, 3)), zorder=4)
    axes.plot(year, target, "*", color=_TARGET, markeredgecolor="white", markersize=18, zorder=8)
    low, high = axes.get_xlim()
    # Toward the wider side; under the line if there is no room above.
    left = year > (low + high) / 2
    place = axes.transAxes.inverted().transform(axes.transData.transform((year, target)))[1]
    return axes.annotate(
        _target_words(years),
        (year, target),
        xytext=(-11 if left else 11, 4 if place < 0.9 else -5),
        textcoords="offset points",
        ha="right" if left else "left",
        va="bottom" if place < 0.9 else "top",
        fontweight="bold",
        color=_TARGET,
        bbox=HALO,
        zorder=8,
    )


def _target_words(years: Sequence[dict[str, Any]]) -> str:
    """The target, and what it is in the power of the machine, which the medians tell."""
    target = years[0]["target_tops_per_w"]
    for row in years:
        if (row["tops_per_w_p50"] or 0) > 0 and (row["delivered_exaops_p50"] or 0) > 0:
            power_w = row["delivered_exaops_p50"] * 1e6 / row["tops_per_w_p50"]
            return f"{target:.3g} TOPS/W = {target * power_w * 1e-6:.3g} exaOPS in {engineering(power_w, 'W')}"
    return f"{target:.3g} TOPS/W"


def _fan_title(years: Sequence[dict[str, Any]]) -> str:
    year, target = years[0]["target_year"], years[0]["target_tops_per_w"]
    for row in years:
        if row["year"] == year:
            share = row["probability_of_target"] or 0.0
            who = {0.0: "no sample reaches", 1.0: "every sample reaches"}.get(
                share, f"{percent(share)} of samples reach"
            )
            return f"{target:.3g} TOPS/W at the wall in {year}: {who} it"
    return f"Operations per joule by year, and the target of {target:.3g} TOPS/W in {year}"


def _fan_handles(
    years: Sequence[dict[str, Any]], machines: Sequence[dict[str, Any]], conventional: Sequence[dict[str, Any]]
) -> list[Any]:
    handles: list[Any] = [
        Patch(color=_DELIVERED, alpha=_OUTER_ALPHA + _INNER_ALPHA, linewidth=0, label="optical, delivered: 25 to 75 %"),
        Patch(color=_DELIVERED, alpha=_OUTER_ALPHA, linewidth=0, label="optical, delivered: 5 to 95 %"),
        Patch(color=_PEAK, alpha=_PEAK_ALPHA, linewidth=0, label="optical, peak (dense, one pass): 5 to 95 %"),
    ]
    if any(row["number_format"] == "8-bit" for row in conventional):
        handles.append(Patch(**_HATCHED, label="conventional, 8-bit peak: 5 to 95 %"))
    for number_format in dict.fromkeys(row["number_format"] for row in machines):
        face = PARTS[7] if number_format == "8-bit" else "white"
        marker = {"color": INK, "markerfacecolor": face, "markersize": 5, "linestyle": "none"}
        handles.append(Line2D([], [], marker="o", label=f"chips, {number_format} peak, server's share paid", **marker))
    return handles


def _draw_probability(axes: "Axes", years: Sequence[dict[str, Any]]) -> None:
    shares = [row["probability_of_target"] or 0.0 for row in years]
    axes.bar([row["year"] for row in years], shares, 0.6, color=_TARGET, alpha=0.75)
    for row, share in zip(years, shares, strict=True):
        axes.annotate(
            percent(share),
            (row["year"], share),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=INK,
        )
    # Room for the words over a full bar.
    axes.set_ylim(0, 1.4)
    axes.set_yticks((0, 1), ("0 %", "100 %"))
    axes.set_ylabel("reach the\ntarget")
    axes.tick_params(axis="x", length=0)


def power_figure(tables: Tables, subtitle: str) -> Figure:
    """Power by part and year: as shares of the whole, and, where `years` is there, as energy of an operation.

    From `breakdown`. The energy of a part is its share of the median energy of a delivered operation.
    """
    rows = tables["breakdown"]
    years = sorted({row["year"] for row in rows})
    powers_w = _large_parts(rows, years)
    total_w = [sum(column) or 1.0 for column in zip(*powers_w.values(), strict=True)]
    shares = {name: [v / t for v, t in zip(vs, total_w, strict=True)] for name, vs in powers_w.items()}
    named = [name for name in powers_w if name != "other"]
    colours = dict(zip(named, PARTS, strict=False)) | {"other": OTHER}
    energy_j = {row["year"]: row["energy_per_op_j_p50"] for row in tables["years"]}
    both = all((energy_j.get(year) or 0) > 0 for year in years)
    figure = Figure(figsize=(11.0 if both else 7.5, 5.4), layout="constrained")
    panels = list(figure.subplots(1, 2, width_ratios=(1.0, 1.35))) if both else [figure.subplots()]
    if both:
        _draw_energy(panels[0], shares, [energy_j[year] for year in years], years, colours, tables["years"])
    _draw_shares(panels[-1], shares, years, colours)
    tops = [engineering(sum(column), "W") for column in zip(*powers_w.values(), strict=True)]
    panels[-1].set_title("Share of the power at the wall; the whole machine above")
    for place, words in enumerate(tops):
        panels[-1].annotate(
            words,
            (place, 1.0),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=INK,
        )
    for axes in panels:
        axes.set_xticks(range(len(years)), [str(year) for year in years])
        axes.tick_params(axis="x", length=0)
        axes.set_xlim(-0.6, len(years) - 0.4)
    handles = [Patch(color=colours[name], label=part(name)) for name in reversed(shares)]
    figure.legend(handles=handles, loc="outside right center")
    write_title(figure, _power_title(tables, shares, years), subtitle)
    return figure


def _power_title(tables: Tables, shares: dict[str, list[float]], years: Sequence[int]) -> str:
    target = tables["years"][0]["target_year"] if tables["years"] else years[-1]
    place = years.index(target) if target in years else len(years) - 1
    ranked = sorted((name for name in shares if name != "other"), key=lambda name: -shares[name][place])[:3]
    most = ", ".join(f"{part(name)} {percent(shares[name][place])}" for name in ranked)
    return f"Where the power goes in {years[place]}: {most}"


def _draw_energy(
    axes: "Axes",
    shares: dict[str, list[float]],
    energies_j: Sequence[float],
    years: Sequence[int],
    colours: dict[str, str],
    rows: Sequence[dict[str, Any]],
) -> None:
    """Stacked energy of a delivered operation, with that of the target, in the unit that suits the largest."""
    target_j = 1e-12 / rows[0]["target_tops_per_w"]
    unit, scale = ("fJ", 1e15) if max(energies_j) < 2e-12 else ("pJ", 1e12)
    below = [0.0] * len(years)
    for name, values in shares.items():
        heights = [scale * share * energy_j for share, energy_j in zip(values, energies_j, strict=True)]
        axes.bar(range(len(years)), heights, 0.8, below, color=colours[name])
        below = [b + h for b, h in zip(below, heights, strict=True)]
    for place, (top, energy_j) in enumerate(zip(below, energies_j, strict=True)):
        axes.annotate(
            f"{scale * energy_j:.3g}",
            (place, max(top, scale * target_j) if abs(top / (scale * target_j) - 1) < 0.1 else top),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=7.5,
            color=INK,
            bbox=HALO,
            zorder=5,
        )
    dashed = "; dashed: target" if target_j > _SEEN * max(energies_j) else "; target:"
    if target_j > _SEEN * max(energies_j):
        axes.axhline(scale * target_j, color=_TARGET, linewidth=1.2, linestyle=(0, (6, 3)))
    axes.set_ylim(0, 1.12 * largest_number([*below, scale * target_j]))
    axes.set_ylabel(f"{unit} per operation delivered")
    axes.set_title(f"Energy of an operation{dashed} {quantity(target_j, 'J')}")


def _draw_shares(axes: "Axes", shares: dict[str, list[float]], years: Sequence[int], colours: dict[str, str]) -> None:
    below = [0.0] * len(years)
    for name, values in shares.items():
        axes.bar(range(len(years)), values, 0.86, below, color=colours[name], edgecolor="white", linewidth=0.4)
        red, green, blue = to_rgb(colours[name])
        ink = "white" if 0.2126 * red + 0.7152 * green + 0.0722 * blue < _DARK else INK
        for place, (value, low) in enumerate(zip(values, below, strict=True)):
            if value >= _WRITTEN_SHARE:
                axes.text(place, low + value / 2, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=ink)
        below = [b + v for b, v in zip(below, values, strict=True)]
    axes.set_ylim(0, 1.06)
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "25", "50", "75", "100"])
    axes.set_ylabel("share (%)")


def _large_parts(rows: Sequence[dict[str, Any]], years: Sequence[int]) -> dict[str, list[float]]:
    """Power of each part by year, the largest first; parts that are small in all years are summed as "other", last."""
    table = {(row["part"], row["year"]): row["power_w"] or 0.0 for row in rows}
    columns = {name: [table.get((name, year), 0.0) for year in years] for name in dict.fromkeys(n for n, _ in table)}
    total = [sum(column) or 1.0 for column in zip(*columns.values(), strict=True)]
    shares = {name: [v / t for v, t in zip(column, total, strict=True)] for name, column in columns.items()}
    ranked = sorted((name for name in columns if name != "other"), key=lambda name: -sum(shares[name]))
    large = [name for name in ranked if max(shares[name]) >= _OTHER_SHARE][: len(PARTS)]
    parts = {name: columns[name] for name in large}
    rest = [column for name, column in columns.items() if name not in parts]
    if rest:
        parts["other"] = [sum(column) for column in zip(*rest, strict=True)]
    return parts
