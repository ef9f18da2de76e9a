"""One case of `exalight validate`: what was published, what is asked of which engine, and how near is near enough."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["measured", "vendor", "derived", "simulated"]
KINDS: Mapping[str, str] = {
    "measured": "measured by others",
    "vendor": "stated or projected by the maker",
    "derived": "follows from a published formula",
    "simulated": "simulated or modelled by others",
}
"""What a published number stands on."""

CONFIDENCE: Mapping[str, str] = {
    "read": "read in the named source",
    "computed": "computed from what was read there",
    "third party": "read in a third party's notes or code about the source",
    "inferred": "inferred or derived by ourselves",
    "memory": "from memory, not verified",
}
"""How well a published number is known here."""


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far a simulated value may be from the published one.

        relative   |simulated - published| <= size |published|
        absolute   |simulated - published| <= size
        factor     published / size <= simulated <= published size

    A `bound` opens one side: "at least" lets a simulated value be as large as it likes.
    """

    kind: Literal["relative", "absolute", "factor"]
    size: float
    bound: Literal["at least", "at most"] | None = None

    def interval(self, published: float) -> tuple[float, float]:
        """Smallest and largest value that passes."""
        if self.kind == "factor":
            low, high = sorted((published / self.size, published * self.size))
        else:
            width = self.size * (abs(published) if self.kind == "relative" else 1.0)
            low, high = published - width, published + width
        return (low if self.bound != "at most" else -math.inf), (high if self.bound != "at least" else math.inf)

    def allows(self, published: float, simulated: float) -> bool:
        """Whether a simulated value is near enough."""
        low, high = self.interval(published)
        return low <= simulated <= high

    def to_dict(self) -> dict[str, Any]:
        """As it stands in `result.json`."""
        found: dict[str, Any] = {self.kind: self.size}
        return found if self.bound is None else {**found, "bound": self.bound}

    def __str__(self) -> str:
        size = {
            "relative": f"{100 * self.size:g} %",
            "absolute": f"+-{self.size:g}",
            "factor": f"factor {self.size:g}",
        }[self.kind]
        return size if self.bound is None else f"{self.bound}, {size}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One published result.

    Attributes:
        id: name of the case: letters, digits, point, dash, underscore.
        title: what it is about, one line.
        group: heading under which it is listed.
        engine: catalogue name or file; None for a quantity that needs no engine.
        overrides: other values of engine fields, by dotted path.
        operating_point: other values of the operating point, by name.
        quantity: what is asked (`validate_quantities.QUANTITIES`).
        arguments: its arguments that are not left at their defaults.
        over: argument, or dotted path of the engine, along which a curve was published; None for one value.
        at: places on the curve; () for one value.
        published: the published values, one for each place; one alone without a curve.
        tolerance: how near is near enough.
        unit: unit of published and simulated values.
        source: where the number was published.
        kind: what the number stands on, one of `KINDS`.
        confidence: how well it is known here, one of `CONFIDENCE`.
        url: where to read it.
        equation: what is compared, in symbols.
        note: arithmetic, conditions, doubts.
        why: where a case is known to fail, by what it is explained.
        by_construction: why passing says nothing about the simulator beyond its arithmetic, one sentence, "" where it
            does: the published number, or what gives it at once, went in as an argument or as a parameter.
        slow: whether it takes minutes.
    """

    id: str
    title: str
    group: str
    engine: str | None
    overrides: Mapping[str, Any]
    operating_point: Mapping[str, float]
    quantity: str
    arguments: Mapping[str, Any]
    over: str | None
    at: tuple[Any, ...]
    published: tuple[float, ...]
    tolerance: Tolerance
    unit: str
    source: str
    kind: str
    confidence: str
    url: str | None
    equation: str
    note: str
    why: str
    by_construction: str
    slow: bool

    def engine_set(self, place: Any = None) -> tuple[str, ...]:
        """PATH=VALUE that make the machine of the case from its engine, at a place of a curve over a path."""
        values = {**self.overrides, **{f"operating_point.{name}": v for name, v in self.operating_point.items()}}
        if self.over is not None and "." in self.over:
            values[self.over] = place
        return tuple(f"{path}={_text(value)}" for path, value in values.items())

    def arguments_at(self, place: Any = None) -> dict[str, Any]:
        """Arguments of the quantity, at a place of a curve over one of them."""
        if self.over is None or "." in self.over:
            return dict(self.arguments)
        return {**self.arguments, self.over: place}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else repr(value)
