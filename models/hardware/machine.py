"""Conventional machines by name: compute, memory tiers, link and rated power, each number with its source.

One machine is one file in `machines/`. A value that nobody publishes is absent there, and asking for it is an error
that names it: nothing is guessed. Memory tiers, nearest first:

    sram   on the die                hbm   stacked or soldered beside it (HBM, GDDR)            ddr   DIMMs, LPDDR

No JAX.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from models.hardware.sourced_number import Number, check_keys, number, text
from photonics.schema import nearest

FOLDER = Path(__file__).with_name("machines")
FORMATS = ("bf16", "fp8", "int8", "fp4")
"""Number formats whose dense peak a file may state; bf16 stands for fp16 alike."""
TIERS = ("sram", "hbm", "ddr")
VALUES = (
    "year",
    *(f"compute.{name}_op_per_s" for name in FORMATS),
    *(f"memory.{tier}.{what}" for tier in TIERS for what in ("byte", "byte_per_s")),
    "link.byte_per_s",
    "power.rated_w",
    "price_usd",
)
"""Dotted paths of all numbers that a file may state, in the order in which they are shown."""
_WORDS = ("name", "maker", "scope")


class AbsentValue(ValueError):
    """A number that is needed and that nobody publishes.

    Attributes:
        machine: key of the machine.
        path: dotted path of the number.
    """

    def __init__(self, machine: str, path: str) -> None:
        super().__init__(f"machine {machine!r} has no {path}: no published value was found, and none is guessed")
        self.machine, self.path = machine, path


@dataclasses.dataclass(frozen=True)
class Tier:
    """One memory of a machine.

    Attributes:
        name: one of `TIERS`.
        byte: capacity [byte].
        byte_per_s: bandwidth [byte/s].
    """

    name: str
    byte: float
    byte_per_s: float


@dataclasses.dataclass(frozen=True)
class Machine:
    """One conventional machine as its maker rates it; what a model gets of it is less.

    Attributes:
        key: name of its file.
        name, maker: product and company.
        scope: what one of it is: chip, board, socket, system, rack.
        description: kinds of memory and link, what the rated power includes, conflicts between sources.
        numbers: what is published, by dotted path of `VALUES`.
    """

    key: str
    name: str
    maker: str
    scope: str
    description: str
    numbers: Mapping[str, Number]

    def need(self, path: str) -> float:
        """The number at a path of `VALUES`, in SI units; AbsentValue where there is none."""
        if path not in self.numbers:
            raise AbsentValue(self.key, path)
        return self.numbers[path].value

    def peak_op_per_s(self, number_format: str) -> float:
        """Dense operations per second in a format of `FORMATS`, 2 for each MAC; AbsentValue where not published."""
        if number_format not in FORMATS:
            raise ValueError(
                f"format {number_format!r} is not known; the nearest is {nearest(number_format, FORMATS)!r} "
                f"(there are {', '.join(FORMATS)})"
            )
        return self.need(f"compute.{number_format}_op_per_s")

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Memories whose capacity and bandwidth are both published, nearest first."""
        found = []
        for name in TIERS:
            paths = f"memory.{name}.byte", f"memory.{name}.byte_per_s"
            if all(path in self.numbers for path in paths):
                byte, byte_per_s = (self.need(path) for path in paths)
                found.append(Tier(name, byte, byte_per_s))
        return tuple(found)


def machine_names() -> tuple[str, ...]:
    """Names of the catalogue, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def read_machine(name: str) -> Machine:
    """A machine of the catalogue, or of a file whose path ends in .toml; ValueError with file, key and value."""
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in machine_names():
        raise ValueError(
            f"machine {name!r} is not known; the nearest is {nearest(name, machine_names())!r} "
            f"(there are {', '.join(machine_names())}; or give a path that ends in .toml)"
        )
    try:
        return _machine(path.stem, tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); give a machine or a file of one") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _machine(key: str, document: dict[str, Any]) -> Machine:
    groups = dict.fromkeys(path.split(".")[0] for path in VALUES)
    check_keys("", document, (*_WORDS, "sources"), ("description", *groups))
    name, maker, scope = (text(document, key, word) for word in _WORDS)
    sources = document["sources"]
    check_keys("sources", sources, (), tuple(sources) if isinstance(sources, dict) else ())
    named = {short: text(sources, "sources", short) for short in sources}
    numbers = {}
    for where, last, table in _entries(document, tuple(groups)):
        path = f"{where}.{last}".lstrip(".")
        if path not in VALUES:
            raise ValueError(f"unknown key {path!r}; the nearest is {nearest(path, VALUES)!r}")
        found = number(table, where, last)
        numbers[path] = dataclasses.replace(found, source=named.get(found.source, found.source))
    ordered = {path: numbers[path] for path in VALUES if path in numbers}
    description = text(document, key, "description") if "description" in document else ""
    return Machine(key, name, maker, scope, description, ordered)


def _entries(document: dict[str, Any], groups: tuple[str, ...]) -> list[tuple[str, str, dict[str, Any]]]:
    """The numbers of a document: path of the table around one, its key, and that table."""
    found, open_tables = [], [("", {name: document[name] for name in groups if name in document})]
    while open_tables:
        where, table = open_tables.pop()
        for key, value in table.items():
            path = f"{where}.{key}".lstrip(".")
            inner = isinstance(value, dict) and any(one.startswith(f"{path}.") for one in VALUES)
            if inner:
                open_tables.append((path, value))
            else:
                found.append((where, key, table))
    return found
