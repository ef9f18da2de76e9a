"""Roadmap files: how each technology parameter of an engine may develop, read and checked. No JAX to read."""

import dataclasses
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from photonics.catalogue import KINDS, Source
from photonics.families import DEFAULT, FAMILIES
from photonics.families_schema import Family
from photonics.schema import Row, float_row, nearest, shortened

Law = Literal["log-normal", "logit-normal"]
LAWS: tuple[Law, ...] = ("log-normal", "logit-normal")
# Years that a roadmap speaks of; figures that it starts from may be older.
FIRST_YEAR, LAST_YEAR = 2024, 2032
_OLDEST_BASE = 2000

# What belongs to a system of engines and to no engine. What fetching a weight costs is `memory.far_energy_j_per_byte`.
SYSTEM: Mapping[str, Row] = {
    row.path: row
    for row in (
        float_row("weights.bytes_per_s", "(0, inf)", "byte/s"),
        float_row("accumulators.near_byte", "(0, inf)", "byte"),
        float_row("links.bytes_per_s", "(0, inf)", "byte/s"),
        float_row("links.energy_j_per_byte", "[0, inf)", "J/byte"),
        float_row("facility.power_usage_effectiveness", "[1, inf)"),
    )
}

_ROADMAPS = Path(__file__).with_name("roadmaps")
_HEADINGS = ("title", "description", "family")
_TABLES = ("presumes", "factor")
_TRENDS = ("doubling_time_years", "halving_time_years")
_KEYS = (
    *("unit", "law", "year", "low", "value", "high", "kind", "source", "url", "note", "measured"),
    *("floor", "ceiling", "loadings", *_TRENDS),
)
_NEEDED = ("unit", "law", "year", "low", "value", "high", "kind", "source")
_BOUND_KEYS = ("value", "kind", "source", "url", "note")
_TREND_KEYS = ("low", "value", "high", "kind", "source", "url", "note", "measured")
_FACTOR_KEYS = ("meaning", "kind", "source", "note")
# Where the interval of a row ends there is no bound: `photonics.schema.float_row`.
_UNBOUNDED = 1e24


@dataclasses.dataclass(frozen=True)
class Trend:
    """How fast a parameter moves.

    Attributes:
        grows: whether it doubles, or halves, in that time.
        low, value, high: the time in which it does; quantiles of 5, 50 and 95 % [years].
        source: where the time comes from.
    """

    grows: bool
    low: float
    value: float
    high: float
    source: Source


@dataclasses.dataclass(frozen=True)
class Bound:
    """A value that physics does not let a parameter pass, and why."""

    value: float
    source: Source


@dataclasses.dataclass(frozen=True)
class Parameter:
    """The distribution of one parameter over the years, as its file states it.

    Attributes:
        path: dotted path of a field of the engine, or a key of `SYSTEM`.
        row: what the field may be, with its unit.
        law: "log-normal" above the floor, or "logit-normal" between floor and ceiling.
        year: year of the three quantiles.
        low, value, high: quantiles of 5, 50 and 95 % in that year.
        source: where they come from; its `low` and `high` are the same numbers.
        floor, ceiling: bounds, where physics sets one; without a floor 0 is one.
        trend: how it moves, or None where nothing says that it does.
        loadings: weight of each factor, -1 to 1.
    """

    path: str
    row: Row
    law: Law
    year: float
    low: float
    value: float
    high: float
    source: Source
    floor: Bound | None
    ceiling: Bound | None
    trend: Trend | None
    loadings: Mapping[str, float]

    @property
    def least(self) -> float:
        """What no sample falls below: the floor, or 0."""
        return self.floor.value if self.floor else 0.0

    @property
    def most(self) -> float:
        """What no sample exceeds: the ceiling, or infinity."""
        return self.ceiling.value if self.ceiling else math.inf


@dataclasses.dataclass(frozen=True)
class RoadmapFile:
    """A complete roadmap.

    Attributes:
        name: name in the catalogue, or the file name without ending.
        title, description: one line, and a paragraph or "".
        family: family of engines that the paths belong to.
        presumes: "PATH=VALUE" of each switch under which the parameters are read at all, as for `--set`.
        factors: causes that several parameters share: meaning by name.
        parameters: distribution by dotted path, in the order of the file.
        path: the file.
    """

    name: str
    title: str
    description: str
    family: str
    presumes: tuple[str, ...]
    factors: Mapping[str, str]
    parameters: Mapping[str, Parameter]
    path: Path


def roadmap_names() -> tuple[str, ...]:
    """Names of the roadmaps that ship with the package."""
    return tuple(sorted(file.stem for file in _ROADMAPS.glob("*.toml")))


