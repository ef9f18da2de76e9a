"""The figure of `exalight plot`: curves of a chart in the style of all figures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from experiments.errors import RequestError
from experiments.figures import PARTS
from experiments.plot_data import Chart, Curve
from experiments.plot_labels import Label, label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Line = tuple[Literal["-", "--", ":", "-."], str]
_LINES: tuple[_Line, ...] = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"))
_ONE_COLOUR = "#0072B2"
# More entries of a legend than this are a colour bar.
_LEGEND_ENTRIES = 12
# Over many decades the numbers between powers of ten would run into each other.
_WIDE_SPAN, _NARROW_SPAN, _SCIENTIFIC_SPAN = 200.0, 10.0, 1e5
# Points of a scattered design are small, and as dark as there are many at a place.
_SCATTER_ALPHA = 0.7


def chart_figure(chart: Chart, columns: Mapping[str, str], title: str, logarithmic: Mapping[str, bool]) -> Figure:
    """Curves with their bands; `columns` by option: x, y, and hue and style where they are given.

    RequestError for more texts than can be told apart.
    """
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots()
    labels = {option: label(column) for option, column in columns.items()}
    colours = _colours(chart.curves, columns.get("hue"))
    styles = _styles(chart.curves, columns.get("style"))
    places = _text_places(chart.curves)
    for curve in chart.curves:
        _draw(axes, curve, colours[curve.hue], styles[curve.style], places, chart.connected)
    for option, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        values = [
            value for curve in chart.curves for value in (curve.x if option == "x" else (*curve.low, *curve.high))
        ]
        if option == "x" and places:
            _text_axis(axes, places)
        else:
            _number_axis(axes, axis, labels[option], values, logarithmic[option])
    axes.set_xlabel(labels["x"].axis)
    axes.set_ylabel(labels["y"].axis)
    axes.grid(True, which="major", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    _name_hues(figure, axes, colours, labels.get("hue"), styles, labels.get("style"), chart.connected)
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    if chart.caption:
        figure.supxlabel(chart.caption, fontsize=7.5, color="#666666", x=0.01, ha="left")
    return figure


def _draw(axes: "Axes", curve: Curve, colour: Any, style: _Line, places: Mapping[Any, int], connected: bool) -> None:
    x = [places.get(value, value) for value in curve.x]
    line, marker = style
    single = max(curve.rows) == 1
    if connected:
        axes.plot(x, curve.y, line, color=colour, linewidth=1.4, marker=marker, markersize=4)
        if not single:
            axes.fill_between(x, curve.low, curve.high, color=colour, alpha=0.2, linewidth=0)
        return
    axes.plot(x, curve.y, marker, color=colour, markersize=4, alpha=_SCATTER_ALPHA, markeredgewidth=0)
    if not single:
        axes.vlines(x, curve.low, curve.high, colors=[colour], linewidth=1.4, alpha=0.4)


def _colours(curves: Sequence[Curve], column: str | None) -> dict[Any, Any]:
    """A colour by value of the hue: texts far apart, numbers along a scale."""
    values = list(dict.fromkeys(curve.hue for curve in curves))
    if column is None:
        return dict.fromkeys(values, _ONE_COLOUR)
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        scale, last = matplotlib.colormaps["viridis"], max(len(values) - 1, 1)
        # Not to the end, which is too pale on white.
        return {value: scale(0.9 * index / last) for index, value in enumerate(values)}
    _check_count("hue", column, len(values), len(PARTS))
    return dict(zip(values, PARTS, strict=False))


def _styles(curves: Sequence[Curve], column: str | None) -> dict[Any, _Line]:
    values = list(dict.fromkeys(curve.style for curve in curves))
    _check_count("style", column or "", len(values), len(_LINES))
    return dict(zip(values, _LINES, strict=False))


def _check_count(option: str, column: str, count: int, most: int) -> None:
    if count > most:
        raise RequestError(f"--{option} {column} has {count} values; no more than {most} can be told apart")


def _text_places(curves: Sequence[Curve]) -> dict[Any, int]:
    """Places of texts along the horizontal axis, {} for numbers."""
    values = list(dict.fromkeys(value for curve in curves for value in curve.x))
    if not any(isinstance(value, str | bool) for value in values):
        return {}
    return {value: index for index, value in enumerate(values)}


def _text_axis(axes: "Axes", places: Mapping[Any, int]) -> None:
    names = {True: "yes", False: "no"}
    step = max(1, len(places) // 40)
    shown = [names.get(value, str(value)) if isinstance(value, bool) else str(value) for value in places][::step]
    long = max(len(name) for name in shown) * len(shown) > 60
    axes.set_xticks(range(0, len(places), step), shown, rotation=90 if long else 0, fontsize=7 if long else 9)


def _number_axis(axes: "Axes", axis: Any, named: Label, values: Sequence[float], logarithmic: bool) -> None:
    span = max(values) / min(values) if logarithmic else 0.0
    if logarithmic:
        (axes.set_xscale if axis is axes.xaxis else axes.set_yscale)("log")
        subs = (1.0, 2.0, 3.0, 5.0, 7.0) if span < _NARROW_SPAN else (1.0, 2.0, 5.0) if span < _WIDE_SPAN else (1.0,)
        axis.set_major_locator(LogLocator(subs=subs))
        axis.set_minor_formatter(NullFormatter())
    elif all(float(value).is_integer() for value in values):
        axis.set_major_locator(MaxNLocator(integer=True))
    if named.prefixed:
        axis.set_major_formatter(EngFormatter(unit=named.unit))
    elif logarithmic and span < _SCIENTIFIC_SPAN:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _name_hues(
    figure: Figure,
    axes: "Axes",
    colours: Mapping[Any, Any],
    hue: Label | None,
    styles: Mapping[Any, _Line],
    style: Label | None,
    connected: bool,
) -> None:
    """Legends right of the axes, and a colour bar for many numbers."""
    handles: list[Line2D] = []
    solid = "-" if connected else "none"
    if hue is not None and len(colours) > _LEGEND_ENTRIES:
        _colour_bar(figure, axes, list(colours), hue)
    elif hue is not None and hue != style:
        handles.append(Line2D([], [], linestyle="none", label=f"{hue.words}:"))
        handles += [
            Line2D([], [], color=colour, linestyle=solid, marker="o", markersize=4, label=hue.value(value))
            for value, colour in colours.items()
        ]
    if style is not None:
        handles.append(Line2D([], [], linestyle="none", label=f"{style.words}:"))
        handles += [
            Line2D(
                [],
                [],
                color=colours[value] if hue == style else "black",
                linestyle=line if connected else "none",
                marker=marker,
                markersize=4,
                label=style.value(value),
            )
            for value, (line, marker) in styles.items()
        ]
    if handles:
        figure.legend(handles=handles, loc="outside right upper")


def _colour_bar(figure: Figure, axes: "Axes", values: Sequence[float], hue: Label) -> None:
    """Colours in the order of the values, some of which are named."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    scale = matplotlib.colormaps["viridis"]
    last = len(values) - 1
    shown = ListedColormap([scale(0.9 * index / last) for index in range(last + 1)])
    bar = figure.colorbar(ScalarMappable(Normalize(-0.5, last + 0.5), shown), ax=axes, label=hue.words)
    named = range(0, last + 1, max(1, last // 8))
    bar.set_ticks(list(named), labels=[hue.value(values[index]) for index in named])
