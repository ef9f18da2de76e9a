"""Figures of an accuracy run, drawn from its tables alone: nothing is computed anew."""

import dataclasses
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from experiments.accuracy_settings import LIGHT
from experiments.figures import HALO, OTHER, PARTS, STYLE, save_figure
from experiments.measures import MEASURES, Measure, token_name
from experiments.runs import CONFIG_FILE
from experiments.tables import read_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by readers with any kind of colour vision.
_ROTATED, _PLAIN, _MACHINE, _PLATEAU = "#0072B2", "#D55E00", "#666666", "#009E73"
_STYLES = {True: (_ROTATED, "o", "rotated"), False: (_PLAIN, "s", "not rotated")}
# Parts below this share everywhere are drawn together.
_OTHER_SHARE = 0.02
# Room between axes and title for the names of machines.
_TITLE_PAD = 34
# Below this a loss increase is noise on 1,024 tokens, and the axis becomes linear.
_LINEAR_BELOW_NATS = 0.01
_WIDE_SPAN = 200.0


def draw(folder: Path) -> list[Path]:
    """Draw `accuracy` and `energy`, as PNG and SVG each, from the tables in a run folder; returns the files."""
    document = tomllib.loads((folder / CONFIG_FILE).read_text("utf-8"))
    config, token = document["options"], token_name(document)
    title = f"{Path(config['model']).name} on {Path(config['engine']).stem}"
    if config.get("set"):
        title += f" with {', '.join(config['set'])}"
    points, energy, rotation, plateau, machines = (
        read_table(folder, name).to_dicts() for name in ("points", "energy", "rotation", "plateau", "machines")
    )
    with matplotlib.rc_context(STYLE):
        figure = accuracy_figure(points, rotation, plateau, machines, title, config["task"], token)
        return save_figure(figure, folder, "accuracy") + save_figure(
            energy_figure(energy, title, token), folder, "energy"
        )


@dataclasses.dataclass(frozen=True)
class _Answers:
    """What the left half of the accuracy figure shows for a task: a column of `points`, its error, its words.

    `digital` is the column that holds the digital model's value, "" where that is `ideal`; `linear_below` bounds a
    logarithmic axis around 0, None for a linear one.
    """

    value: str
    error: str | None
    title: str
    axis: str
    digital: str = ""
    ideal: float = 0.0
    linear_below: float | None = None


_ANSWERS = {
    "perplexity": _Answers(
        value="loss_increase_nats",
        error="standard_error_nats",
        title="Loss increase over the digital model",
        axis="nats per token",
        linear_below=_LINEAR_BELOW_NATS,
    ),
    "classify": _Answers(
        value="accuracy",
        error="accuracy_standard_error",
        title="Accuracy (line: the digital model)",
        axis="share of right answers",
        digital="digital_accuracy",
    ),
    "embed": _Answers(
        value="cosine_p5",
        error=None,
        title="Agreement with the digital model's embeddings",
        axis="cosine, worst 5 % of samples",
        ideal=1.0,
    ),
}


def accuracy_figure(
    points: Sequence[dict[str, Any]],
    rotation: Sequence[dict[str, Any]],
    plateau: Sequence[dict[str, Any]],
    machines: Sequence[dict[str, Any]],
    title: str,
    task: str,
    token: str,
) -> Figure:
    """Answers of the task, and their distance from digital ones, against energy per token.

    Arguments are rows of the tables of the same names, the task, a key of MEASURES, and what a token is called.
    """
    measure, shown = MEASURES[task], _ANSWERS[task]
    figure = Figure(figsize=(10.5, 4.8), layout="constrained")
    loss, kl = figure.subplots(1, 2, sharex=True)
    for rotate in dict.fromkeys(point["rotate"] for point in points):
        chosen = sorted((p for p in points if p["rotate"] == rotate), key=lambda p: p["energy_per_token_j"])
        _curve(loss, chosen, shown.value, shown.error)
        _curve(kl, [p for p in chosen if p[measure.key] > 0], measure.key, None)
    if shown.linear_below is not None:
        loss.set_yscale("symlog", linthresh=shown.linear_below, linscale=0.5)
    loss.axhline(points[0][shown.digital] if shown.digital else shown.ideal, color="black", linewidth=0.6)
    if any(point[measure.key] > 0 for point in points):
        kl.set_yscale("log")
        _mark_plateau(kl, points, plateau, measure)
        _mark_saving(kl, rotation, measure)
    loss.set_title(shown.title, pad=_TITLE_PAD)
    loss.set_ylabel(shown.axis)
    kl.set_title(measure.title, pad=_TITLE_PAD)
    kl.set_ylabel(measure.axis)
    energies_j = [row["energy_per_token_j"] for row in (*points, *machines)]
    for axes in (loss, kl):
        _energy_axis(axes, token, max(energies_j) / min(energies_j))
        axes.grid(True, which="major", color="#dddddd", linewidth=0.5)
        axes.set_axisbelow(True)
        _mark_machines(axes, machines)
    _mark_powers(kl, points, measure)
    handles, labels = loss.get_legend_handles_labels()
    if any(point["beyond_power_max"] for point in points):
        handles.append(loss.plot([], [], "o", color="black", markerfacecolor="white", linestyle="none")[0])
        labels.append("more light than the source can give")
    if machines:
        handles.append(loss.plot([], [], color=_MACHINE, linestyle=":")[0])
        labels.append("digital chips: rated power / peak rate, without memory, host or supply")
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold")
    return figure


