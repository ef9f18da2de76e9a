"""Write docs/converters.md and its figures: every converter model of the engine against what has been built.

Run it by hand after changing a model, an engine or docs/data; a test compares the page with what this prints.
"""

import functools
import statistics
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter

from photonics.adc_energy import EnergyModel as AdcModel
from photonics.adc_energy import conversion_energy_j
from photonics.catalogue import read_engine_file
from photonics.dac import Dac
from photonics.dac import EnergyModel as DacModel

HERE = Path(__file__).parent
PAGE = HERE / "converters.md"
ADC_MODELS: tuple[AdcModel, ...] = get_args(AdcModel)
DAC_MODELS: tuple[DacModel, ...] = get_args(DacModel)
# The models that read the process node, which not every point states.
_BY_NODE = ("largest", "andrulis")
_ENGINE = "free-space-1024"

# Okabe and Ito's colours, told apart by readers with any kind of colour vision.
_COLOURS = {
    "largest": "#000000",
    "murmann": "#56B4E9",
    "schreier": "#0072B2",
    "andrulis": "#D55E00",
    "walden": "#009E73",
    "scaled": "#D55E00",
    "fixed": "#0072B2",
    "capacitive": "#009E73",
}
# Lines that run over another one.
_DASHES = {"largest": (0, (3, 5)), "fixed": (0, (4, 3))}
_MARKERS = {"survey": ("o", "#888888"), "best": ("D", "#CC79A7"), "papers": ("^", "#E69F00")}
_LEGEND = {"survey": "parts of the survey", "best": "best parts at their rate", "papers": "charged in photonic papers"}
_RC: dict[Any, Any] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Point:
    """One converter: effective bits (ADC) or nominal bits (DAC), rate, energy per conversion, node, year."""

    group: str
    bits: float
    energy_j: float
    rate_hz: float | None
    node_m: float | None
    year: int | None


def read_groups(name: str) -> dict[str, dict[str, Any]]:
    """The groups of docs/data/NAME_points.toml with title, source, url, kind, note and points."""
    return tomllib.loads((HERE / "data" / f"{name}_points.toml").read_text("utf-8"))


def read_points(name: str) -> list[Point]:
    """All points of docs/data/NAME_points.toml in the order of the file."""
    return [
        Point(
            group=group,
            bits=float(row["enob"] if name == "adc" else row["bits"]),
            energy_j=row["energy_j"],
            rate_hz=row.get("rate_hz"),
            node_m=row.get("node_m"),
            year=row.get("year"),
        )
        for group, content in read_groups(name).items()
        for row in content["points"]
    ]


def adc_energy_j(model: AdcModel, enob: float, rate_hz: float, node_m: float) -> float:
    """What `model` charges with the figure of merit of the catalogue [J]."""
    return float(conversion_energy_j(model, enob, rate_hz, node_m, _value("adc.walden_fom_j")))


def dac_energy_j(model: DacModel, bits: int) -> float:
    """What `model` charges a converter of `bits` bits, with the reference part of the catalogue [J]."""
    dac = Dac(
        bits=int(_value("dac.bits")),
        energy_model=model,
        reference_energy_j=_value("dac.reference_energy_j"),
        reference_bits=_value("dac.reference_bits"),
        unit_capacitance_f=_value("dac.unit_capacitance_f"),
        swing_v=_value("dac.swing_v"),
    )
    return float(dac.conversion_energy_j(bits))


def adc_ratio(model: AdcModel, point: Point) -> float | None:
    """Energy that `model` charges over that of the part; None where the model needs a node that is not stated."""
    if point.rate_hz is None or (point.node_m is None and model in _BY_NODE):
        return None
    return adc_energy_j(model, point.bits, point.rate_hz, point.node_m or 1e-9) / point.energy_j


def dac_ratio(model: DacModel, point: Point) -> float:
    """Energy that `model` charges over that of the part."""
    return dac_energy_j(model, int(point.bits)) / point.energy_j


@functools.cache
def _value(path: str) -> float:
    return float(read_engine_file(_ENGINE).values[path])


