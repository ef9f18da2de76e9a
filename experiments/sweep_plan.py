"""The points of a sweep and their division into chunks: both follow from the request alone, never from who computes."""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.errors import RequestError
from experiments.sweep_axes import Axis, Value, text_of
from experiments.sweep_config import SweepConfig, check_size
from experiments.sweep_design import Combination, combinations
from experiments.sweep_experiments import Experiment
from experiments.sweepable import Point

if TYPE_CHECKING:
    from experiments.sweepable import Sweepable


@dataclasses.dataclass(frozen=True)
class PlannedPoint:
    """A point with what the table says about it.

    Attributes:
        point: what a worker is given.
        identity: that of the point.
        settings: value of every axis by path.
        refused: why no worker is given it, in one line; None for a point that can be computed.
    """

    point: Point
    identity: str
    settings: Mapping[str, Value]
    refused: str | None


@dataclasses.dataclass(frozen=True)
class Chunk:
    """Points that are computed and stored together; `name` tells this chunk from all others."""

    name: str
    points: tuple[PlannedPoint, ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """All points in the order of the table, and those that can be computed in chunks."""

    points: tuple[PlannedPoint, ...]
    chunks: tuple[Chunk, ...]

    def varied(self, planned: PlannedPoint) -> dict[str, Value]:
        """What tells a point from others: its settings without those that all points share."""
        return {path: value for path, value in planned.settings.items() if path in self._varied_paths}

    @functools.cached_property
    def _varied_paths(self) -> frozenset[str]:
        first = self.points[0].settings
        return frozenset(path for path in first if any(one.settings[path] != first[path] for one in self.points))

    @property
    def refused(self) -> list[PlannedPoint]:
        """Points whose values do not fit together."""
        return [planned for planned in self.points if planned.refused is not None]

    @property
    def sha256(self) -> str:
        """A hash of what is to be computed, files that are read included."""
        return _digest(planned.identity for planned in self.points)


def make_plan(config: SweepConfig, experiment: Experiment, axes: Sequence[Axis], sweepable: "Sweepable") -> Plan:
    """The plan of a request.

    In the table, seeds and instances of one combination follow one another. A combination of values that the
    experiment refuses becomes refused points; if it refuses every one, the request is wrong: RequestError.
    """
    chosen = combinations(axes, config.design, config.points, config.seed)
    check_size(len(chosen) * config.seeds * (config.instances or 1))
    points: list[PlannedPoint] = []
    groups: dict[str, dict[int | None, list[Sequence[PlannedPoint]]]] = {}
    first_refusal = None
    for combination in chosen:
        options, engine_set = _options(axes, combination)
        try:
            facts, refused = sweepable.facts(options, engine_set), None
        except RequestError as error:
            facts, refused = {}, " ".join(str(error).split())
            first_refusal = first_refusal or error
        block = []
        for seed, instance in _repetitions(config):
            point = Point(experiment.name, options, engine_set, seed, instance, facts)
            block.append(PlannedPoint(point, point.identity, combination, refused))
        points += block
        if refused is None:
            # One fabricated engine after the other: each needs its weights encoded anew, other settings may not.
            instances = groups.setdefault(sweepable.group(block[0].point), {})
            for instance, seeds in itertools.groupby(block, key=lambda planned: planned.point.instance):
                instances.setdefault(instance, []).append(list(seeds))
    if first_refusal is not None and all(planned.refused for planned in points):
        raise first_refusal
    in_order = ([seeds for blocks in instances.values() for seeds in blocks] for instances in groups.values())
    return Plan(tuple(points), tuple(_chunks(in_order, sweepable.points_per_chunk)))


def _options(axes: Sequence[Axis], combination: Combination) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Options by name, and engine fields as PATH=VALUE, sorted."""
    options = {axis.path: combination[axis.path] for axis in axes if not axis.of_engine}
    engine_set = sorted(f"{axis.path}={text_of(combination[axis.path])}" for axis in axes if axis.of_engine)
    return options, tuple(engine_set)


def _repetitions(config: SweepConfig) -> Iterator[tuple[int, int | None]]:
    instances = [None] if config.instances is None else range(config.instances)
    return ((config.seed + index, instance) for instance in instances for index in range(config.seeds))


def _chunks(groups: Iterable[Sequence[Sequence[PlannedPoint]]], size: int) -> Iterator[Chunk]:
    """Chunks of points of one group. A block of seeds that fits into a chunk is not divided."""
    for group in groups:
        filled: list[PlannedPoint] = []
        for block in group:
            if filled and len(filled) + min(len(block), size) > size:
                yield _chunk(filled)
                filled = []
            for planned in block:
                if len(filled) == size:
                    yield _chunk(filled)
                    filled = []
                filled.append(planned)
        yield _chunk(filled)


def _chunk(points: Sequence[PlannedPoint]) -> Chunk:
    return Chunk(_digest(planned.identity for planned in points)[:16], tuple(points))


def _digest(identities: Iterator[str]) -> str:
    return hashlib.sha256("\n".join(identities).encode()).hexdigest()
