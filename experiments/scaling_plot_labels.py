"""Words, numbers and places of texts that the figures of `exalight scaling` share."""

import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.text
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.figures import HALO
from experiments.plot_labels import label
from experiments.words import engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.transforms import Bbox

Tables = Mapping[str, Sequence[dict[str, Any]]]
"""Rows of every table by its name, none where there is no such table."""
INK, SOFT, GRID = "#222222", "#666666", "#dddddd"
"""Texts, texts that matter less, and lines behind everything."""
# Characters in an inch of a title, bold at 12 points; a subtitle at 8 points.
_TITLE_PER_INCH, _SUBTITLE_PER_INCH = 10.0, 16.0
# Ticks at 2 and 5 as well, if the axis spans fewer decades than this.
_FEW_DECADES = 2.6
# Where the words that `label` finds in a name are not what an engineer would say.
_PARAMETERS = {
    "operating_point.symbol_rate_hz": "symbol rate",
    "adc.walden_fom_j": "ADC Walden figure of merit",
    "dac.reference_energy_j": "DAC energy",
    "source.power_max_w": "source power limit",
    "modulator.symbol_energy_j": "modulator energy per symbol",
    "photodetector.quantum_efficiency": "quantum efficiency",
    "receiver.overhead": "receiver power overhead",
    "digital.op_energy_j": "digital energy per op",
    "digital.mac_energy_j": "digital energy per MAC",
    "memory.near_energy_j_per_byte": "near memory energy",
    "memory.far_energy_j_per_byte": "far memory energy",
    "weights.bytes_per_s": "weight memory bandwidth",
    "accumulators.near_byte": "near memory for partial sums",
    "links.bytes_per_s": "link bandwidth",
    "links.energy_j_per_byte": "link energy",
    "facility.power_usage_effectiveness": "facility PUE",
}
_MAKERS = re.compile(r"^(NVIDIA|AMD Instinct|AWS|Intel|Tenstorrent) ")
_DETAILS = re.compile(r" \(.*|,.*| in .*| (SXM|OAM|PCIe).*")
# Where a name may stand about its point: offset in points, horizontal and vertical alignment; the best first. None is
# so far that the name could be taken for another point's.
_PLACES = (
    *[(5.0, 0.0, "left", "center"), (-5.0, 0.0, "right", "center")],
    *[(0.0, 5.0, "center", "bottom"), (0.0, -5.0, "center", "top")],
    *[(4.0, 4.0, "left", "bottom"), (4.0, -4.0, "left", "top")],
    *[(-4.0, 4.0, "right", "bottom"), (-4.0, -4.0, "right", "top")],
)


def parameter(path: str) -> str:
    """A parameter of a roadmap, or a factor, in words: "ADC Walden figure of merit", "process node"."""
    return _PARAMETERS.get(path) or label(path.removeprefix("factor.")).words.removeprefix("system ")


def machine(name: str) -> str:
    """What people call a chip: "NVIDIA H100 SXM (Hopper)" is "H100"."""
    return _MAKERS.sub("", _DETAILS.sub("", name)) or name


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """A value with its unit as roadmaps write it, "1" for a ratio; a dash for None."""
    if value is None or unit in ("", "1"):
        return "-" if value is None else f"{value:.{digits}g}"
    return engineering(value, unit.replace("byte", "B"), digits).replace(" u", " \u00b5")


def part(name: str) -> str:
    """A part of a machine in words: "ADC", "power supply"."""
    return {"tia": "TIA", "pue": "PUE"}.get(name) or label(name).words


def percent(share: float) -> str:
    """A probability for reading: "0 %" and "100 %" only for what is so exactly."""
    if 0 < share < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"


def finite(values: Sequence[float | None]) -> list[float]:
    """Values for a logarithmic axis: what is null or not above 0 is NaN, and not drawn."""
    return [math.nan if value is None or not 0 < value < math.inf else value for value in values]


def largest_number(values: Sequence[float]) -> float:
    """The largest that is a number, NaN if there is none."""
    return max((value for value in values if not math.isnan(value)), default=math.nan)


def write_title(figure: Figure, title: str, subtitle: str) -> None:
    """What the figure tells, in bold, and under it what it was computed for; long texts are folded."""
    inches = figure.get_figwidth()
    lines = textwrap.fill(title, int(_TITLE_PER_INCH * inches), break_on_hyphens=False)
    below = textwrap.fill(subtitle, int(_SUBTITLE_PER_INCH * inches), break_on_hyphens=False)
    # The heading keeps room for what stands below it.
    room = "\n" * math.ceil(0.75 * (below.count("\n") + 1)) + " " if below else ""
    heading = figure.suptitle(lines + room, x=0.01, ha="left", fontweight="bold", fontsize=12)
    if below:
        note = matplotlib.text.Annotation(
            below,
            (0.0, 0.0),
            xycoords=heading,
            xytext=(0, 1),
            textcoords="offset points",
            va="bottom",
            fontsize=8,
            color=SOFT,
        )
        note.set_in_layout(False)
        figure.add_artist(note)


