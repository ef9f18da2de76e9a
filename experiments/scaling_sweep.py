"""Projections over many settings: each point is one run of `exalight scaling`, and its row what is so in its year."""

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.generic_sweep import GenericSweep
from experiments.scaling_config import ScalingConfig
from experiments.sweepable import Failed, Point, Row

_OF_A_YEAR = re.compile(r"years\.(\d+)\.(.+)")


class ScalingSweep:
    """One row for each point: what `years` of its result says of the year that its options ask for.

    Columns are `year`, `probability_of_target`, `energy_per_op_j_p50`, quantiles of `delivered_exaops`, `peak_exaops`
    and `tops_per_w` (as in `tops_per_w_p05`), and `breakdown_w_p50.PART`. A table over years is a sweep over `year`.
    """

    experiment = "scaling"
    objective = "energy_per_op_j_p50"
    points_per_chunk = 1

    def __init__(self) -> None:
        self._runs = GenericSweep(self.experiment)

    def facts(self, options: Mapping[str, Any], engine_set: tuple[str, ...]) -> Mapping[str, str]:
        """A hash over what the run reads: roadmap, engine and accuracy."""
        return self._runs.facts(options, engine_set)

    def group(self, point: Point) -> str:
        """Points share nothing."""
        return point.identity

    def evaluate(self, points: Sequence[Point]) -> Iterator[tuple[Point, Row | Failed]]:
        """Run each point, without figures."""
        for point in points:
            undrawn = dataclasses.replace(point, options={**point.options, "plot": False})
            year = point.options.get("year", ScalingConfig.year)
            for _, found in self._runs.evaluate([undrawn]):
                yield point, found if isinstance(found, Failed) else row_of_year(found, year)


def row_of_year(result: Row, year: int) -> Row | Failed:
    """Columns of one year of a flattened result."""
    rows: dict[str, Row] = {}
    for column, value in result.items():
        if match := _OF_A_YEAR.fullmatch(column):
            rows.setdefault(match.group(1), {})[match.group(2)] = value
    chosen = (row for row in rows.values() if row.get("year") == year)
    return next(chosen, Failed(f"the result says nothing of the year {year}"))
