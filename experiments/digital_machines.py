"""Published energy per operation of a few conventional chips: marks beside the optical results."""

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("digital_machines.toml")
_KINDS = ("measured", "vendor", "paper", "projection", "assumption")
_OP_PER_MAC = 2


@dataclasses.dataclass(frozen=True)
class DigitalMachine:
    """Peak rate and rated power of one chip.

        energy per op = rated power / peak rate        a bound from below: no memory, host, supply or idle time

    Attributes:
        name: short name for figures, with the number format.
        op_per_s: dense operations per second.
        power_w: rated power of the chip, not at the wall.
        source: where both come from.
        kind: measured, vendor, paper, projection or assumption.
    """

    name: str
    op_per_s: float
    power_w: float
    source: str
    kind: str

    @property
    def energy_per_op_j(self) -> float:
        """Rated power over peak rate [J]."""
        return self.power_w / self.op_per_s

    def energy_j(self, macs: float) -> float:
        """Energy of so many multiply-accumulates at the peak rate [J]."""
        return macs * _OP_PER_MAC * self.energy_per_op_j


def digital_machines(path: Path = _FILE) -> list[DigitalMachine]:
    """All machines of the file; ValueError for a number without source or kind, or one that is not positive."""
    tables = tomllib.loads(path.read_text("utf-8"))
    return [_machine(name, table) for name, table in tables.items()]


def _machine(name: str, table: dict[str, Any]) -> DigitalMachine:
    numbers = {key: table.get(key, {}) for key in ("op_per_s", "power_w")}
    for key, entry in numbers.items():
        if not entry.get("source") or entry.get("kind") not in _KINDS:
            raise ValueError(f"{name}.{key} needs a source, and a kind out of {', '.join(_KINDS)}")
        value = entry.get("value")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
            raise ValueError(f"{name}.{key} needs a positive value, not {value!r}")
    sources = dict.fromkeys(entry["source"] for entry in numbers.values())
    kinds = dict.fromkeys(entry["kind"] for entry in numbers.values())
    return DigitalMachine(
        name=table["name"],
        op_per_s=float(numbers["op_per_s"]["value"]),
        power_w=float(numbers["power_w"]["value"]),
        source="; ".join(sources),
        kind="; ".join(kinds),
    )
