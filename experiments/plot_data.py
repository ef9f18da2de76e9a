"""From the tables of a run to what `exalight plot` draws: which table, which rows, which of them belong together."""

import dataclasses
import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.errors import RequestError
from experiments.plot_config import PlotConfig
from experiments.runs import CONFIG_FILE, RESULT_FILE

# The table that most columns of a run are in, and the columns that only repeat a measurement.
_FIRST_TABLE = "points"
_REPEATS = ("seed", "instance")
_ERROR = "error"


@dataclasses.dataclass(frozen=True)
class Run:
    """A folder with tables.

    Attributes:
        folder: where.
        document: its `config.toml`, {} where there is none.
        tables: columns of each table by name, the main one first.
    """

    folder: Path
    document: Mapping[str, Any]
    tables: Mapping[str, tuple[str, ...]]

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of its command."""
        found = self.document.get("options")
        return found if isinstance(found, dict) else {}

    @property
    def experiment(self) -> str:
        """Its command, "" where it is not known."""
        return str(self.document.get("experiment", ""))

    @property
    def axes(self) -> tuple[str, ...]:
        """Columns that a sweep varied, () for any other run."""
        if self.experiment != "sweep":
            return ()
        return tuple(str(item).partition("=")[0].strip() for item in self.options.get("set", ()))

    def settings(self, columns: Iterable[str], texts: Iterable[str]) -> tuple[str, ...]:
        """Those of a table's columns that were chosen and not measured: of other runs, `texts` and the light."""
        chosen = {*self.axes, *_REPEATS} if self.axes else {*texts, "laser_power_w"}
        return tuple(column for column in columns if column in chosen)

    @property
    def scattered(self) -> bool:
        """Whether the points of a sweep lie anywhere, so that no line leads from one to the next."""
        return self.experiment == "sweep" and self.options.get("design", "grid") != "grid"


