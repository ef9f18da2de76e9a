"""No number that ships is without a source and a kind, whatever file it stands in."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path
    for package in ("photonics", "models", "calibration", "experiments")
    for path in (ROOT / package).rglob("*.toml")
)
KINDS = {"measured", "vendor", "paper", "projection", "assumption"}
PUBLISHED_KINDS = {"measured", "vendor", "derived", "simulated"}
LONE_WORDS = {"low", "high"}


def complaints(table: dict[str, Any], where: str = "") -> Iterator[str]:
    """What is wrong with the numbers of a table: each must be a `value` beside its source and kind.

    A published result, in a list of such tables, is `published` beside them, with kinds of its own.
    """
    if "published" in table:
        if not str(table.get("source", "")).strip():
            yield f"{where} has no source"
        if table.get("kind") not in PUBLISHED_KINDS:
            yield f"{where} has kind {table.get('kind')!r}"
        return
    if "value" in table:
        if not str(table.get("source", "")).strip():
            yield f"{where} has no source"
        if table.get("kind") not in KINDS:
            yield f"{where} has kind {table.get('kind')!r}"
        missing = LONE_WORDS - set(table)
        if table.get("kind") == "projection" and missing:
            yield f"{where} is a projection without {', '.join(sorted(missing))}"
        if len(missing) == 1:
            yield f"{where} has one end of a range"
        if not missing and not table["low"] <= table["value"] <= table["high"]:
            yield f"{where} lies outside of its range"
        return
    for key, value in table.items():
        path = f"{where}.{key}".lstrip(".")
        if isinstance(value, dict):
            yield from complaints(value, path)
        elif isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            for one in value:
                yield from complaints(one, f"{path}.{one.get('id', '')}")
        elif not isinstance(value, str):
            yield f"{path} is {value!r} without a source"


def test_all_files_are_looked_at():
    names = {path.relative_to(ROOT).as_posix() for path in FILES}
    engines = {f"photonics/engines/{name}.toml" for name in ("free-space-1024", "free-space-2048", "ideal")}
    assert names >= engines | {"experiments/digital_machines.toml"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_number_has_a_source(path):
    document = tomllib.loads(path.read_text("utf-8"))
    assert any(isinstance(value, dict | list) for value in document.values())
    assert list(complaints(document)) == []


GOOD = 'value = 2\nsource = "a paper"\nkind = "paper"\n'


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("bits = 8", "bits is 8 without a source"),
        ("[adc]\nbits = 8.0", "adc.bits is 8.0 without a source"),
        ("[adc]\nbits = [8, 9]", "adc.bits is [8, 9] without a source"),
        ('[adc.bits]\nvalue = 2\nkind = "paper"', "adc.bits has no source"),
        ('[adc.bits]\nvalue = 2\nsource = " "\nkind = "paper"', "adc.bits has no source"),
        ('[adc.bits]\nvalue = 2\nsource = "a paper"', "adc.bits has kind None"),
        (f"[adc.bits]\n{GOOD.replace('paper', 'guess')}", "adc.bits has kind 'guess'"),
        (f"[adc.bits]\n{GOOD}low = 1", "adc.bits has one end of a range"),
        (f"[adc.bits]\n{GOOD}low = 3\nhigh = 4", "adc.bits lies outside of its range"),
        ('[[case]]\nid = "O1"\npublished = 1\nkind = "derived"', "case.O1 has no source"),
        ('[[case]]\nid = "O1"\npublished = 1\nsource = "a paper"\nkind = "guess"', "case.O1 has kind 'guess'"),
        ('[[case]]\nid = "O1"\nsimulated = 1', "case.O1.simulated is 1 without a source"),
        (f"[a.b]\n{GOOD.replace('paper', 'projection')}", "a.b is a projection without high, low"),
    ],
)
def test_a_number_without_one_is_seen(text, complaint):
    assert list(complaints(tomllib.loads(text))) == [complaint]
    assert list(complaints(tomllib.loads(f'title = "x"\n[adc.bits]\n{GOOD}low = 1\nhigh = 4'))) == []
