"""Write docs/roadmap.md: what the default roadmap says of each parameter, where that puts it in 2029, and why.

Run it by hand after changing models/hardware/roadmaps/default.toml; a test compares the page with what this prints.
"""

from pathlib import Path

from models.hardware.roadmap import Roadmap, build_roadmap
from models.hardware.roadmap_file import Bound, Parameter, RoadmapFile, read_roadmap_file

PAGE = Path(__file__).with_name("roadmap.md")
YEAR = 2029
# Engines for 1e18 op/s, two for each weight and symbol, at 1 GHz.
_EXAOPS_ENGINES = 1e18 / (2 * 2048**2 * 1e9)

_OPENING = """# Roadmap: what technology may become, and how sure that is

This page is printed by `python docs/make_roadmap.py` from `models/hardware/roadmaps/default.toml`; change that file, or
write one of your own and give it to the command that reads roadmaps. It holds, for each technology parameter of a
free-space engine of 2048 inputs and outputs and of the system around it, a distribution for each year from 2024 to
2032. It is a set of judgements, not a measurement: **{assumptions} of {count} starting values and {trends} of {moving}
trends are assumptions**, because nobody publishes them. The other {still} parameters have no trend: they are mature, or
nothing says that they move.

## How to read it

- *low*, *typical* and *high* are the quantiles of 5, 50 and 95 % in the year named: one time in ten the truth lies
  outside. They need not be symmetric: each half has a slope of its own.
- **Log-normal** is for what is positive and known within a factor: energies, powers, times, rates. The logarithm of the
  distance from the floor is normal, so nothing falls below the floor.
- **Logit-normal** is for what lies between a floor and a ceiling, such as efficiencies and transmissions: the logarithm
  of its odds, x / (ceiling - x), is normal, so nothing exceeds the ceiling.
- A **trend** is a time in which the distance from the floor halves (or the odds double), with quantiles of its own.
  It is a straight line on those scales, so progress slows down on its way to a bound. It has no steps: a panel other
  than liquid crystal, or a laser of another kind, is a matter of other starting values.
- A **floor** or **ceiling** is physics: thermal noise, Landauer's limit, the energy of photons, conservation of energy.
  Landauer's limit lies six to nine orders below what is built, so it never decides anything here.
- Each sample draws one deviate for where a parameter stands and one for its pace, and keeps both for all years: samples
  are trajectories. Where a parameter stands says nothing of its pace.
- Parameters that share a cause load on a common **factor**; the correlation of two deviates is the product of their
  loadings. The sizes of the loadings are ours.

What is not in here: the laser power of an engine (the accuracy of the model sets it), bits, counts and encodings (a
scenario chooses them), and how busy the engines are. It presumes

{presumes}

The figure of merit of the ADC does not rise with its rate under that law, so it is worth most near the half gigahertz
that it was taken at. Of the parameters, lenses, panel, pixel lines, control and host are those of 2048 inputs and
outputs; `free-space-1024` has all of them, but smaller.

## What decides and is known least

- **Panel reload time**: no maker of a large, fast, multi-level panel publishes a trend, and the range spans two orders.
- **Host and control power**: own estimates. At {host:g} W and {control:g} W an engine (2024) they alone draw
  {together:.1f} kW for the 119.2 engines of 2048 x 2048 that make an exaOPS at 1 GHz and one pass: more than the 10 kW
  of the target for 2029.
- **Light lost and threshold current**: no published free-space machine states either.

"""


def page() -> str:
    """The whole page as markdown."""
    file = read_roadmap_file()
    roadmap, parameters = build_roadmap(file), list(file.parameters.values())
    host_w, control_w = (file.parameters[f"system.{name}_power_w"].value for name in ("host", "control"))
    moving = [one.trend for one in parameters if one.trend]
    opening = _OPENING.format(
        assumptions=sum(one.source.kind == "assumption" for one in parameters),
        count=len(parameters),
        trends=sum(one.source.kind == "assumption" for one in moving),
        moving=len(moving),
        still=len(parameters) - len(moving),
        presumes="\n".join(f"    --set {one}" for one in file.presumes),
        host=host_w,
        control=control_w,
        together=_EXAOPS_ENGINES * (host_w + control_w) / 1e3,
    )
    return opening + "\n".join([_distributions(roadmap, parameters), _factors(file), _reasons(parameters)])


def _distributions(roadmap: Roadmap, parameters: list[Parameter]) -> str:
    lines = [
        "## The distributions",
        "",
        "| parameter | unit | law | year | low | typical | high | trend [years] | bound "
        f"| in {YEAR}: low | 50 % | high |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in parameters:
        later = [roadmap.quantile(one.path, YEAR, probability) for probability in (0.05, 0.5, 0.95)]
        trend = "none"
        if one.trend:
            word = "doubles" if one.trend.grows else "halves"
            trend = f"{word} in {one.trend.value:g} ({one.trend.low:g} to {one.trend.high:g})"
        bounds = [f"above {one.floor.value:.3g}"] if one.floor else []
        bounds += [f"below {one.ceiling.value:.3g}"] if one.ceiling else []
        cells = [one.path, one.row.unit, one.law, f"{one.year:g}", *_three(one.low, one.value, one.high), trend]
        lines.append("| " + " | ".join([*cells, ", ".join(bounds) or "above 0", *_three(*later)]) + " |")
    return "\n".join([*lines, ""])


def _three(*values: float) -> list[str]:
    return [f"{value:.3g}" for value in values]


def _factors(file: RoadmapFile) -> str:
    lines = ["## Shared causes", "", "| factor | meaning | loadings |", "|---|---|---|"]
    for name, meaning in file.factors.items():
        loads = [
            f"{path} {one.loadings[name]:+g}" for path, one in file.parameters.items() if one.loadings.get(name, 0.0)
        ]
        lines.append(f"| {name} | {meaning} | {', '.join(loads)} |")
    return "\n".join([*lines, ""])


def _reasons(parameters: list[Parameter]) -> str:
    lines = ["## Where the numbers come from", ""]
    for one in parameters:
        lines += [f"### {one.path}", "", f"- start, {one.source.kind}: {one.source.title}"]
        lines += [f"  - note: {one.source.note}"] if one.source.note else []
        lines += [f"  - elsewhere: {one.source.measured}"] if one.source.measured else []
        lines += [f"  - <{one.source.url}>"] if one.source.url else []
        if one.trend:
            lines.append(f"- trend, {one.trend.source.kind}: {one.trend.source.title}")
            lines += [f"  - elsewhere: {one.trend.source.measured}"] if one.trend.source.measured else []
            lines += [f"  - note: {one.trend.source.note}"] if one.trend.source.note else []
            lines += [f"  - <{one.trend.source.url}>"] if one.trend.source.url else []
        lines += _bound("floor", one.floor) + _bound("ceiling", one.ceiling) + [""]
    return "\n".join(lines)


def _bound(name: str, bound: Bound | None) -> list[str]:
    if bound is None:
        return []
    note = f" ({bound.source.note})" if bound.source.note else ""
    return [f"- {name} {bound.value:.3g}, {bound.source.kind}: {bound.source.title}{note}"]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