def log_scale(axis: "Axis", values: Sequence[float], low_room: float = 0.06, high_room: float = 0.06) -> None:
    """A logarithmic axis about the values that are numbers, with plain figures and shares of its length as room."""
    numbers = [value for value in values if 0 < value < math.inf] or [1.0]
    low, high = math.log10(min(numbers)), math.log10(max(numbers))
    if high - low < 0.2:
        low, high = low - 0.15, high + 0.15
    span = (high - low) / (1.0 - low_room - high_room)
    which = {"x": "set_xscale", "y": "set_yscale"}[axis.axis_name]  # pyright: ignore[reportAttributeAccessIssue]
    getattr(axis.axes, which)("log")
    limits = 10 ** (low - low_room * span), 10 ** (high + high_room * span)
    getattr(axis.axes, which.replace("scale", "lim"))(*limits)
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if span < _FEW_DECADES else (1.0,), numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def draw_grid(axes: "Axes", axis: str = "both") -> None:
    """Thin lines behind the data."""
    axes.grid(True, axis=axis, color=GRID, linewidth=0.5)  # pyright: ignore[reportArgumentType]
    axes.set_axisbelow(True)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Places at least `gap` apart, in the same order, that move as little as possible (least squares)."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    # With the gaps taken out the answer must not fall: neighbours that would are pooled at their mean.
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([places[index] - rank * gap, 1.0])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, count = pools.pop()
            pools[-1] = [(pools[-1][0] * pools[-1][1] + mean * count) / (pools[-1][1] + count), pools[-1][1] + count]
    level = [mean for mean, count in pools for _ in range(int(count))]
    found = [0.0] * len(places)
    for rank, index in enumerate(order):
        found[index] = level[rank] + rank * gap
    return found


def name_ends(axes: "Axes", ends: Sequence[tuple[float, float, str, str]], size: float = 8.0) -> None:
    """Names right of the axes for curves that end at (x, y), in data units, each with a line in its colour to it.

    `ends` are (x, y, name, colour); limits and scale of the y axis must be final.
    """
    figure, logarithmic = axes.figure, axes.get_yscale() == "log"
    known = [end for end in ends if not math.isnan(end[1])]
    if not known:
        return
    figure.draw_without_rendering()  # pyright: ignore[reportAttributeAccessIssue]
    height = figure.get_figheight() * axes.get_position().height  # pyright: ignore[reportAttributeAccessIssue]
    low, high = (math.log10(limit) if logarithmic else limit for limit in axes.get_ylim())
    at = [((math.log10(y) if logarithmic else y) - low) / (high - low) for _, y, _, _ in known]
    gap = 1.45 * size / 72 / height
    places = spread(at, gap)
    # Kept within the axes as a whole.
    shift = max(0.0, gap / 2 - min(places)) or min(0.0, 1.0 - max(places))
    for (x, y, name, colour), place in zip(known, places, strict=True):
        line = {"arrowstyle": "-", "color": colour, "linewidth": 1.0, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)}
        axes.annotate(
            name,
            (x, y),
            xytext=(1.03, place + shift),
            textcoords="axes fraction",
            va="center",
            fontsize=size,
            color=INK,
            arrowprops=line,
            annotation_clip=False,
        )


def name_points(axes: "Axes", points: Sequence[tuple[float, float, str]], taken: Sequence[Any] = ()) -> None:
    """Names beside points, where they cover neither each other nor a point nor an artist of `taken`.

    Points that lie on each other have one text. A point whose name finds no place has none: what could be taken for
    the name of another point is no place. Call it last: limits and everything beside the axes must be final.
    """
    figure = axes.figure
    figure.draw_without_rendering()  # pyright: ignore[reportAttributeAccessIssue]
    inside = axes.get_window_extent()
    pixels = axes.transData.transform([(x, y) for x, y, _ in points])
    radius = 3.0 * figure.dpi / 72  # pyright: ignore[reportAttributeAccessIssue]
    boxes: list[Any] = [artist.get_window_extent().extents for artist in taken]
    groups: list[tuple[Any, list[int]]] = []
    for index, pixel in enumerate(pixels):
        near = [group for at, group in groups if abs(at - pixel).max() < radius]
        near[0].append(index) if near else groups.append((pixel, [index]))
    for _, group in groups:
        name = ", ".join(dict.fromkeys(points[index][2] for index in group))
        around = [
            (x - reach, y - reach, x + reach, y + reach)
            for index, (x, y) in enumerate(pixels)
            for reach in [radius if index in group else 1.4 * radius]
        ]
        note = axes.annotate(
            name,
            points[group[0]][:2],
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=6.8,
            color=INK,
            bbox=HALO,
            zorder=9,
        )
        note.set_in_layout(False)
        for across, up, horizontal, vertical in _PLACES:
            note.set(position=(across, up), ha=horizontal, va=vertical)
            box = note.get_window_extent()
            if _inside(box, inside) and not any(_overlap(box.extents, other) for other in (*boxes, *around)):
                boxes.append(box.extents)
                break
        else:
            note.remove()


def _inside(box: "Bbox", frame: "Bbox") -> bool:
    return box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1


def _overlap(one: Any, other: Any) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