# The page ----------------------------------------------------------------------------------------------------------

_OPENING = """# Converters: what the models charge, and what has been built

This page and its figures are made by `python docs/make_converters.py`; points and sources stand in `docs/data`, numbers
of the engine in [hardware.md](hardware.md). Converters turn every activation into light and every sum into a number, so
their energy per conversion decides how large a panel has to be before light pays. No single model is right: choose one
with `--set adc.energy_model=NAME` and `--set dac.energy_model=NAME`. Accuracy does not depend on the choice.
"""

_ADC = """## Analog to digital

| model | energy per conversion | reads | what it is |
|---|---|---|---|
| `largest` | the larger of `murmann` and `andrulis` | ENOB, rate, node | default of the catalogue |
| `murmann` | 0.267 pJ + 0.145 aJ 4^ENOB | ENOB | best parts at any rate; a floor that only slow parts reach |
| `schreier` | 0.267 pJ + 0.160 aJ 4^ENOB sqrt(1 + (f / 46.7 MHz)^2) | ENOB, rate | best parts at their rate |
| `andrulis` | regression over the survey's parts | ENOB, rate, node | best fifth of the parts; see `adc_energy.py` |
| `walden` | FOM 2^ENOB | ENOB | one part (16 nm, 0.5 GS/s) moved along its figure of merit |

A pair of effective bits and rate that nobody has built is refused under every model (`adc_front.py`).

![ADC energy against effective bits and rate, and the ratio of model to part](images/adc.png)

*Left and middle: points and models; the models are drawn for 16 nm, left at the rate at which `free-space-1024`
converts, middle at its effective bits. `largest` coincides with `andrulis` wherever that is above `murmann`. Right:
each point is a part, a bar the median over the survey.*
"""

_DAC = """## Digital to analog

| model | energy per conversion of b bits | what it is |
|---|---|---|
| `scaled` | 3.57 pJ (2^b / b) / (2^8 / 8) | default: the law of Lightening-Transformer from one 8-bit part |
| `fixed` | 3.57 pJ up to 8 bits, then as `scaled` | one part for all: fewer bits save nothing |
| `capacitive` | 2^b C_u V^2 | charging a capacitor array once: a lower bound without clock, logic and driver |

How many bits b a converter needs is up to the encoding: an operand of `dac.bits` that shows its sign in the pass needs
`dac.bits` - 1. For 10 pJ per conversion, as Optical Transformers charge: `--set dac.energy_model=fixed --set
dac.reference_energy_j=1e-11`. The rate is in none of the models: power is taken to grow with it.

![DAC energy against bits, and the ratio of model to part](images/dac.png)

*Bits are nominal. Right: each point is a part, a bar the median over the survey.*
"""


def page() -> str:
    """The whole page as markdown."""
    adc, dac = read_points("adc"), read_points("dac")
    survey = [point for point in adc if point.group == "survey"]
    built = [point for point in dac if point.group == "survey"]
    return "\n".join(
        [
            _OPENING,
            _ADC,
            _engine_table(),
            "### How far each model misses\n",
            "Energy charged over energy measured: below 1 the model is cheaper than the part.\n",
            _summary(ADC_MODELS, survey, adc_ratio),
            _adc_reading(survey),
            _adc_table(adc),
            _sources("adc"),
            _DAC,
            "### How far each DAC model misses\n",
            _summary(DAC_MODELS, built, dac_ratio),
            _dac_reading(built),
            _dac_table(dac),
            _sources("dac"),
        ]
    )


def _engine_table() -> str:
    """What each model charges the converters of the catalogue engine."""
    enob, rate_hz, node_m = _engine_adc()
    bits = int(_value("dac.bits")) - 1
    cells = [f"`{model}` {_pj(adc_energy_j(model, enob, rate_hz, node_m))}" for model in ADC_MODELS]
    drives = [f"`{model}` {_pj(dac_energy_j(model, bits))}" for model in DAC_MODELS]
    return (
        f"At the default operating point of `{_ENGINE}` the models charge a conversion of {enob:g} effective bits at "
        f"{rate_hz / 1e9:g} GS/s in {node_m * 1e9:g} nm: {', '.join(cells)} pJ; and a drive of {bits} bits: "
        f"{', '.join(drives)} pJ.\n"
    )


