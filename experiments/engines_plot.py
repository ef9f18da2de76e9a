"""Figure of an engine's budgets, drawn from the tables of `exalight engines NAME --plot` alone."""

import math
import textwrap
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, NullLocator

# One look for all figures.
from experiments.figures import HALO, OTHER, PARTS, STYLE, save_figure
from experiments.runs import CONFIG_FILE
from experiments.tables import read_table
from experiments.words import engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LIGHT, _LEFT, _ELECTRONS, _LIMIT = "#DDAA33", "#004488", "#666666", "#BB5566"
# Origins that nowhere in the sweep make this share of the variance are drawn together, in grey.
_SMALL_SHARE = 0.02
# Width of the figure in characters of its title.
_TITLE_CHARACTERS = 110
_NAMES: dict[str, str] = {
    "shot noise of the signal light": "shot noise, signal light",
    "shot noise of the extinction floors": "shot noise, extinction floors",
    "shot noise of the dark current": "shot noise, dark current",
    "lenses, fan-out and fan-in": "lenses",
}


def draw(folder: Path) -> list[Path]:
    """Draw `engines` as PNG and SVG from the tables in a run folder; returns the files."""
    config = tomllib.loads((folder / CONFIG_FILE).read_text("utf-8"))["options"]
    rows = {name: read_table(folder, name).to_dicts() for name in ("link", "noise", "power", "conversion", "sweep")}
    title = Path(config["name"]).stem
    if config.get("set"):
        title += f" with {', '.join(config['set'])}"
    (conversion,) = rows["conversion"]
    with matplotlib.rc_context(STYLE):
        figure = budget_figure(rows["link"], rows["noise"], rows["power"], rows["sweep"], conversion, title)
        return save_figure(figure, folder, "engines")


def budget_figure(
    link: Sequence[dict[str, Any]],
    noise: Sequence[dict[str, Any]],
    power: Sequence[dict[str, Any]],
    sweep: Sequence[dict[str, Any]],
    conversion: dict[str, Any],
    title: str,
) -> Figure:
    """Light, noise, power, and noise against laser power; arguments are rows of the tables of the same names."""
    figure = Figure(figsize=(11.0, 8.2), layout="constrained")
    axes = figure.subplots(2, 2, gridspec_kw={"height_ratios": (1.05, 1.0), "width_ratios": (1.15, 1.0)})
    colours = _colours(sweep)
    _draw_link(axes[0, 0], link, conversion)
    _draw_noise(axes[0, 1], noise, conversion, colours)
    _draw_power(axes[1, 0], power)
    _draw_sweep(axes[1, 1], sweep, conversion, colours)
    at = (
        f"{engineering(conversion['laser_power_w'], 'W')} per source, {engineering(conversion['symbol_rate_hz'], 'Hz')}"
    )
    figure.suptitle(textwrap.fill(f"{title}: {at}", _TITLE_CHARACTERS), x=0.01, ha="left", fontweight="bold")
    return figure