def _energy_axis(axes: "Axes", token: str, span: float) -> None:
    axes.set_xscale("log")
    axes.margins(x=0.14)
    # Over many decades the numbers between powers of ten would run into each other.
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if span < _WIDE_SPAN else (1.0,)))
    axes.xaxis.set_major_formatter(EngFormatter(unit="J"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"energy per {token} at the wall")


def _curve(axes: "Axes", points: Sequence[dict[str, Any]], value: str, error: str | None) -> None:
    if not points:
        return
    colour, marker, label = _STYLES[points[0]["rotate"]]
    x, y = [p["energy_per_token_j"] for p in points], [p[value] for p in points]
    axes.plot(x, y, color=colour, linewidth=1.4, zorder=3)
    if error is not None:
        deviations = [p[error] or 0.0 for p in points]
        axes.errorbar(x, y, yerr=deviations, color=colour, linestyle="none", capsize=2, linewidth=0.8, zorder=3)
    faces = ["white" if p["beyond_power_max"] else colour for p in points]
    axes.scatter(x, y, c=faces, edgecolors=colour, marker=marker, s=26, zorder=4)
    axes.plot([], [], color=colour, marker=marker, label=label)


def _mark_plateau(
    axes: "Axes", points: Sequence[dict[str, Any]], plateau: Sequence[dict[str, Any]], measure: Measure
) -> None:
    """A line at the level that more light does not lower, of the better rotate setting, and what sets it."""
    settings = dict.fromkeys(row["rotate"] for row in plateau)
    best = min(settings, key=lambda rotate: sum(row[measure.key] for row in plateau if row["rotate"] == rotate))
    causes = {row["cause"]: row[measure.key] for row in plateau if row["rotate"] == best}
    level, cause = sum(causes.values()), max(causes, key=lambda name: causes[name])
    if level <= 0:
        return
    axes.axhline(level, color=_PLATEAU, linestyle="--", linewidth=1.0)
    # Where light still limits, the sweep ends before the plateau.
    name = "lowest" if cause == LIGHT else "plateau"
    axes.annotate(
        f"{name} {measure.words(float(f'{level:.2g}'))}, set by {cause}",
        (0.01, level),
        xycoords=("axes fraction", "data"),
        xytext=(0, -3),
        textcoords="offset points",
        va="top",
        color=_PLATEAU,
        bbox=HALO,
    )
    low = min(point[measure.key] for point in points if point[measure.key] > 0)
    # Room for the words under the line.
    axes.set_ylim(bottom=min(low, level) / 2.5)


def _mark_saving(axes: "Axes", rotation: Sequence[dict[str, Any]], measure: Measure) -> None:
    """An arrow between the rotate settings at the smallest level that both reach: the light rotation saves."""
    if not rotation:
        return
    row = min(rotation, key=lambda row: row[measure.key])
    on_j, off_j, level = row["energy_per_token_rotated_j"], row["energy_per_token_not_rotated_j"], row[measure.key]
    arrow = {"arrowstyle": "->", "color": "black", "linewidth": 1.0, "shrinkA": 2, "shrinkB": 2}
    axes.annotate("", (on_j, level), (off_j, level), arrowprops=arrow, zorder=5)
    axes.annotate(
        f"rotation: {row['laser_power_ratio']:.1f}x less light",
        (max(on_j, off_j), level),
        xytext=(5, 3),
        textcoords="offset points",
        va="bottom",
        bbox=HALO,
        zorder=6,
    )


def _mark_machines(axes: "Axes", machines: Sequence[dict[str, Any]]) -> None:
    for machine in machines:
        x = machine["energy_per_token_j"]
        axes.axvline(x, color=_MACHINE, linestyle=":", linewidth=1.0)
        axes.annotate(
            machine["name"],
            (x, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-2, 2),
            textcoords="offset points",
            rotation=35,
            rotation_mode="anchor",
            ha="left",
            va="bottom",
            fontsize=7.5,
            color=_MACHINE,
        )


def _mark_powers(axes: "Axes", points: Sequence[dict[str, Any]], measure: Measure) -> None:
    """The laser power of a few points of the first curve, as what turns energy into light."""
    first = [point for point in points if point["rotate"] == points[0]["rotate"] and point[measure.key] > 0]
    # Not where the curve meets the line of the plateau and its words.
    low = min((point[measure.key] for point in first), default=0.0)
    for point in [point for point in first if point[measure.key] > 1.5 * low][::2]:
        axes.annotate(
            f"{point['laser_power_w'] * 1e3:.3g} mW",
            (point["energy_per_token_j"], point[measure.key]),
            xytext=(-5, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=7.5,
            color=_STYLES[point["rotate"]][0],
            bbox=HALO,
        )


def energy_figure(energy: Sequence[dict[str, Any]], title: str, token: str) -> Figure:
    """Energy per token by part against laser power, absolute and as shares; rows of the table `energy`."""
    rotate = energy[0]["rotate"]
    rows = [row for row in energy if row["rotate"] == rotate]
    powers_w = sorted({row["laser_power_w"] for row in rows})
    beyond = {row["laser_power_w"] for row in rows if row["beyond_power_max"]}
    parts = _large_parts(rows, powers_w)
    figure = Figure(figsize=(10.5, 4.4), layout="constrained")
    absolute, share = figure.subplots(1, 2)
    places = range(len(powers_w))
    below, total = [0.0] * len(powers_w), [sum(column) for column in zip(*parts.values(), strict=True)]
    for index, (part, values) in enumerate(parts.items()):
        colour = OTHER if part == "other" else PARTS[index % len(PARTS)]
        absolute.bar(places, values, 0.8, below, color=colour, label=part.replace("_", " "))
        heights, bottoms = ([100 * v / t for v, t in zip(vs, total, strict=True)] for vs in (values, below))
        share.bar(places, heights, 0.8, bottoms, color=colour)
        below = [b + v for b, v in zip(below, values, strict=True)]
    absolute.set_title(f"Energy per {token} at the wall")
    absolute.set_ylabel(f"energy per {token}")
    absolute.yaxis.set_major_formatter(EngFormatter(unit="J"))
    share.set_title("Share of each part")
    share.set_ylabel("share (%)")
    share.set_ylim(0, 100)
    for axes in (absolute, share):
        axes.set_xticks(list(places), [f"{power_w * 1e3:.3g}{'*' * (power_w in beyond)}" for power_w in powers_w])
        axes.set_xlabel("laser power of one source (mW" + ("; * more than it can give)" if beyond else ")"))
    handles, labels = absolute.get_legend_handles_labels()
    figure.legend(handles[::-1], labels[::-1], loc="outside right center")
    figure.suptitle(f"{title}, {_STYLES[rotate][2]}", x=0.01, ha="left", fontweight="bold")
    return figure


def _large_parts(rows: Sequence[dict[str, Any]], powers_w: Sequence[float]) -> dict[str, list[float]]:
    """Energy of each part by power, largest part first; parts that are small everywhere are summed as "other"."""
    table = {(row["part"], row["laser_power_w"]): row["energy_per_token_j"] for row in rows}
    columns = {name: [table[name, p] for p in powers_w] for name in dict.fromkeys(row["part"] for row in rows)}
    total = [sum(column) for column in zip(*columns.values(), strict=True)]
    ranked = sorted(columns, key=lambda name: -max(v / t for v, t in zip(columns[name], total, strict=True)))
    large = [n for n in ranked if max(v / t for v, t in zip(columns[n], total, strict=True)) > _OTHER_SHARE]
    large = large[: len(PARTS)]
    parts = {name: columns[name] for name in large}
    rest = [columns[name] for name in ranked if name not in parts]
    if rest:
        parts["other"] = [sum(column) for column in zip(*rest, strict=True)]
    return parts
