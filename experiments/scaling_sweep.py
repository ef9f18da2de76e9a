"""Projections over many settings: each point is one year of `exalight scaling`, without what explains it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.errors import RequestError
from experiments.generic_sweep import GenericSweep, facts_of, flattened
from experiments.scaling_config import ScalingConfig
from experiments.sweep_worker import in_one_line
from experiments.sweepable import Failed, Point, Row


class ScalingSweep:
    """One row for each point: what `years` of a run with its options says of the year of its target.

    Columns are `year`, `probability_of_target`, `energy_per_op_j_p50`, quantiles of `delivered_exaops`, `peak_exaops`
    and `tops_per_w` (as in `tops_per_w_p05`), and `breakdown_w_p50.PART`. A table over years is a sweep over `year`.
    """

    experiment = "scaling"
    objective = "energy_per_op_j_p50"
    points_per_chunk = 8

    def __init__(self) -> None:
        self._runs = GenericSweep(self.experiment)

    def facts(self, options: Mapping[str, Any], engine_set: tuple[str, ...]) -> Mapping[str, str]:
        """A hash over what the run reads: roadmap, engine and accuracy."""
        return self._runs.facts(options, engine_set)

    def group(self, point: Point) -> str:
        """Points that differ in the year alone."""
        return repr((sorted((key, value) for key, value in point.options.items() if key != "year"), point.engine_set))

    def evaluate(self, points: Sequence[Point]) -> Iterator[tuple[Point, Row | Failed]]:
        """Project the year of each point; what a request refuses fails by itself."""
        for point in points:
            try:
                yield point, self._row(point)
            except Exception as error:
                yield point, Failed(in_one_line(error))

    def _row(self, point: Point) -> Row:
        from experiments.scaling_model import model_of
        from experiments.scaling_results import projected, year_row

        request = self._runs.request(point)
        if facts_of(request) != point.facts:
            raise RequestError("files that the options name are not those of the plan")
        config: ScalingConfig = request.config
        (year,) = projected(config, model_of(request), [config.year])
        return flattened(year_row(year, config.power_w))
