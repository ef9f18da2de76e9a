"""Engine files and overrides that are wrong in ways nobody thought of: read, or refused in one line."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonics.catalogue import apply_overrides, build_engine, engine_names, load_engine, read_engine_file
from photonics.schema import DECIBELS, ROWS
from tests.corruption import (
    brackets,
    damaged_bytes,
    damaged_document,
    damaged_lines,
    fuzzed,
    refused,
    texts,
    toml_document,
    toml_of,
    values,
)

CATALOGUE = Path(read_engine_file("ideal").path).parent
FULL = (CATALOGUE / "free-space-1024.toml").read_text("utf-8")
OWN = """extends = "free-space-1024"
title = "Mine"

[adc.bits]
value = 9
kind = "vendor"
source = "a data sheet"
low = 8
high = 10

[panel.insertion_loss_db]
value = 1.0
kind = "assumption"
source = "a guess"

[receiver.noise_factor]
value = 2.0
kind = "measured"
source = "a bench"
"""


def engine_texts() -> st.SearchStrategy[bytes]:
    """Contents of engine files: damaged in bytes, in lines, or in what a key holds."""
    own = damaged_document(tomllib.loads(OWN)).map(toml_document)
    return st.one_of(
        damaged_bytes(FULL.encode()),
        damaged_bytes(OWN.encode()),
        damaged_lines(FULL).map(str.encode),
        damaged_lines(OWN).map(str.encode),
        own.map(lambda text: text.encode("utf-8", "replace")),
    )


def overrides() -> st.SearchStrategy[str]:
    """PATH=VALUE for `--set`, some with paths that exist."""
    path = st.one_of(st.sampled_from([*ROWS, *DECIBELS]), texts)
    numbers = st.sampled_from(
        ["1e400", "-1e400", "nan", "1_0", "0x8", "8.0", "8", "9" * 5000, "1e-330", " 8 ", "+8", "８"]
    )
    value = st.one_of(numbers, values.map(toml_of), texts, st.floats().map(str), st.integers().map(str))
    return st.one_of(texts, st.builds(lambda left, right: f"{left}={right}", path, value))


def check_file(folder: Path, content: bytes) -> str | None:
    file = folder / "engine.toml"
    file.write_bytes(content)
    return refused(lambda: build_engine(read_engine_file(file)))


def check_overrides(items: list[str]) -> str | None:
    file = read_engine_file("free-space-1024")
    return refused(lambda: build_engine(apply_overrides(file, items)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engines")


@fuzzed(150)
@given(content=engine_texts())
def test_damaged_files(folder, content):
    check_file(folder, content)


@fuzzed(150)
@given(items=st.lists(overrides(), min_size=1, max_size=3))
def test_damaged_overrides(items):
    check_overrides(items)


@pytest.mark.slow
@fuzzed(1200)
@given(content=engine_texts())
def test_damaged_files_at_length(folder, content):
    check_file(folder, content)


@pytest.mark.slow
@fuzzed(600)
@given(items=st.lists(overrides(), min_size=1, max_size=3))
def test_damaged_overrides_at_length(items):
    check_overrides(items)


def test_the_undamaged_are_read(folder):
    assert check_file(folder, OWN.encode()) is None
    assert check_file(folder, FULL.encode()) is None
    document = toml_document(tomllib.loads(OWN))
    assert tomllib.loads(document) == tomllib.loads(OWN)


CURSED: dict[str, Any] = {
    "deep array": "x = " + brackets(20_000),
    "deep array under a value": "[adc.bits]\nvalue = " + brackets(300),
    "deep tables": "[" + "a." * 5000 + "b]\n",
    "long decimal": "[adc]\nbits = " + "9" * 5000,
    "long hexadecimal": "[adc]\nbits = 0x" + "f" * 20_000,
    "long hexadecimal value": '[adc.bits]\nkind = "vendor"\nsource = "s"\nvalue = 0x' + "f" * 20_000,
    "long key": "k" * 100_000 + " = 1",
    "long text": f'[adc.bits]\nkind = "{"k" * 100_000}"\nsource = "s"\nvalue = 8',
    "key with a line break": '"adc\\nbits" = 1',
    "field with a line break": '[adc]\n"bi\\nts" = 1',
    "entry with a line break": '[adc.bits]\n"val\\nue" = 1',
    "parent with a null": 'extends = "\\u0000.toml"',
    "parent with a long name": f'extends = "{"n" * 5000}.toml"',
    "parent is itself": 'extends = "engine.toml"',
    "parent is a folder": 'extends = "../engine.toml/.toml"',
    "not UTF-8": b"title = '\xff\xfe'",
    "UTF-16": "title = 'x'".encode("utf-16"),
    "null bytes": b"\x00" * 1000,
    "nothing": b"",
}


@pytest.mark.parametrize("name", CURSED)
def test_cursed_files_are_refused(folder, name):
    content = CURSED[name]
    message = check_file(folder, content if isinstance(content, bytes) else content.encode())
    assert message is not None and "engine.toml" in message


def test_a_chain_of_parents_has_an_end(tmp_path):
    for number in range(2000):
        (tmp_path / f"{number}.toml").write_text(f'extends = "{number + 1}.toml"\n')
    message = refused(lambda: read_engine_file(tmp_path / "0.toml"))
    assert message is not None and "extends" in message


@pytest.mark.parametrize(
    "name", ["", ".", "/", "\x00", "\x00.toml", "a" * 5000, "a" * 300 + ".toml", "é", ".toml", "~"]
)
def test_names_of_no_engine(name):
    assert name not in engine_names()
    assert refused(lambda: load_engine(name)) is not None
