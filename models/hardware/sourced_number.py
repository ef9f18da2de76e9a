"""One published number with where it stands, and tables of them in TOML files: read whole, or refused with the key.

tdp_w = { value = 700.0, kind = "vendor", source = "data sheet" }            note, url, low and high if there are any
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from photonics.catalogue import KINDS
from photonics.schema import nearest

_NUMBER_KEYS = ("value", "kind", "source", "note", "url", "low", "high")


@dataclasses.dataclass(frozen=True)
class Number:
    """One published number in SI units.

    Attributes:
        value: the number.
        kind: measured, vendor, paper, projection or assumption.
        source: where it stands.
        note: arithmetic, conditions, doubts; "" for none.
        url: where to read it, "" for none.
        low, high: its range, None where none is stated.
    """

    value: float
    kind: str
    source: str
    note: str = ""
    url: str = ""
    low: float | None = None
    high: float | None = None


def check_keys(where: str, table: object, needed: tuple[str, ...], allowed: tuple[str, ...] = ()) -> None:
    """Refuse what is no table, a key that is neither needed nor allowed, and a table without what it needs."""
    if not isinstance(table, dict):
        raise ValueError(f"{where} is {table!r}; it should be a table")
    for key in table:
        if key not in (*needed, *allowed):
            path = f"{where}.{key}".lstrip(".")
            raise ValueError(f"unknown key {path!r}; the nearest is {nearest(key, (*needed, *allowed))!r}")
    missing = [key for key in needed if key not in table]
    if missing:
        raise ValueError(f"{where or 'the file'} lacks {', '.join(missing)}")


def text(table: Mapping[str, Any], where: str, key: str) -> str:
    """The text under a key; ValueError where it is none, or empty."""
    if not isinstance(table[key], str) or not table[key].strip():
        raise ValueError(f"{where}.{key} is {table[key]!r}; it should be a text")
    return table[key]


def number(table: Mapping[str, Any], group: str, key: str) -> Number:
    """The number under a key; ValueError without source or kind, or with a value outside of its own range."""
    where = f"{group}.{key}".lstrip(".")
    entry = table[key]
    check_keys(where, entry, ("value", "kind", "source"), _NUMBER_KEYS)
    if entry["kind"] not in KINDS:
        raise ValueError(f"{where} is of kind {entry['kind']!r}; it should be one of {', '.join(KINDS)}")
    texts = {name: text(entry, where, name) for name in ("source", "note", "url") if name in entry}
    values = {name: _positive(entry, where, name) for name in ("value", "low", "high") if name in entry}
    if len({"low", "high"} & set(values)) == 1 or (entry["kind"] == "projection" and len(values) < 3):
        raise ValueError(f"{where} should state both low and high")
    if len(values) == 3 and not values["low"] <= values["value"] <= values["high"]:
        raise ValueError(
            f"{where} is {values['value']!r}, outside its low = {values['low']!r} and high = {values['high']!r}"
        )
    return Number(
        value=values["value"],
        kind=entry["kind"],
        source=texts["source"],
        note=texts.get("note", ""),
        url=texts.get("url", ""),
        low=values.get("low"),
        high=values.get("high"),
    )


def _positive(entry: Mapping[str, Any], where: str, name: str) -> float:
    value = entry[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError(f"{where} has {name} = {value!r}; it should be a positive number")
    return float(value)