def _draw_link(axes: "Axes", link: Sequence[dict[str, Any]], conversion: dict[str, Any]) -> None:
    """Waterfall of one source's light in photoelectrons per symbol, and the steps of the converter on the same axis."""
    left = link[0]["electrons"]
    for place, step in enumerate(link):
        right, left = left, step["electrons"]
        axes.plot(
            [left, left], [place - 0.35, place + 1.35 if place < len(link) - 1 else place + 0.35], color=_LEFT, lw=1.2
        )
        if place:
            axes.barh(place, right - left, 0.7, left, color=_LIGHT)
        # Not "-0.0": a step without loss.
        loss = f"{round(0.0 - step['loss_db'], 1) + 0.0:.1f} dB, " if place else ""
        note = f"{loss}{engineering(step['power_w'], 'W')}"
        axes.annotate(
            note, (left, place), xytext=(-5, 0), textcoords="offset points", ha="right", va="center", bbox=HALO
        )
    marks = [
        (label, conversion[key])
        for label, key in (
            ("full scale of the ADC", "full_scale"),
            ("typical signal, rms", "signal_rms"),
            ("noise, rms", "noise_rms"),
            ("one step of the ADC", "lsb"),
        )
        if conversion[key]
    ]
    for place, (_, electrons) in enumerate(marks, start=len(link)):
        axes.plot(electrons, place, "D", color=_ELECTRONS, markersize=5)
        axes.annotate(_electrons(electrons), (electrons, place), xytext=(8, 0), textcoords="offset points", va="center")
    names = [_NAMES.get(step["name"]) or step["name"] for step in link] + [label for label, _ in marks]
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axhline(len(link) - 0.5, color="#bbbbbb", lw=0.6, ls=":")
    axes.set_xscale("log")
    low = min([step["electrons"] for step in link] + [electrons for _, electrons in marks])
    # The words of the last step stand left of its bar.
    axes.set_xlim(min(low / 4, link[-1]["electrons"] / 2000), link[0]["electrons"] * 2)
    axes.xaxis.set_major_locator(LogLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(True, axis="x", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel("photoelectrons (light: of one source, in one symbol, if detected there)")
    axes.set_title("Light of one source on its way to one detector")


def _draw_noise(
    axes: "Axes", noise: Sequence[dict[str, Any]], conversion: dict[str, Any], colours: dict[str, str]
) -> None:
    """One bar per origin that is there at all."""
    noise = [row for row in noise if row["variance_electrons2"]]
    if not noise:
        axes.set_axis_off()
    shares = [100 * row["share"] for row in noise]
    _bars(
        axes,
        [_NAMES.get(row["origin"]) or row["origin"] for row in noise],
        shares,
        [_electrons(math.sqrt(row["variance_electrons2"])) for row in noise],
        [colours.get(row["origin"], OTHER) for row in noise],
    )
    axes.set_xlabel("share of the variance (%); bars: electrons rms")
    snr_db = conversion["snr_db"]
    axes.set_title("No noise" if snr_db is None else f"Noise of one output: signal to noise {snr_db:.1f} dB")


def _draw_power(axes: "Axes", power: Sequence[dict[str, Any]]) -> None:
    total = sum(row["power_w"] for row in power)
    _bars(
        axes,
        [row["part"].replace("_", " ") for row in power],
        [row["power_w"] for row in power],
        [f"{engineering(row['power_w'], 'W')}, {100 * row['power_w'] / total:.1f} %" for row in power],
        [_LEFT] * len(power),
    )
    axes.set_xlabel("power (W)")
    axes.set_title(f"Power: {engineering(total, 'W')} at the wall, in full use")


def _bars(
    axes: "Axes", names: Sequence[str], values: Sequence[float], labels: Sequence[str], colours: Sequence[str]
) -> None:
    bars = axes.barh(range(len(names)), values, 0.75, color=colours)
    axes.bar_label(bars, labels, padding=4, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlim(0, (max(values, default=0.0) or 1.0) * 1.25)
    axes.tick_params(axis="y", length=0)


def _draw_sweep(
    axes: "Axes", sweep: Sequence[dict[str, Any]], conversion: dict[str, Any], colours: dict[str, str]
) -> None:
    """Shares of the variance against laser power, stacked in the order of the bars; ratio on top."""
    powers_w = sorted({row["laser_power_w"] for row in sweep})
    if not powers_w:
        axes.set_axis_off()
        return
    share = {(row["laser_power_w"], row["origin"]): 100 * row["share"] for row in sweep}
    origins = list(dict.fromkeys(row["origin"] for row in sweep))
    stacked = {origin: [share.get((power_w, origin), 0.0) for power_w in powers_w] for origin in colours}
    rest = [sum(share.get((power_w, o), 0.0) for o in origins if o not in colours) for power_w in powers_w]
    if any(rest):
        stacked["other"] = rest
    areas = [colours.get(origin, OTHER) for origin in stacked]
    if areas:
        axes.stackplot(powers_w, list(stacked.values()), colors=areas, edgecolor="white", linewidth=0.4)
    axes.axvline(conversion["laser_power_w"], color="black", lw=1.0)
    _name_line(axes, conversion["laser_power_w"], "operating point")
    limit_w = conversion["source_power_max_w"]
    if powers_w[0] < limit_w < powers_w[-1]:
        axes.axvline(limit_w, color="black", lw=1.0, ls="--")
        _name_line(axes, limit_w, "limit of the source")
    axes.set_xscale("log")
    axes.set_xlim(powers_w[0], powers_w[-1])
    axes.set_ylim(0, 100)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(EngFormatter(unit="W"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("laser power of one source (optical)")
    axes.set_ylabel("share of the variance (%)")
    _ratio_on_top(axes, sweep)
    axes.set_title("Noise against light, colours as in the bars")


def _name_line(axes: "Axes", x: float, name: str) -> None:
    place = {"xytext": (-3, 0), "textcoords": "offset points", "rotation": 90, "ha": "right", "va": "bottom"}
    axes.annotate(name, (x, 3), fontsize=7.5, bbox=HALO, **place)


def _electrons(value: float) -> str:
    """Three digits and a unit: "388,000 e"."""
    return f"{float(f'{value:.3g}'):,.{0 if value >= 100 else 1}f} e" if value >= 1 else f"{value:.2g} e"


def _ratio_on_top(axes: "Axes", sweep: Sequence[dict[str, Any]]) -> None:
    """Signal to noise ratio at a few laser powers as ticks of the upper edge."""
    ratio = {row["laser_power_w"]: row["snr_db"] for row in sweep if row["snr_db"] is not None}
    chosen = sorted(ratio)[4::8]
    if not chosen:
        return
    top = axes.secondary_xaxis("top")
    top.xaxis.set_major_locator(NullLocator())
    top.set_xticks(chosen, [f"{ratio[power_w]:.0f} dB" for power_w in chosen])
    top.set_xticks([], minor=True)
    top.set_xlabel("signal to noise")


def _colours(sweep: Sequence[dict[str, Any]]) -> dict[str, str]:
    """A colour for each origin that matters somewhere in the sweep, largest at the lowest power first."""
    largest: dict[str, float] = {}
    for row in sweep:
        largest[row["origin"]] = max(largest.get(row["origin"], 0.0), row["share"])
    named = sorted((o for o in largest if largest[o] > _SMALL_SHARE), key=lambda origin: -largest[origin])[: len(PARTS)]
    first = min((row["laser_power_w"] for row in sweep), default=0.0)
    order = {row["origin"]: row["share"] for row in sweep if row["laser_power_w"] == first}
    return dict(zip(sorted(named, key=lambda origin: -order.get(origin, 0.0)), PARTS, strict=False))