def read_roadmap_file(name_or_path: str | Path = "default") -> RoadmapFile:
    """Read and check a roadmap of the package, or a TOML file of the same form.

    Each parameter is a table under its dotted path with `unit`, `law`, `year`, `low`, `value`, `high` (quantiles of 5,
    50 and 95 % in that year), `kind`, `source` and, if wanted, `url`, `note`, `measured`; tables `floor` and `ceiling`
    (value, kind, source), one of `doubling_time_years` and `halving_time_years` (value, kind, source, and low with high
    where the pace is uncertain), and `loadings` on the factors, each of which is a table `[factor.NAME]` with its
    meaning, kind and source. `[presumes]` states switches of the engine, as text.

    Raises ValueError for a name that the package does not have and for anything wrong in a file, on one line with file,
    name and reason; OSError for a file that cannot be opened.
    """
    path = _locate(str(name_or_path))
    try:
        return _read(path)
    except ValueError as error:
        raise ValueError(shortened(f"{path}: {error}")) from None


def _locate(text: str) -> Path:
    names = roadmap_names()
    if text in names:
        return _ROADMAPS / f"{text}.toml"
    if text.endswith(".toml"):
        return Path(text)
    raise ValueError(
        shortened(
            f"unknown roadmap {text!r}; the nearest is {nearest(text, names)!r} "
            f"(there are {', '.join(names)}; a file of your own ends in .toml)"
        )
    )


def _read(path: Path) -> RoadmapFile:
    with path.open("rb") as file:
        try:
            document = tomllib.load(file)
        except RecursionError:
            raise ValueError("it is not a roadmap: it holds tables or lists too deep to be read") from None
        except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
            raise ValueError(f"it is not a TOML file: {error}") from None
    headings = {key: _text(key, document.pop(key)) for key in _HEADINGS if key in document}
    _check_tables(document)
    if "title" not in headings:
        raise ValueError("it lacks a title")
    family = _family(headings.get("family", DEFAULT))
    presumes = tuple(_presumed(family, _table("presumes", document.pop("presumes", {}))))
    factors = {name: _factor(name, one) for name, one in _table("factor", document.pop("factor", {})).items()}
    known = {**family.row_of, **SYSTEM}
    entries = {f"{group}.{field}": entry for group, fields in document.items() for field, entry in fields.items()}
    parameters = {key: _parameter(family, known, factors, key, entry) for key, entry in entries.items()}
    if not parameters:
        raise ValueError("it states no parameter")
    return RoadmapFile(
        name=path.stem,
        title=headings["title"],
        description=headings.get("description", ""),
        family=family.name,
        presumes=presumes,
        factors=factors,
        parameters=parameters,
        path=path,
    )


def _check_tables(document: Mapping[str, Any]) -> None:
    groups = dict.fromkeys(path.partition(".")[0] for path in (*SYSTEM, *FAMILIES[DEFAULT].row_of))
    for key, value in document.items():
        if not isinstance(value, dict):
            near = nearest(key, (*_HEADINGS, *_TABLES, *groups))
            raise ValueError(f"unknown key {key!r}; the nearest is {near!r}, and parameters are tables")


def _family(name: str) -> Family:
    if name not in FAMILIES:
        raise ValueError(f"unknown family {name!r}; the nearest is {nearest(name, FAMILIES)!r}")
    return FAMILIES[name]


