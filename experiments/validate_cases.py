"""Cases of `exalight validate` from a TOML file: read, checked against quantities and engines, chosen. No JAX."""

import hashlib
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.errors import RequestError
from experiments.validate_case import CONFIDENCE, KINDS, Case, Tolerance
from experiments.validate_quantities import QUANTITIES
from experiments.validate_quantity import Quantity, by_name
from photonics.schema import nearest, shortened

SHIPPED = Path(__file__).with_name("validation_cases.toml")
"""The cases that come with the package."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
_NEEDED = ("id", "quantity", "published", "tolerance", "unit", "source", "kind")
_TEXTS = ("title", "group", "engine", "over", "confidence", "url", "equation", "note", "why", "by_construction")
_KEYS = (*_NEEDED, *_TEXTS, "overrides", "operating_point", "arguments", "slow")
_TOLERANCES = ("relative", "absolute", "factor")
_BOUNDS = ("at least", "at most")


def read_cases(path: Path) -> tuple[tuple[Case, ...], str]:
    """All cases of a file, in its order, and the SHA-256 of the file.

    RequestError for a file that cannot be read and for anything wrong in it, naming file, case, key and what exists.
    """
    try:
        content = path.read_bytes()
        document = tomllib.loads(content.decode())
    except OSError as error:
        raise RequestError(f"--cases {path} cannot be read ({error.strerror})") from error
    except RecursionError:
        raise RequestError(f"--cases {path} holds tables or lists too deep to be read") from None
    except ValueError as error:
        raise RequestError(shortened(f"--cases {path} is not a TOML file: {error}")) from error
    unknown = [key for key in document if key != "case"]
    if unknown:
        raise RequestError(f"--cases {path} has an unknown key {unknown[0]!r}; cases are tables [[case]]")
    tables = document.get("case", [])
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise RequestError(f"--cases {path} holds no cases; each is a table [[case]] with {', '.join(_NEEDED)}")
    cases = []
    for number, table in enumerate(tables, 1):
        name = table.get("id") if isinstance(table.get("id"), str) else f"number {number}"
        try:
            cases.append(_case(table))
        except ValueError as error:
            raise RequestError(shortened(f"{path}, case {name}: {error}")) from None
        if [case.id for case in cases].count(cases[-1].id) > 1:
            raise RequestError(f"{path} has two cases called {cases[-1].id}; give each an id of its own")
    return tuple(cases), hashlib.sha256(content).hexdigest()


def chosen_cases(cases: Sequence[Case], pattern: str) -> tuple[Case, ...]:
    """Cases whose id, quantity or engine a regular expression finds; RequestError where there is none."""
    found = tuple(
        case for case in cases if any(re.search(pattern, text) for text in (case.id, case.quantity, case.engine or ""))
    )
    if not found:
        raise RequestError(
            f"--only {pattern!r} finds no case by id, quantity or engine (ids: {', '.join(case.id for case in cases)})"
        )
    return found


def _case(table: Mapping[str, Any]) -> Case:
    _check_keys(table)
    quantity = by_name(table["quantity"], QUANTITIES)
    if table["unit"] != quantity.unit:
        raise ValueError(f"unit is {table['unit']!r}; {quantity.name} is given in {quantity.unit!r}")
    _one_of("kind", table["kind"], KINDS)
    confidence = table.get("confidence", "read")
    _one_of("confidence", confidence, CONFIDENCE)
    over, at, published = _published(table)
    case = Case(
        id=table["id"],
        title=table.get("title", ""),
        group=table.get("group", ""),
        engine=_engine(table, quantity),
        overrides=dict(_flat("overrides", table.get("overrides", {}))),
        operating_point=dict(_flat("operating_point", table.get("operating_point", {}))),
        quantity=quantity.name,
        arguments=_arguments(table),
        over=over,
        at=at,
        published=published,
        tolerance=_tolerance(table["tolerance"]),
        unit=quantity.unit,
        source=table["source"],
        kind=table["kind"],
        confidence=confidence,
        url=table.get("url"),
        equation=table.get("equation", ""),
        note=_paragraph(table.get("note", "")),
        why=_paragraph(table.get("why", "")),
        by_construction=_paragraph(table.get("by_construction", "")),
        slow=table.get("slow", False),
    )
    if over is not None and "." not in over and over in case.arguments:
        raise ValueError(f"{over} is what the curve goes over, and is an argument, too; leave one of them out")
    for place in at or (None,):
        quantity.filled(case.arguments_at(place))
    return case


def _check_keys(table: Mapping[str, Any]) -> None:
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"unknown key {key!r}; the nearest is {nearest(key, _KEYS)!r} (keys: {', '.join(_KEYS)})")
    lacking = [key for key in _NEEDED if key not in table]
    if lacking:
        raise ValueError(f"it lacks {' and '.join(lacking)}")
    for key in ("id", "quantity", "unit", "source", "kind", *_TEXTS):
        if key in table and (not isinstance(table[key], str) or not table[key].strip()):
            raise ValueError(f"{key} is {table[key]!r}; it should be a text")
    if not _ID.fullmatch(table["id"]):
        raise ValueError(f"id is {table['id']!r}; it should be letters, digits, points, dashes and underscores")
    if not isinstance(table.get("slow", False), bool):
        raise ValueError(f"slow is {table['slow']!r}; it should be true or false")


def _one_of(key: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ValueError(f"{key} is {value!r}; it should be one of {', '.join(known)}")


def _engine(table: Mapping[str, Any], quantity: Quantity) -> str | None:
    if quantity.family != "":
        if "engine" not in table:
            raise ValueError(f"it lacks engine, of which {quantity.name} is asked")
        return table["engine"]
    for key in ("engine", "overrides", "operating_point"):
        if key in table:
            raise ValueError(f"{quantity.name} is asked of no engine; leave {key} out")
    return None


def _arguments(table: Mapping[str, Any]) -> dict[str, Any]:
    found = table.get("arguments", {})
    if not isinstance(found, dict):
        raise ValueError(f"arguments is {found!r}; it should be a table")
    return dict(found)


def _flat(key: str, value: object, path: str = "") -> Iterable[tuple[str, Any]]:
    """Values of nested tables by dotted path, {adc.bits = 8} and {"adc.bits" = 8}; or a list as of --set."""
    if isinstance(value, list) and all(isinstance(item, str) and "=" in item for item in value) and not path:
        yield from ((name.strip(), text.strip()) for name, _, text in (item.partition("=") for item in value))
        return
    if not isinstance(value, dict):
        raise ValueError(f"{key} is {value!r}; it should be a table of values by path, such as {{adc.bits = 8}}")
    for name, item in value.items():
        if isinstance(item, dict):
            yield from _flat(key, item, f"{path}{name}.")
        elif isinstance(item, bool | int | float | str):
            yield f"{path}{name}", item
        else:
            raise ValueError(f"{key} has {path}{name} = {item!r}; it should be a number, a switch or a word")


def _published(table: Mapping[str, Any]) -> tuple[str | None, tuple[Any, ...], tuple[float, ...]]:
    """What a curve goes over, its places, and the published values."""
    value, over = table["published"], table.get("over")
    if _is_number(value):
        if over is not None:
            raise ValueError(f"over is {over!r}, but published is one value; a curve is a list of [place, value]")
        return None, (), (float(value),)
    pairs = isinstance(value, list) and all(isinstance(one, list) and len(one) == 2 for one in value)
    if not (pairs and value and all(_is_number(one[1]) for one in value)):
        raise ValueError(f"published is {value!r}; it should be a number, or a curve: a list of [place, value]")
    if over is None:
        raise ValueError("published is a curve; over should name the argument or engine field that it goes over")
    return over, tuple(one[0] for one in value), tuple(float(one[1]) for one in value)


def _tolerance(value: object) -> Tolerance:
    hint = "a number, which is relative, or a table with one of relative, absolute and factor"
    if _is_number(value):
        return _tolerance({"relative": value})
    if not isinstance(value, dict):
        raise ValueError(f"tolerance is {value!r}; it should be {hint}")
    kinds = [key for key in value if key in _TOLERANCES]
    unknown = [key for key in value if key not in (*_TOLERANCES, "bound")]
    if unknown or len(kinds) != 1:
        raise ValueError(f"tolerance is {value!r}; it should be {hint}")
    size, bound = value[kinds[0]], value.get("bound")
    if not _is_number(size) or size < (1 if kinds[0] == "factor" else 0):
        raise ValueError(
            f"tolerance has {kinds[0]} = {size!r}; it should be {'1' if kinds[0] == 'factor' else '0'} or more"
        )
    if bound not in (None, *_BOUNDS):
        raise ValueError(f"tolerance has bound = {bound!r}; it should be one of {', '.join(_BOUNDS)}")
    return Tolerance(kinds[0], float(size), bound)  # pyright: ignore[reportArgumentType]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # A whole number may have thousands of digits.
    return abs(value) < sys.float_info.max


def _paragraph(text: str) -> str:
    return " ".join(text.split())