def _engine_adc() -> tuple[float, float, float]:
    """Effective bits, conversions per second and node of the catalogue engine, which converts once in two passes."""
    enob = _value("adc.bits") - _value("adc.enob_loss")
    return enob, _value("operating_point.symbol_rate_hz") / 2, _value("adc.technology_m")


def _summary(models: Sequence[Any], points: Sequence[Point], ratio: Callable[..., float | None]) -> str:
    lines = [f"| model, over {len(points)} parts of the survey | median | middle 80 % | within a factor of 3 | above |"]
    lines.append("|---|---|---|---|---|")
    for model in models:
        found = np.array([value for point in points if (value := ratio(model, point)) is not None])
        low, middle, high = np.quantile(found, (0.1, 0.5, 0.9))
        near = np.mean(np.abs(np.log(found)) <= np.log(3.0))
        lines.append(
            f"| `{model}` | {_two(middle)} | {_two(low)} to {_two(high)} | {100 * near:.0f} % "
            f"| {100 * np.mean(found > 1):.0f} % |"
        )
    return "\n".join(lines) + "\n"


def _median(points: Sequence[Point], ratio: Callable[..., float | None], model: str) -> float:
    return statistics.median(value for point in points if (value := ratio(model, point)) is not None)


def _adc_reading(points: Sequence[Point]) -> str:
    times = 1 / _median(points, adc_ratio, "largest")
    enob, rate_hz, node_m = _engine_adc()
    outputs = _value("panel.outputs")
    power_w = {model: outputs * rate_hz * adc_energy_j(model, enob, rate_hz, node_m) for model in ADC_MODELS}
    largest_w, walden_w = f"{power_w['largest']:.2f} W", f"{power_w['walden']:.2f} W"
    return f"""- **The default is what the best parts will do, not what a part does.** The median part takes
  {times:.1f} times what `largest` charges. Close to the operating point of `{_ENGINE}`, parts of 8 bits at 1.5
  to 2 GS/s in 14 and 16 nm took 4.6 to 5.2 pJ, one of 10 bits at 0.5 GS/s 5.6 pJ. `walden` starts from the latter:
  what one could buy.
- It matters little in `{_ENGINE}`, whose {outputs:.0f} converters take {largest_w} under `largest` and
  {walden_w} under `walden`, beside lasers and host of a hundred watts. It will matter at 100 TOPS/W, where an output
  of 1024 products may cost 20.5 pJ in all.
- `murmann` and `schreier` are envelopes. `murmann` lies below every part, at gigahertz rates far below; `schreier`
  meets the two best (1.8 GS/s with 9.7 bits, 200 GS/s with 5.7 bits) within a tenth.
- `andrulis` stands at the best fifth of its parts: at 1 GS/s and 10 bits it is dearer than the best of them, and below
  16 nm it extrapolates to less than anything measured, which `largest` cuts off.
- `walden` has one figure of merit. Those of real parts grow with the rate, so it is too cheap above a few GS/s.
"""


def _dac_reading(points: Sequence[Point]) -> str:
    few = [dac_ratio("scaled", point) for point in points if point.bits <= 6]
    many = [dac_ratio("scaled", point) for point in points if point.bits >= 16]
    little, much = f"{_two(min(few))} to {_two(max(few))}", f"{min(many):.1f} to {max(many):.1f}"
    times = 1 / _median(points, dac_ratio, "capacitive")
    return f"""- **Real parts depend less on their bits than the scaled law says.** At 6 bits and fewer it charges
  {little} of what parts take, at 16 bits {much} times as much. Its price for the 7 bits of
  `{_ENGINE}` is below every part of 6 to 9 bits in the survey: `fixed` is the safer choice there.
- The survey's parts drive a 50 ohm load at full rate. A modulator may ask for less; it is charged apart
  (`modulator.symbol_energy_j`).
- `capacitive` is a bound, and parts are {times:.0f} times above it in the median.
"""