def _presumed(family: Family, table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        row = family.row_of.get(key)
        if row is None:
            raise ValueError(f"presumes {key!r}, which is unknown; the nearest is {nearest(key, family.row_of)!r}")
        if row.type == "float":
            raise ValueError(f"presumes {key}, which is a number that a roadmap may state; give it a distribution")
        row.parse(_text(f"presumes {key}", value))
        yield f"{key}={value}"


def _factor(name: str, entry: object) -> str:
    where = f"factor.{name}"
    table = _known_keys(where, _table(where, entry), _FACTOR_KEYS)
    _source(where, table)
    return _text(f"{where}.meaning", table.get("meaning"))


def _parameter(
    family: Family, known: Mapping[str, Row], factors: Mapping[str, str], path: str, entry: object
) -> Parameter:
    if path in family.decibels:
        raise ValueError(f"{path} is spelled in decibels; state {family.decibels[path].path} as a ratio")
    if path not in known:
        raise ValueError(f"unknown parameter {path!r}; the nearest is {nearest(path, known)!r}")
    row = known[path]
    if row.type != "float":
        raise ValueError(f"{path} is part of the structure of an engine ({row.describe()}); a scenario chooses it")
    table = _known_keys(path, _table(path, entry), _KEYS)
    lacking = [key for key in _NEEDED if key not in table]
    if lacking:
        raise ValueError(f"{path} lacks {' and '.join(lacking)}" + (f" ({row.unit})" if "unit" in lacking else ""))
    if table["unit"] != row.unit:
        raise ValueError(f"{path} is in {table['unit']!r}; it should be in {row.unit!r}")
    if table["law"] not in LAWS:
        raise ValueError(f"{path} has law {table['law']!r}; it should be one of {', '.join(LAWS)}")
    low, value, high = (float(row.read(table[key])) for key in ("low", "value", "high"))
    parameter = Parameter(
        path=path,
        row=row,
        law=table["law"],
        year=_year(path, table["year"]),
        low=low,
        value=value,
        high=high,
        source=_source(path, table, low, high),
        floor=_bound(path, "floor", table),
        ceiling=_bound(path, "ceiling", table),
        trend=_trend(path, table),
        loadings=_loadings(path, table, factors),
    )
    _check_order(path, low, value, high)
    _check_bounds(parameter)
    return parameter


def _check_order(where: str, low: float, value: float, high: float) -> None:
    if low > value:
        raise ValueError(f"{where} has low = {low:g} above value = {value:g}; low is the quantile of 5 %")
    if value > high:
        raise ValueError(f"{where} has value = {value:g} above high = {high:g}; high is the quantile of 95 %")


def _check_bounds(parameter: Parameter) -> None:
    """Quantiles inside of the bounds, bounds that the law has, and a law that stays where the field may be."""
    path, least, most = parameter.path, parameter.least, parameter.most
    if parameter.law == "log-normal" and parameter.ceiling:
        raise ValueError(f"{path} is log-normal, which has no ceiling; it should be logit-normal")
    if parameter.law == "logit-normal" and not parameter.ceiling:
        raise ValueError(f"{path} is logit-normal without a ceiling; a share has the ceiling 1.0")
    if parameter.low <= least:
        name = "its physical floor" if parameter.floor else "the floor of its law"
        raise ValueError(f"{path} has low = {parameter.low:g}, which is not above {name} {least:g}")
    if parameter.high >= most:
        raise ValueError(f"{path} has high = {parameter.high:g}, which is not below its physical ceiling {most:g}")
    bottom, top = (float(end) for end in parameter.row.interval[1:-1].split(","))
    if bottom > 1.0 / _UNBOUNDED and least < bottom:
        raise ValueError(f"{path} may fall below {bottom:g}; it should have a floor of at least that")
    if top < _UNBOUNDED and most > top:
        raise ValueError(f"{path} may exceed {top:g}; it should be logit-normal with a ceiling of at most that")


def _bound(path: str, name: str, table: Mapping[str, Any]) -> Bound | None:
    if name not in table:
        return None
    where = f"{path}.{name}"
    entry = _known_keys(where, _table(where, table[name]), _BOUND_KEYS)
    return Bound(_number(f"{where}.value", entry.get("value")), _source(where, entry))


def _trend(path: str, table: Mapping[str, Any]) -> Trend | None:
    given = [name for name in _TRENDS if name in table]
    if not given:
        return None
    if len(given) > 1:
        raise ValueError(f"{path} has both {' and '.join(given)}; it should have one of them")
    where = f"{path}.{given[0]}"
    entry = _known_keys(where, _table(where, table[given[0]]), _TREND_KEYS)
    value = _number(f"{where}.value", entry.get("value"))
    ends = [name for name in ("low", "high") if name in entry]
    if len(ends) == 1:
        raise ValueError(f"{where} has {ends[0]} alone; it should state low and high or neither")
    low, high = (_number(f"{where}.{name}", entry.get(name, value)) for name in ("low", "high"))
    if low <= 0.0:
        raise ValueError(f"{where} has low = {low:g}; a time is above 0 years")
    _check_order(where, low, value, high)
    return Trend(given[0] == "doubling_time_years", low, value, high, _source(where, entry, low, high))


def _loadings(path: str, table: Mapping[str, Any], factors: Mapping[str, str]) -> dict[str, float]:
    loadings: dict[str, float] = {}
    for name, value in _table(f"{path}.loadings", table.get("loadings", {})).items():
        if name not in factors:
            near = f"; the nearest is {nearest(name, factors)!r}" if factors else "; the file states none"
            raise ValueError(f"{path} loads on an unknown factor {name!r}{near}")
        loadings[name] = _number(f"{path}.loadings.{name}", value)
    squares = sum(value**2 for value in loadings.values())
    if squares > 1.0 + 1e-9:
        raise ValueError(f"{path} has loadings whose squares sum to {squares:.3g}; they should not exceed 1")
    return loadings


def _source(where: str, table: Mapping[str, Any], low: float | None = None, high: float | None = None) -> Source:
    """Source of a table's numbers; a projection states its range."""
    for key in ("kind", "source"):
        if key not in table:
            raise ValueError(f"{where} lacks {key}; every number carries its kind and its source")
    if table["kind"] not in KINDS:
        raise ValueError(f"{where} is of kind {table['kind']!r}; it should be one of {', '.join(KINDS)}")
    texts = {key: _text(f"{where}.{key}", table[key]) for key in ("source", "url", "note", "measured") if key in table}
    return Source(
        title=texts["source"],
        kind=table["kind"],
        url=texts.get("url"),
        note=texts.get("note"),
        low=low,
        high=high,
        measured=texts.get("measured"),
    )


def _year(path: str, value: object) -> float:
    year = _number(f"{path}.year", value)
    if not _OLDEST_BASE <= year <= LAST_YEAR:
        raise ValueError(f"{path} has year = {value!r}; it should be in [{_OLDEST_BASE}, {LAST_YEAR}]")
    return year


def _number(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{where} is {value!r}; it should be a number")
    return float(value)


def _text(where: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where} is {value!r}; it should be a text")
    return " ".join(value.split())


def _table(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {value!r}; it should be a table")
    return value


def _known_keys(where: str, table: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    for key in table:
        if key not in known:
            raise ValueError(f"{where} has an unknown key {key!r}; the nearest is {nearest(key, known)!r}")
    return table
