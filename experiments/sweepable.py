"""What an experiment offers so that `exalight sweep` can spread its points; imports the standard library only.

A point is one configuration of one experiment. Whatever a worker computes follows from its points alone: randomness
from `seed` and `instance`, the grouping into chunks from the plan, so that a table does not depend on who computed it.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

Row = dict[str, float | int | str | bool | None]
"""What was found out about one point: plain values by column, SI units in the names; None where nothing is finite."""


@dataclasses.dataclass(frozen=True)
class Point:
    """One configuration of an experiment.

    Attributes:
        experiment: its command.
        options: fields of its configuration dataclass that the sweep sets, one plain value each.
        engine_set: PATH=VALUE of engine fields, sorted by path.
        seed: of every random draw. Points with the same seed see the same draws: differences between them are those of
            their settings, not of their luck.
        instance: which fabricated engine; None for the one of the experiment itself.
        facts: hashes of files that the options name (model, text, engine values): another file is another point.
    """

    experiment: str
    options: Mapping[str, Any]
    engine_set: tuple[str, ...]
    seed: int
    instance: int | None
    facts: Mapping[str, str]

    @property
    def identity(self) -> str:
        """Sixteen hexadecimal digits that tell this point from all others."""
        document = json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(document.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class Failed:
    """A point that could not be computed, in one line."""

    error: str


class Sweepable(Protocol):
    """One experiment, seen by a sweep.

    Attributes:
        experiment: its command.
        objective: column of `Row` by which points are compared while a sweep runs; smaller is better.
        points_per_chunk: how many points are computed and stored together at most.
    """

    experiment: str
    objective: str
    points_per_chunk: int

    def facts(self, options: Mapping[str, Any], engine_set: tuple[str, ...]) -> Mapping[str, str]:
        """Check one configuration, cheaply and without JAX, and return hashes of what it reads.

        RequestError says what is wrong, where, and what would be right.
        """
        ...

    def group(self, point: Point) -> str:
        """Points of one group have the same shapes, bit widths and switches: they share one compilation.

        The plan puts points of one group, in the order of the plan, into chunks; seeds of one configuration stay
        together, so that they can be computed side by side.
        """
        ...

    def evaluate(self, points: Sequence[Point]) -> Iterator[tuple[Point, Row | Failed]]:
        """Compute one chunk, in a worker process; points come back in the order given.

        Models and compiled functions are kept in the process for the chunks that follow. An error of one point is
        yielded as `Failed` and the others go on.
        """
        ...