def _adc_table(points: Sequence[Point]) -> str:
    head = ["part", "rate", "ENOB", "node", "energy", *(f"`{model}`" for model in ADC_MODELS)]
    rows = []
    for point in points:
        ratios = [_two(adc_ratio(model, point)) for model in ADC_MODELS]
        rows.append(
            [_name(point), _rate(point), f"{point.bits:.2f}", _node(point), f"{_pj(point.energy_j)} pJ", *ratios]
        )
    return _table(head, rows)


def _dac_table(points: Sequence[Point]) -> str:
    head = ["part", "rate", "bits", "node", "energy", *(f"`{model}`" for model in DAC_MODELS)]
    rows = []
    for point in points:
        ratios = [_two(dac_ratio(model, point)) for model in DAC_MODELS]
        rows.append([_name(point), _rate(point), f"{point.bits:g}", _node(point), f"{_pj(point.energy_j)} pJ", *ratios])
    return _table(head, rows)


def _sources(name: str) -> str:
    lines = ["Where the points come from:\n"]
    for group in read_groups(name).values():
        note = " ".join(group["note"].split())
        lines.append(f"- *{group['title']}* ({group['kind']}): {group['source']}, <{group['url']}>. {note}")
    return "\n".join(lines) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rule, *rows)) + "\n"


def _name(point: Point) -> str:
    title = {"survey": "survey", "best": "best", "papers": "paper"}[point.group]
    return title if point.year is None else f"{title}, {point.year}"


def _rate(point: Point) -> str:
    return "-" if point.rate_hz is None else f"{point.rate_hz / 1e9:.3g} GS/s"


def _node(point: Point) -> str:
    return "-" if point.node_m is None else f"{point.node_m * 1e9:.3g} nm"


def _pj(energy_j: float) -> str:
    return f"{energy_j * 1e12:.3g}"


def _two(value: float | None) -> str:
    """Two digits, as many as the scatter is worth."""
    return "-" if value is None else np.format_float_positional(value, 2, fractional=False, trim="-")


# The figures -------------------------------------------------------------------------------------------------------


def draw(folder: Path) -> list[Path]:
    """Draw adc.png and dac.png into `folder`; returns the files."""
    with matplotlib.rc_context(_RC):
        figures = {"adc": adc_figure(), "dac": dac_figure()}
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.png", dpi=150)
    return [folder / f"{name}.png" for name in figures]


def adc_figure() -> Figure:
    """Energy against ENOB and against rate, and model over part for every point."""
    points = read_points("adc")
    figure = Figure(figsize=(12.5, 4.9), layout="constrained")
    by_bits, by_rate, misses = figure.subplots(1, 3, width_ratios=(1, 1, 0.9))
    enob, rate_hz, node_m = _engine_adc()
    bits, rates_hz = np.linspace(4.0, 11.0, 71), np.geomspace(1e8, 3e11, 71)
    for model in ADC_MODELS:
        by_bits.plot(bits, [adc_energy_j(model, float(b), rate_hz, node_m) for b in bits], **_style(model))
        by_rate.plot(rates_hz, [adc_energy_j(model, enob, float(f), node_m) for f in rates_hz], **_style(model))
    _scatter(by_bits, [p for p in points if p.rate_hz], lambda p: p.bits, lambda p: not 1e8 <= (p.rate_hz or 0) <= 1e9)
    _scatter(by_rate, [p for p in points if p.rate_hz], lambda p: p.rate_hz or 0, lambda p: abs(p.bits - enob) > 1)
    by_bits.set_title(f"Against effective bits; models at {rate_hz / 1e9:g} GS/s\n(filled: parts of up to 1 GS/s)")
    by_rate.set_title(
        f"Against rate; models at {enob:g} effective bits\n(filled: parts of {enob - 1:g} to {enob + 1:g} bits)"
    )
    by_bits.set_xlabel("effective bits")
    by_rate.set_xlabel("conversions per second")
    by_rate.set_xscale("log")
    by_rate.xaxis.set_major_formatter(EngFormatter(unit="S/s"))
    for axes in (by_bits, by_rate):
        _energy_axis(axes, (1e-13, 2e-10))
    by_bits.set_ylabel("energy per conversion")
    _misses(misses, ADC_MODELS, points, adc_ratio, (1e-3, 10.0))
    _legend(figure, ADC_MODELS, _MARKERS)
    return figure


