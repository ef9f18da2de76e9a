"""Engine files: every number of a machine with its source, read, checked, overridden and built. No JAX to read."""

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from photonics.families import DEFAULT, FAMILIES
from photonics.families_schema import Family
from photonics.schema import Row, Value, nearest, shortened

if TYPE_CHECKING:
    from photonics.engine import Engine

# How well a number is known. A projection carries low and high; an assumption stands beside what was measured.
KINDS = ("measured", "vendor", "paper", "projection", "assumption")

_ENGINES = Path(__file__).with_name("engines")
_HEADINGS = ("extends", "family", "shares", "title", "description")
_ENTRY_KEYS = ("value", "kind", "source", "url", "note", "low", "high", "measured")
# Files that may extend one another; a longer chain is a mistake.
_LONGEST_CHAIN = 16


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a number comes from.

    Attributes:
        title: work, part or reasoning that the number stands on.
        kind: one of `KINDS`.
        url: where to read it.
        note: arithmetic, conditions, doubts.
        low, high: range of the value, in the unit of the field.
        measured: what was measured elsewhere, with source.
    """

    title: str
    kind: str
    url: str | None = None
    note: str | None = None
    low: float | None = None
    high: float | None = None
    measured: str | None = None


@dataclasses.dataclass(frozen=True)
class EngineFile:
    """A complete engine as its file states it.

    Attributes:
        name: catalogue name, or the file name without ending.
        family: kind of machine, see `photonics.families`.
        title: one line.
        description: a paragraph, or "".
        values: value by dotted path, in SI units and plain ratios.
        sources: source by dotted path, one for every value.
        path: the file.
    """

    name: str
    family: str
    title: str
    description: str
    values: Mapping[str, Value]
    sources: Mapping[str, Source]
    path: Path

    @property
    def rows(self) -> Mapping[str, Row]:
        """What each value may be, by dotted path."""
        return FAMILIES[self.family].row_of


def engine_names() -> tuple[str, ...]:
    """Names of the engines that ship with the package."""
    return tuple(sorted(file.stem for file in _ENGINES.glob("*.toml")))


def read_engine_file(name_or_path: str | Path) -> EngineFile:
    """Read and check an engine of the catalogue, or a TOML file of the same form.

    A file states its `family` (`photonics.families`; free-space without one), or `extends = "NAME"` (a catalogue name,
    or a path beside the file) and then only what differs. With `shares = "NAME"` values that it does not state come,
    with their sources, from an engine of another family where both have them.
    Each value is a table of its own with `value`, `kind`, `source` and, if wanted, `url`, `note`, `low`, `high`,
    `measured`. Ratios may be spelled in decibels (`Family.decibels`), in one spelling only.

    Raises ValueError for a name that is not in the catalogue and for anything wrong in a file (unknown, missing,
    misspelled or unsourced values, wrong type or range), naming file, key, value and what would be right;
    OSError for a file that cannot be opened.
    """
    try:
        return _read(_locate(str(name_or_path)), ())
    except ValueError as error:
        raise ValueError(shortened(str(error))) from None


def apply_overrides(file: EngineFile, overrides: Iterable[str]) -> EngineFile:
    """The engine with other values, each "PATH=VALUE" as in `--set adc.bits=8`; decibel spellings are understood.

    The source of an overridden value is an assumption called "set on the command line". Raises ValueError for an
    unknown path, a value of the wrong type or range, and combinations that the family's `check` refuses.
    """
    own: dict[str, Value] = {}
    overrides, family = tuple(overrides), FAMILIES[file.family]
    for item in overrides:
        key, separator, text = item.partition("=")
        if not separator:
            raise ValueError(f"--set {shortened(item)} should be PATH=VALUE, for example adc.bits=8")
        try:
            path, value = _parsed(family, key.strip(), text)
        except ValueError as error:
            raise ValueError(shortened(f"--set {item}: {error}")) from None
        own[path] = value
    if not own:
        return file
    source = Source("set on the command line", "assumption")
    sources = {**file.sources, **dict.fromkeys(own, source)}
    where = shortened("--set " + " ".join(overrides))
    values = _complete(family, where, {**file.values, **own}, own)
    return dataclasses.replace(file, values=values, sources={path: sources[path] for path in values})


def load_engine(name_or_path: str | Path, overrides: Iterable[str] = ()) -> "Engine":
    """An engine by catalogue name or file; `overrides` as in `apply_overrides`, errors as in `read_engine_file`."""
    return build_engine(apply_overrides(read_engine_file(name_or_path), tuple(overrides)))


def build_engine(file: EngineFile) -> "Engine":
    """The engine of a checked file: one dataclass per stage, physical values as Python floats."""
    return FAMILIES[file.family].build(file.name, file.values)


def _locate(text: str) -> Path:
    names = engine_names()
    if text in names:
        return _ENGINES / f"{text}.toml"
    if text.endswith(".toml"):
        return Path(text)
    raise ValueError(
        f"unknown engine {text!r}; the nearest is {nearest(text, names)!r} "
        f"(the catalogue has {', '.join(names)}; a file of your own ends in .toml)"
    )


def _read(path: Path, seen: tuple[Path, ...]) -> EngineFile:
    if path.resolve() in seen:
        raise ValueError(f"{path} extends itself, by way of {', '.join(file.name for file in seen)}")
    if len(seen) >= _LONGEST_CHAIN:
        raise ValueError(f"{path} is the last of more than {_LONGEST_CHAIN} files, each of which extends the next")
    document = _document(path)
    try:
        headings = _take_headings(document)
        parent = _parent(path, headings.get("extends"), (*seen, path.resolve()))
        family = _family(headings.get("family"), parent)
        lent = _lent(family, parent, _parent(path, headings.get("shares"), (*seen, path.resolve())))
        own_values, own_sources = _own(family, document)
        if parent is None and "title" not in headings:
            raise ValueError("it lacks a title")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    values = _complete(family, str(path), {**lent.values, **own_values}, own_values)
    sources = {**lent.sources, **own_sources}
    return EngineFile(
        name=path.stem,
        family=family.name,
        title=headings.get("title", parent.title if parent else ""),
        description=" ".join(headings.get("description", "").split()),
        values=values,
        sources={key: sources[key] for key in values},
        path=path,
    )


def _document(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        try:
            return tomllib.load(file)
        except RecursionError:
            raise ValueError(f"{path} is not an engine file: it holds tables or lists too deep to be read") from None
        except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
            raise ValueError(f"{path} is not a TOML file: {error}") from None


def _take_headings(document: dict[str, Any]) -> dict[str, str]:
    headings = {key: document.pop(key) for key in _HEADINGS if key in document}
    for key, value in headings.items():
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"{key} is {value!r}; it should be a text")
    return headings


def _parent(path: Path, extends: str | None, seen: tuple[Path, ...]) -> EngineFile | None:
    if extends is None:
        return None
    if extends in engine_names():
        return _read(_locate(extends), seen)
    try:
        return _read(path.parent / _locate(extends), seen)
    except OSError as error:
        raise ValueError(f"extends = {extends!r}, which cannot be read ({error.strerror})") from None


def _family(name: str | None, parent: EngineFile | None) -> Family:
    name = name or (parent.family if parent else DEFAULT)
    if name not in FAMILIES:
        raise ValueError(
            f"family = {name!r}; the nearest is {nearest(name, FAMILIES)!r} (there are {', '.join(FAMILIES)})"
        )
    if parent and parent.family != name:
        raise ValueError(f"family = {name!r}, but it extends {parent.name}, which is of family {parent.family}")
    return FAMILIES[name]


def _lent(family: Family, parent: EngineFile | None, shared: EngineFile | None) -> "_Lent":
    """What a file need not state: everything of its parent, and of the engine it shares parts with what both have."""
    values: dict[str, Value] = {}
    sources: dict[str, Source] = {}
    for file in (shared, parent):
        if file is not None:
            values |= {path: value for path, value in file.values.items() if path in family.row_of}
            sources |= {path: source for path, source in file.sources.items() if path in family.row_of}
    return _Lent(values, sources)


class _Lent(NamedTuple):
    values: dict[str, Value]
    sources: dict[str, Source]


def _own(family: Family, document: Mapping[str, Any]) -> tuple[dict[str, Value], dict[str, Source]]:
    values: dict[str, Value] = {}
    sources: dict[str, Source] = {}
    spelling: dict[str, str] = {}
    for key, entry in _entries(family, document):
        path, value, source = _entry(family, key, entry)
        if path in values:
            raise ValueError(f"{spelling[path]} and {key} state the same value; keep one of them")
        values[path], sources[path], spelling[path] = value, source, key
    return values, sources


def _entries(family: Family, document: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    first = {path.partition(".")[0]: path for path in reversed(tuple(family.row_of))}
    for group, fields in document.items():
        if isinstance(fields, dict) and fields:
            for field, entry in fields.items():
                yield f"{group}.{field}", entry
        elif group in first:
            raise ValueError(f"{group} is {fields!r}; it should hold tables such as [{first[group]}]")
        else:
            raise ValueError(f"unknown key {group!r}; the nearest is {nearest(group, (*_HEADINGS, *first))!r}")


def _entry(family: Family, key: str, entry: object) -> tuple[str, Value, Source]:
    """Path, value and source of one table of a file."""
    _known(family, key)
    if not isinstance(entry, dict):
        raise ValueError(f"{key} is {entry!r}; it should be a table with value, kind and source")
    for name in entry:
        if name not in _ENTRY_KEYS:
            raise ValueError(f"{key} has an unknown key {name!r}; the nearest is {nearest(name, _ENTRY_KEYS)!r}")
    lacking = [name for name in ("value", "kind", "source") if name not in entry]
    if lacking:
        raise ValueError(f"{key} lacks {' and '.join(lacking)}; every number carries its kind and its source")
    if entry["kind"] not in KINDS:
        raise ValueError(f"{key} is of kind {entry['kind']!r}; it should be one of {', '.join(KINDS)}")
    for name in ("source", "url", "note", "measured"):
        if name in entry and (not isinstance(entry[name], str) or not entry[name].strip()):
            raise ValueError(f"{key} has {name} = {entry[name]!r}; it should be a text")
    path, value = _canonical(family, key, entry["value"])
    low, high = _range(family, key, value, entry)
    source = Source(
        title=entry["source"],
        kind=entry["kind"],
        url=entry.get("url"),
        note=entry.get("note"),
        low=low,
        high=high,
        measured=entry.get("measured"),
    )
    return path, value, source


def _range(family: Family, key: str, value: Value, entry: Mapping[str, Any]) -> tuple[float | None, float | None]:
    given = [name for name in ("low", "high") if name in entry]
    if entry["kind"] == "projection" and len(given) < 2:
        raise ValueError(f"{key} is a projection without low and high; it should state both")
    if not given:
        return None, None
    ends: list[float] = []
    for name in ("low", "high"):
        if name not in given:
            raise ValueError(f"{key} has {given[0]} without {name}; it should state both or neither")
        _, end = _canonical(family, key, entry[name])
        if isinstance(end, bool | str):
            raise ValueError(f"{key} has {name} = {entry[name]!r}; only numbers have a range")
        ends.append(end)
    # A loss in decibels falls as its ratio grows, so the ends may change places.
    low, high = min(ends), max(ends)
    if not low <= float(value) <= high:
        raise ValueError(
            f"{key} is {entry['value']!r}, outside its low = {entry['low']!r} and high = {entry['high']!r}"
        )
    return low, high


def _known(family: Family, key: str) -> None:
    if key not in family.spellings:
        raise ValueError(f"unknown key {key!r}; the nearest is {nearest(key, family.spellings)!r}")


def _canonical(family: Family, key: str, value: object) -> tuple[str, Value]:
    """Path and value as a plain ratio where `key` is spelled in decibels, unchanged elsewhere; checked."""
    rows = family.row_of
    if key in rows:
        return key, rows[key].read(value)
    decibel = family.decibels[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} is {value!r}; it should be a number in {decibel.unit}")
    row = rows[decibel.path]
    try:
        return decibel.path, row.read(decibel.ratio(value))
    except (ValueError, OverflowError):
        raise ValueError(f"{key} is {value!r} {decibel.unit}; as a ratio it should be {row.describe()}") from None


def _parsed(family: Family, key: str, text: str) -> tuple[str, Value]:
    _known(family, key)
    if key in family.row_of:
        return key, family.row_of[key].parse(text)
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{key} is {text!r}; it should be a number in {family.decibels[key].unit}") from None
    return _canonical(family, key, number)


def _complete(family: Family, where: str, values: Mapping[str, Value], own: Mapping[str, Value]) -> dict[str, Value]:
    """All values an engine needs in the order of the light, checked together; `own` are those not inherited."""
    try:
        needed = family.needed(values)
        missing = [path for path in needed if path not in values]
        for path in own:
            # Without its kind nobody can say what belongs to a receiver.
            if path not in needed and not any(lacking.endswith(".kind") for lacking in missing):
                raise ValueError(f"{path} does not belong to {family.chosen(values)}")
        if missing:
            raise ValueError(f"missing {', '.join(missing)}")
        complete = {path: values[path] for path in needed}
        family.check(complete)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return complete
