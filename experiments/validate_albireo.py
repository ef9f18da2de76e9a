"""Power of the Albireo accelerator by part, from its components: a check of published arithmetic, not an engine."""

import dataclasses
import tomllib
from collections.abc import Iterable
from pathlib import Path

_FILE = Path(__file__).with_name("validation_data") / "albireo.toml"


@dataclasses.dataclass(frozen=True)
class Component:
    """One kind of component.

    Attributes:
        name: heading in the file.
        part: which part of the published power table it belongs to.
        count: how many there are.
        power_w: power of one [W].
    """

    name: str
    part: str
    count: int
    power_w: float


def components() -> tuple[Component, ...]:
    """Components of the conservative preset of 5 GHz; sources stand in `validation_data/albireo.toml`."""
    tables = tomllib.loads(_FILE.read_text("utf-8"))
    found = []
    for name, table in tables.items():
        events = "energy_j" in table
        power_w = table["energy_j"]["value"] * table["rate_hz"]["value"] if events else table["power_w"]["value"]
        found.append(Component(name, table["part"], table["count"]["value"], power_w))
    return tuple(found)


def power_w_by_part(parts: Iterable[Component]) -> dict[str, float]:
    """Power of every part of the table: sum of count x power of one [W].

    Parts are mrr, mzm, laser, tia, dac, adc. Shiflett et al., Albireo, ISCA 2021, in the public model of Andrulis,
    Emer, Sze, CiMLoop, ISPASS 2024. Left out: the caches.
    """
    sums: dict[str, float] = {}
    for one in parts:
        sums[one.part] = sums.get(one.part, 0.0) + one.count * one.power_w
    return sums