def dac_figure() -> Figure:
    """Energy against bits, and model over part for every point."""
    points = read_points("dac")
    figure = Figure(figsize=(9.2, 4.9), layout="constrained")
    by_bits, misses = figure.subplots(1, 2, width_ratios=(1.25, 1))
    bits = range(2, 17)
    for model in DAC_MODELS:
        by_bits.plot(bits, [dac_energy_j(model, b) for b in bits], **_style(model))
    _scatter(by_bits, points, lambda p: p.bits, lambda p: False)
    by_bits.set_title("Against bits")
    by_bits.set_xlabel("bits (nominal)")
    by_bits.set_ylabel("energy per conversion")
    _energy_axis(by_bits, (1e-15, 1e-9))
    _misses(misses, DAC_MODELS, points, dac_ratio, (4e-4, 30.0))
    _legend(figure, DAC_MODELS, ("survey", "papers"))
    return figure


def _scatter(axes: Axes, points: Sequence[Point], x: Callable[[Point], float], hollow: Callable[[Point], bool]) -> None:
    for group, (marker, colour) in _MARKERS.items():
        chosen = [point for point in points if point.group == group]
        if chosen:
            faces = ["none" if hollow(point) else colour for point in chosen]
            place = [x(point) for point in chosen], [point.energy_j for point in chosen]
            axes.scatter(*place, c=faces, edgecolors=colour, marker=marker, s=24, linewidths=0.9, zorder=3)


def _energy_axis(axes: Axes, limits: tuple[float, float]) -> None:
    axes.set_yscale("log")
    axes.set_ylim(*limits)
    axes.yaxis.set_major_formatter(EngFormatter(unit="J"))
    axes.grid(True, which="major", color="#dddddd", linewidth=0.5)
    axes.set_axisbelow(True)


def _misses(
    axes: Axes,
    models: Sequence[Any],
    points: Sequence[Point],
    ratio: Callable[..., float | None],
    limits: tuple[float, float],
) -> None:
    """One row per model: model over part for every point, and the median over the survey."""
    jitter = np.random.default_rng(0)
    axes.axvspan(1 / 3, 3, color="#eeeeee", zorder=0)
    axes.axvline(1.0, color="black", linewidth=0.8, zorder=1)
    for row, model in enumerate(models):
        for group, (marker, colour) in _MARKERS.items():
            found = [r for p in points if p.group == group and (r := ratio(model, p)) is not None]
            heights = row + jitter.uniform(-0.22, 0.22, len(found))
            axes.scatter(found, heights, c=colour, marker=marker, s=14, linewidths=0, alpha=0.85, zorder=2)
            if group == "survey":
                middle = statistics.median(found)
                axes.plot([middle] * 2, [row - 0.36, row + 0.36], color=_COLOURS[model], linewidth=2.5, zorder=4)
    axes.set_xscale("log")
    axes.set_xlim(*limits)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(models)), models)
    axes.invert_yaxis()
    axes.set_title("Model over part (grey: within a factor of 3)")
    axes.set_xlabel("energy charged / energy of the part")


def _style(model: str) -> dict[str, Any]:
    order = 2.5 if model in _DASHES else 2.0
    return {"color": _COLOURS[model], "linestyle": _DASHES.get(model, "-"), "linewidth": 1.4, "zorder": order}


def _legend(figure: Figure, models: Sequence[str], groups: Iterable[str]) -> None:
    lines = [Line2D([], [], label=model, **_style(model)) for model in models]
    points = [
        Line2D([], [], label=_LEGEND[group], marker=_MARKERS[group][0], color=_MARKERS[group][1], linestyle="none")
        for group in groups
    ]
    figure.legend(handles=lines + points, loc="outside lower center", ncols=len(lines) + len(points))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    draw(HERE / "images")
