"""What a family of engines states about itself, so that files can be read and checked without JAX."""

import dataclasses
import functools
import importlib
import math
from collections.abc import Callable, Mapping
from typing import Any

from photonics.schema import RECEIVERS, ROWS, Decibel, Row, Value


def _no_more(values: Mapping[str, Value]) -> None:
    del values


@dataclasses.dataclass(frozen=True)
class Family:
    """One kind of machine: what its files may say, and the classes that they become.

    Attributes:
        name: as in the heading `family` of an engine file.
        meaning: one line for lists and refusals.
        rows: one per value, in the order of the light.
        fan_in, fan_out: paths of the values whose product is the number of inputs, and of outputs, of one tile.
        stages: class of each stage as "module:Class", by the first part of the path.
        engine: class of the engine, as "module:Class".
        decibels: second spellings of ratios, in decibels.
        check: raises ValueError where values that are right one by one do not fit together.
        select: paths that a file needs when some values decide which others there are; all of `rows` by default.
    """

    name: str
    meaning: str
    rows: tuple[Row, ...]
    fan_in: tuple[str, ...]
    fan_out: tuple[str, ...]
    stages: Mapping[str, str]
    engine: str
    decibels: Mapping[str, Decibel] = dataclasses.field(default_factory=dict)
    check: Callable[[Mapping[str, Value]], None] = _no_more
    select: Callable[[Mapping[str, Value]], tuple[str, ...]] | None = None

    @functools.cached_property
    def row_of(self) -> Mapping[str, Row]:
        """The rows by path."""
        return {row.path: row for row in self.rows}

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every key that a file may state: paths, and their spellings in decibels."""
        return (*self.row_of, *self.decibels)

    def needed(self, values: Mapping[str, Value]) -> tuple[str, ...]:
        """Paths that a complete file states, in the order of the light."""
        return tuple(self.row_of) if self.select is None else self.select(values)

    def size(self, values: Mapping[str, Value]) -> tuple[int, int]:
        """Inputs and outputs of one tile."""
        return math.prod(int(values[path]) for path in self.fan_in), math.prod(
            int(values[path]) for path in self.fan_out
        )

    def chosen(self, values: Mapping[str, Value]) -> str:
        """What the values have chosen that leaves some paths out, for refusals: "a receiver of kind integrating"."""
        kinds = (f"a {path.partition('.')[0]} of kind {values[path]}" for path in values if path.endswith(".kind"))
        return next(kinds, f"the family {self.name}")

    def build(self, name: str, values: Mapping[str, Value]) -> Any:
        """The engine: one dataclass per stage, physical values as Python floats."""
        fields: dict[str, dict[str, Any]] = {group: {} for group in self.stages}
        for path, value in values.items():
            group, _, field = path.partition(".")
            fields[group][field] = value
        stages = {group: _class(self.stages[group])(**fields[group]) for group in self.stages}
        return _class(self.engine)(name=name, **stages)


def shared(*groups: str) -> tuple[Row, ...]:
    """Rows of stages that families have in common, by the first part of the path.

    A receiver is named with its kind, as "receiver.transimpedance" or "receiver.integrating".
    """
    rows: list[Row] = []
    for group in groups:
        stage, _, kind = group.partition(".")
        rows += RECEIVERS[kind] if kind else [row for path, row in ROWS.items() if path.partition(".")[0] == stage]
    return tuple(rows)


def _class(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
