"""The `exalight engines` command: the catalogue as a table, or one engine with its numbers, budgets and warnings."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from experiments.accuracy_request import checked_engine_file
from experiments.engines_config import EnginesConfig, check_options
from experiments.engines_converters import converter_table, has_converters
from experiments.engines_output import run_folder, write_output
from experiments.words import engineering, output_console, plain_table
from photonics.catalogue import EngineFile, build_engine, engine_names, read_engine_file
from photonics.families import FAMILIES
from photonics.schema import Value

if TYPE_CHECKING:
    from photonics.engine import Engine
    from photonics.remarks import Warning_


def show_engines(config: EnginesConfig) -> None:
    """Print the table of engines, or the one that `config` names; RequestError for a bad request."""
    check_options(config)
    console = output_console()
    if config.name is None:
        console.print(_catalogue())
        console.print("\nNumbers, sources and budgets of one: exalight engines NAME")
        return
    overrides = config.set
    if config.laser_power_w is not None:
        overrides = (*overrides, f"operating_point.laser_power_w={config.laser_power_w!r}")
    file = checked_engine_file(config.name, overrides)
    engine = build_engine(file)
    folder = run_folder(config, file) if config.plot else None
    _heading(console, f"{file.name}: {file.title}", first=True)
    if file.description:
        console.print(Padding(" ".join(file.description.split()), (0, 0, 0, 2)))
    _heading(console, "Parameters (what they are; kind and source of the value)")
    console.print(_parameters(file, {row.path: row.meaning for row in engine.parameters()}))
    _print_budgets(console, engine)
    decibels = FAMILIES[file.family].decibels
    keys = (item.partition("=")[0].strip() for item in config.set)
    explanation = engine.explain(chosen=[decibels[key].path if key in decibels else key for key in keys])
    print_warnings(console, explanation.warnings)
    if folder is not None:
        print(write_output(folder, engine, explanation))


def print_warnings(console: Console, warnings: Sequence["Warning_"]) -> None:
    """Every remark in a line of its own; settings that are idle without anybody having chosen them, together."""
    from photonics.remarks import IDLE_CODES

    merely_idle = [w for w in warnings if w.code in IDLE_CODES and w.severity == "note"]
    told = [w for w in warnings if w not in merely_idle]
    _heading(console, "Warnings" if told else "Nothing to warn of")
    for warning in told:
        mark = "! " if warning.severity == "warning" else "- "
        console.print(Text.assemble(mark, warning.message, (f" ({warning.code})", "dim")))
    if merely_idle:
        paths = ", ".join(w.path for w in merely_idle)
        console.print(f"Not used with these choices: {paths}", style="dim")


def quantity(value: Value, unit: str) -> str:
    """A value with its unit for reading: prefixes for simple units, plain numbers for ratios, yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if unit in ("", "1"):
        return f"{value:.6g}"
    if unit.isalpha() and unit != "byte" and math.isfinite(value):
        return engineering(float(value), unit)
    return f"{value:.6g} {unit}"


def _catalogue() -> Table:
    numbers = ("inputs", "outputs", "rate", "laser")
    table = plain_table("engine", "family", *numbers, "what it is", right=numbers, wrap=("what it is",))
    for name in engine_names():
        file = read_engine_file(name)
        at, (inputs, outputs) = file.values, FAMILIES[file.family].size(file.values)
        table.add_row(
            name,
            file.family,
            str(inputs),
            str(outputs),
            engineering(float(at["operating_point.symbol_rate_hz"]), "Hz"),
            engineering(float(at["operating_point.laser_power_w"]), "W"),
            file.title,
        )
    return table


def _parameters(file: EngineFile, meanings: dict[str, str]) -> Table:
    """Every value under its stage, as `--set STAGE.FIELD=VALUE` takes it."""
    table = plain_table("field", "value", "", right=("value",), wrap=("",))
    table.show_header = False
    before = None
    for path in file.values:
        stage, _, field = path.partition(".")
        if stage != before:
            table.add_row(Text(stage, style="bold"))
            before = stage
        source = file.sources[path]
        words = Text(meanings.get(path, ""))
        words.append(f"\n{source.kind}: {source.title}", style="dim")
        table.add_row(f"  .{field}", _with_decibels(file, path), words)
    return table


def _with_decibels(file: EngineFile, path: str) -> str:
    """The value, and for ratios that files give in decibels those on a line below."""
    value = file.values[path]
    text = quantity(value, file.rows[path].unit)
    decibel = next((one for one in FAMILIES[file.family].decibels.values() if one.path == path), None)
    if decibel is None or isinstance(value, str) or not 0 < value < math.inf:
        return text
    return f"{text}\n{decibel.decibels(float(value)):.4g} {decibel.unit}"


def _print_budgets(console: Console, engine: "Engine") -> None:
    """Where the light goes, where the noise comes from, and where the power goes, at the operating point."""
    at = engine.operating_point
    power, rate = engineering(float(at.laser_power_w), "W"), engineering(float(at.symbol_rate_hz), "Hz")
    _heading(console, f"Link budget: {engine.link_budget()[0].name} at full drive, {power}, {rate}")
    console.print(_link_budget(engine))
    _heading(console, "Noise budget: one output of a full tile of typical operands")
    noise = engine.noise_budget()
    rows = ((row.origin, f"{row.variance_electrons2:.3g}", _percent(row.share)) for row in noise)
    console.print(_budget(("origin", "variance (electrons^2)", "share"), rows))
    deviation = math.sqrt(sum(row.variance_electrons2 for row in noise))
    console.print(f"together {deviation:.3g} electrons rms", style="dim")
    parts_w = {part: float(power_w) for part, power_w in engine.power_budget().items()}
    total_w = sum(parts_w.values())
    _heading(console, f"Power budget: one engine that never pauses, {engineering(total_w, 'W')} at the wall")
    ranked = sorted(parts_w.items(), key=lambda item: -item[1])
    rows = ((part, engineering(power_w, "W"), _percent(power_w / total_w)) for part, power_w in ranked)
    console.print(_budget(("part", "power", "share"), rows))
    if has_converters(engine):
        _heading(console, "Converters: what each model of their energy charges (docs/converters.md)")
        console.print(converter_table(engine))
    areas_m2 = engine.areas_m2()
    if areas_m2:
        _heading(console, f"Area: {sum(areas_m2.values()) * 1e6:.4g} mm2")
        rows = ((part, f"{area * 1e6:.3g} mm2") for part, area in sorted(areas_m2.items(), key=lambda i: -i[1]))
        console.print(_budget(("part", "area"), rows))


def _link_budget(engine: "Engine") -> Table:
    per_joule = float(engine.electrons_per_joule())
    symbol_s = 1.0 / float(engine.operating_point.symbol_rate_hz)
    rows = [
        (
            step.name,
            f"{0.0 - step.loss_db:+.2f} dB",
            engineering(step.power_w, "W"),
            f"{step.power_w * symbol_s * per_joule:.4g}",
        )
        for step in engine.link_budget()
    ]
    return _budget(("light left after", "gain", "power", "electrons per symbol if detected here"), rows)


def _budget(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Table:
    table = plain_table(*headings, right=headings[1:])
    for row in rows:
        table.add_row(*row)
    return table


def _heading(console: Console, text: str, first: bool = False) -> None:
    console.print(text if first else f"\n{text}", style="bold")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