@dataclasses.dataclass(frozen=True)
class Curve:
    """Points of one colour and one style, by ascending x.

    Attributes:
        hue, style: values of those columns, None where there are none.
        x: places.
        y: medians of the rows at each place.
        low, high: quartiles of the same rows.
        rows: how many they are.
    """

    hue: Any
    style: Any
    x: tuple[Any, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    rows: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Chart:
    """Everything that is drawn.

    Attributes:
        curves: one for each hue and style, in the order of their values.
        connected: whether lines join the points.
        caption: what points and bands are, "" where every row is a point.
        left_out: how many rows are not drawn, and why; "" where all are.
    """

    curves: tuple[Curve, ...]
    connected: bool
    caption: str
    left_out: str


def open_run(path: str) -> Run:
    """The run in a folder, or of a `result.json`; RequestError where there is none to draw."""
    folder = Path(path)
    if folder.name == RESULT_FILE:
        folder = folder.parent
    if not folder.is_dir():
        raise RequestError(f"there is no run at {path}; give the folder of a run, such as runs/accuracy/<hash>")
    files = sorted(folder.glob("*.parquet"), key=lambda file: (file.stem != _FIRST_TABLE, file.stem))
    if not files:
        raise RequestError(f"{path} holds no tables (*.parquet); a run writes them when all its points are there")
    try:
        held = folder / CONFIG_FILE
        document = tomllib.loads(held.read_text("utf-8")) if held.exists() else {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RequestError(f"{folder / CONFIG_FILE} cannot be read ({error})") from error
    return Run(folder, document, {file.stem: tuple(_schema(file)) for file in files})


def _schema(file: Path) -> Mapping[str, Any]:
    import polars

    try:
        return polars.read_parquet_schema(file)
    except (OSError, polars.exceptions.PolarsError) as error:
        raise RequestError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def table_of(run: Run, config: PlotConfig) -> str:
    """Name of the first table that has every column of the options; RequestError naming the nearest where none has."""
    wanted = {option: getattr(config, option) for option in ("x", "y", "hue", "style")}
    wanted = {option: column for option, column in wanted.items() if column is not None}
    if config.table is not None and config.table not in run.tables:
        raise RequestError(
            f"--table {config.table}: {run.folder} has no such table{_nearest(config.table, run.tables)} "
            f"(tables: {', '.join(run.tables)})"
        )
    searched = {config.table: run.tables[config.table]} if config.table is not None else run.tables
    for option, column in wanted.items():
        known = list(dict.fromkeys(name for columns in searched.values() for name in columns))
        if column not in known:
            where = f"the table {config.table}" if config.table is not None else "no table of this run"
            has = "has no column" if config.table is not None else "has a column"
            raise RequestError(f"--{option} {column}: {where} {has} of this name{_nearest(column, known)}")
    for name, columns in searched.items():
        if set(wanted.values()) <= set(columns):
            return name
    where = "; ".join(
        f"{column} is in {', '.join(name for name, columns in searched.items() if column in columns)}"
        for column in wanted.values()
    )
    raise RequestError(f"no table has {', '.join(wanted.values())} together: {where}")


def _nearest(name: str, known: Iterable[str]) -> str:
    known = list(known)
    # The beginning of a long name is nearer than a short name that looks alike.
    begun = [column for column in known if column.startswith(name)]
    found = begun or difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {found[0]}?" if found else f" (there are {', '.join(known)})"


def read_rows(run: Run, table: str) -> list[dict[str, Any]]:
    """All rows of a table; RequestError where it cannot be read."""
    import polars

    try:
        return polars.read_parquet(run.folder / f"{table}.parquet").to_dicts()
    except (OSError, polars.exceptions.PolarsError) as error:
        raise RequestError(f"{run.folder / table}.parquet cannot be read: {str(error).splitlines()[0]}") from error


def make_chart(run: Run, rows: Sequence[Mapping[str, Any]], config: PlotConfig, above_zero: Sequence[str]) -> Chart:
    """Group the rows of a table; `above_zero` are columns on logarithmic axes, where nothing else can stand.

    Where a sweep repeats a setting with other seeds and instances, and x was measured too, x is the median of the
    repeats. RequestError where no row can be drawn, or y holds texts.
    """
    assert config.x is not None and config.y is not None, "the options name both columns or neither"
    kept, left_out = _drawable(rows, config, above_zero)
    texts = [name for name in rows[0] if any(isinstance(row[name], str | bool | int) for row in rows)] if rows else []
    settings = run.settings(rows[0], texts) if rows else ()
    if run.axes and config.x not in settings:
        kept = _at_medians(kept, config.x, [name for name in settings if name not in _REPEATS])
    groups: dict[tuple[Any, Any], dict[Any, list[Mapping[str, Any]]]] = {}
    for row in kept:
        which = tuple(None if column is None else row[column] for column in (config.hue, config.style))
        groups.setdefault((which[0], which[1]), {}).setdefault(row[config.x], []).append(row)
    curves = [_curve(hue, style, places, config.y) for (hue, style), places in sorted(groups.items(), key=_order)]
    largest = max(max(curve.rows) for curve in curves)
    caption = ""
    if largest > 1:
        drawn = {config.x, config.y, config.hue, config.style}
        mixed = _mixed([group for places in groups.values() for group in places.values()], settings, drawn)
        differ = f", which differ in {', '.join(mixed)}" if mixed else ""
        caption = f"points are medians of up to {largest} rows{differ}; bands hold the middle half of them"
    is_text = any(isinstance(row[config.x], str | bool) for row in kept)
    return Chart(tuple(curves), not (is_text or run.scattered), caption, left_out)


def _drawable(
    rows: Sequence[Mapping[str, Any]], config: PlotConfig, above_zero: Sequence[str]
) -> tuple[list[Mapping[str, Any]], str]:
    """Rows that have a place in the figure, and a sentence that counts the others."""
    failed, missing, below, kept = 0, 0, 0, []
    for row in rows:
        x, y = row[config.x or ""], row[config.y or ""]
        if isinstance(y, str):
            raise RequestError(f"--y {config.y} holds texts, such as {y!r}; give a column of numbers")
        if row.get(_ERROR) is not None:
            failed += 1
        elif not (_is_finite(x) and _is_finite(y)):
            missing += 1
        elif any(row[column] <= 0 for column in above_zero):
            below += 1
        else:
            kept.append(row)
    reasons = (
        (failed, "failed"),
        (missing, f"without a finite {config.x} or {config.y}"),
        (below, "not above 0 on a logarithmic axis"),
    )
    told = ", ".join(f"{count} {reason}" for count, reason in reasons if count)
    if not kept:
        raise RequestError(f"no row can be drawn: {told}" if told else "the table has no rows")
    return kept, f"{len(rows) - len(kept)} of {len(rows)} rows are left out: {told}" if told else ""


def _is_finite(value: Any) -> bool:
    return isinstance(value, str | bool) or (isinstance(value, int | float) and math.isfinite(value))


def _at_medians(rows: Sequence[Mapping[str, Any]], x: str, settings: Sequence[str]) -> list[Mapping[str, Any]]:
    """The rows with x as its median over those of the same settings; texts stay what they are."""
    if any(isinstance(row[x], str | bool) for row in rows):
        return list(rows)
    places: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        places.setdefault(tuple(row[name] for name in settings), []).append(row[x])
    medians = {key: quantile(values, 0.5) for key, values in places.items()}
    return [{**row, x: medians[tuple(row[name] for name in settings)]} for row in rows]


def _curve(hue: Any, style: Any, places: Mapping[Any, Sequence[Mapping[str, Any]]], y: str) -> Curve:
    # Texts keep the order of the table.
    x = list(places) if any(isinstance(place, str) for place in places) else sorted(places)
    values = [sorted(float(row[y]) for row in places[place]) for place in x]
    median, low, high = (tuple(quantile(group, share) for group in values) for share in (0.5, 0.25, 0.75))
    return Curve(hue, style, tuple(x), median, low, high, tuple(len(group) for group in values))


def quantile(values: Sequence[float], share: float) -> float:
    """The value that a share of the values lies below, linear between two of them."""
    ordered, place = sorted(values), share * (len(values) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _mixed(groups: Sequence[Sequence[Mapping[str, Any]]], settings: Sequence[str], drawn: set[str | None]) -> list[str]:
    """Settings that differ between rows which are drawn as one point."""
    others = [name for name in settings if name not in drawn]
    return [name for name in others if any(len({row[name] for row in group}) > 1 for group in groups)]


def _order(item: tuple[tuple[Any, Any], Any]) -> tuple[Any, ...]:
    """Numbers by size, texts by alphabet, nothing first."""
    return tuple((value is not None, isinstance(value, str), value if value is not None else 0) for value in item[0])
