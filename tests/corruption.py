"""Corrupted files for fuzzing: strategies that damage what is valid, and the contract that every reader must keep.

The contract: a reader accepts, or refuses with ValueError or OSError whose message is one short line; it takes less
than two seconds of computing and never holds much more than the file. A command answers 0 or 2, and 2 with one line.
"""

import contextlib
import io
import json
import math
import re
import resource
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from experiments.cli import main

MOST_SECONDS = 2.0
MOST_GROWTH_BYTE = 256 << 20
"""A reader may not take more; the largest valid file of these tests holds half a megabyte."""
MOST_CHARACTERS = 6000
"""Of one message. A list of all values that an engine lacks is long."""


def fuzzed(examples: int) -> settings:
    """Settings of a fuzz test: this many corruptions, the same at every run, shared fixtures only read from."""
    # Shrinking repeats slow examples; the first failure is plain enough.
    phases = (Phase.explicit, Phase.generate)
    slack = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
    return settings(max_examples=examples, phases=phases, suppress_health_check=slack)


# The contract --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """What runs inside keeps to the bounds of time and memory."""
    held_byte, start_s = _peak_byte(), time.process_time()
    yield
    assert time.process_time() - start_s < MOST_SECONDS
    assert _peak_byte() - held_byte < MOST_GROWTH_BYTE


def refused(read: Callable[[], Any]) -> str | None:
    """The message with which `read()` refuses, checked against the contract; None where it accepts."""
    with bounded():
        try:
            read()
        except (ValueError, OSError) as error:
            message = str(error)
        else:
            return None
    check_line(message)
    return message


def answered(*argv: str) -> tuple[int, str]:
    """Exit status and standard output of a command, checked against the contract."""
    out, err = io.StringIO(), io.StringIO()
    with bounded(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv)
    said = err.getvalue()
    assert status in (0, 2), said
    if status == 2:
        assert out.getvalue() == ""
        assert said.startswith("exalight: ") and said.endswith("\n")
        check_line(said[:-1])
    return status, out.getvalue()


def check_line(message: str) -> None:
    """A message is one short line that a terminal can show."""
    assert message.strip()
    assert len(message.splitlines()) == 1
    assert len(message) < MOST_CHARACTERS
    assert "Traceback" not in message


def _peak_byte() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# Values that no writer of files would think of ------------------------------------------------------------------------

HOSTILE_INTEGERS = (0, 1, -1, 2, 7, 127, 255, 4096, 10**6, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 10**30)
HOSTILE_FLOATS = (0.0, -0.0, 1e-320, 1e-30, 0.5, 1.0, 1e30, 1e308, -1e308, math.inf, -math.inf, math.nan)
HOSTILE_TEXTS = (
    "",
    " ",
    "\n",
    "\x00",
    "\u202eabc",
    "é" * 300,
    "a\nb\rc",
    "[",
    "0x10",
    "１２",
    "null",
    "../..",
    "/",
    "\u2028",
)

integers = st.one_of(st.sampled_from(HOSTILE_INTEGERS), st.integers(), st.just(10**400))
floats = st.one_of(st.sampled_from(HOSTILE_FLOATS), st.floats())
texts = st.one_of(st.sampled_from(HOSTILE_TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
scalars = st.one_of(st.none(), st.booleans(), integers, floats, texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
"""Any JSON value, None included."""


def nested(value: Any, depth: int) -> Any:
    """Lists in lists."""
    for _ in range(depth):
        value = [value]
    return value


def brackets(depth: int) -> str:
    """An empty list in lists, in JSON and in TOML."""
    return "[" * depth + "]" * depth


# Bytes ----------------------------------------------------------------------------------------------------------------

_WORDS = tuple(struct.pack("<Q", word) for word in (0, 1, 8, 2**16, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1))


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes, reach: int | None = None) -> bytes:
    """`content` after one to four accidents in its first `reach` bytes: flips, cuts, insertions, repeats, words."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        end = max(min(len(data), reach or len(data)), 1)
        at = draw(st.integers(0, end - 1))
        span = draw(st.integers(1, 64))
        accident = draw(st.sampled_from(("flip", "flip", "cut", "insert", "remove", "repeat", "word", "fill")))
        if accident == "flip" and at < len(data):
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif accident == "cut":
            del data[at:]
        elif accident == "insert":
            data[at:at] = draw(st.binary(max_size=16))
        elif accident == "remove":
            del data[at : at + span]
        elif accident == "repeat":
            data[at:at] = data[at : at + span]
        elif accident == "word":
            data[at : at + 8] = draw(st.sampled_from(_WORDS))
        elif accident == "fill":
            data[at : at + span] = bytes([draw(st.integers(0, 255))]) * len(data[at : at + span])
    return bytes(data)


@st.composite
def damaged_lines(draw: st.DrawFn, text: str) -> str:
    """`text` after one to four accidents with whole lines, and with what stands behind an equals sign."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1)) if lines else 0
        accident = draw(st.sampled_from(("drop", "repeat", "move", "value", "value", "value", "key", "junk")))
        line = lines.pop(at) if lines else ""
        if accident == "repeat":
            lines[at:at] = [line, line]
        elif accident == "move":
            lines.insert(draw(st.integers(0, len(lines))), line)
        elif accident == "value":
            lines.insert(at, line.partition("=")[0] + "= " + toml_of(draw(values)))
        elif accident == "key":
            lines.insert(at, draw(texts) + line)
        elif accident == "junk":
            lines.insert(at, draw(st.text(max_size=20)))
    return "\n".join(lines).encode("utf-8", "replace").decode() + "\n"


# Documents ------------------------------------------------------------------------------------------------------------


@st.composite
def damaged_document(draw: st.DrawFn, document: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping of JSON values after one to three accidents: keys lost, renamed, added; any value anywhere."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_tables(copy))
        if not places:
            break
        table = draw(st.sampled_from(places))
        key = draw(st.sampled_from(sorted(table)))
        accident = draw(st.sampled_from(("value", "value", "value", "lose", "rename", "add", "nest")))
        if accident == "value":
            table[key] = draw(values)
        elif accident == "lose":
            del table[key]
        elif accident == "rename":
            table[draw(texts)] = table.pop(key)
        elif accident == "add":
            table[draw(texts)] = draw(values)
        elif accident == "nest":
            table[key] = nested(table[key], draw(st.integers(1, 40)))
    return copy


def _tables(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a document that is not empty."""
    if isinstance(value, dict) and value:
        yield value
        for inner in value.values():
            yield from _tables(inner)


def json_of(document: Any) -> str:
    """JSON with NaN, infinities and integers of any length, as lenient writers put them."""
    return json.dumps(document)


def toml_of(value: Any) -> str:
    """A value as TOML writes it; None, which TOML lacks, as a date."""
    if value is None:
        return "1979-05-27T07:32:00Z"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else f"{value:.17g}"
    if isinstance(value, str):
        return json.dumps(value).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{toml_of(str(key))} = {toml_of(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(toml_of(inner) for inner in value) + "]"
    return str(value)


def toml_document(document: Mapping[str, Any]) -> str:
    """A TOML file with one line for each key of the outermost table."""
    return "".join(f"{_key(key)} = {toml_of(value)}\n" for key, value in document.items())


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_of(name)
