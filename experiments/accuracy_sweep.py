"""`exalight accuracy` as a swept experiment: one laser power, one rotate setting, one seed at each point.

A point gives the numbers that `exalight accuracy` gives for the same options and seed. Its instance is the engine that
this command has for number 0 (or none), and another fabricated one for every other number; converters are ranged on the
first. Imports no JAX before `evaluate`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.accuracy_sweep_request import PointRequest, check_point
from experiments.errors import RequestError
from experiments.measures import MEASURES, TaskName
from experiments.sweepable import Failed, Point, Row

if TYPE_CHECKING:
    from experiments.accuracy_sweep_models import Kept

_KEPT: "Kept | None" = None


class AccuracySweep:
    """See `sweepable.Sweepable`. Options not set are those of `exalight accuracy`, but for these two:

    `rotate` is on, and `laser_power_w` is the value in the engine's file.
    """

    experiment = "accuracy"
    # A point of the default model takes seconds: few enough for a worker that is killed to lose a minute.
    points_per_chunk = 16

    def __init__(self, task: TaskName = "perplexity") -> None:
        self.objective = MEASURES[task].key

    def facts(self, options: Mapping[str, Any], engine_set: tuple[str, ...]) -> Mapping[str, str]:
        """Hashes of model, of text or data, and of all values of the engine."""
        return check_point(options, engine_set).facts

    def group(self, point: Point) -> str:
        """A digest of model, data, digital layers, and the bits, switches and shapes of the engine."""
        return _request(point).structure

    def evaluate(self, points: Sequence[Point]) -> Iterator[tuple[Point, Row | Failed]]:
        """See `sweepable.Sweepable.evaluate`; columns are those of a point of `result.json`.

        Seeds of one configuration whose windows fit into one call are computed side by side; how many share a call
        follows from the points given. Otherwise no point sees the others. `snr_db` and `photons_per_mac` belong to
        configuration and instance: they are measured with the draws of seed 0.
        """
        requests: dict[int, PointRequest] = {}
        rows: dict[int, Row | Failed] = {}
        for index, point in enumerate(points):
            try:
                requests[index] = _checked(point)
            except Exception as error:
                rows[index] = failed(error)
        yielded = 0
        for found in _evaluated(points, requests):
            rows |= found
            while yielded in rows:
                yield points[yielded], rows.pop(yielded)
                yielded += 1
        for index in sorted(rows):
            yield points[index], rows[index]


def failed(error: Exception) -> Failed:
    """An error in one line."""
    message = " ".join(str(error).split())
    return Failed(message if isinstance(error, RequestError) else f"{type(error).__name__}: {message}")


def _evaluated(points: Sequence[Point], requests: Mapping[int, PointRequest]) -> Iterator[dict[int, Row | Failed]]:
    if not requests:
        return
    from experiments.accuracy_sweep_models import Kept
    from experiments.accuracy_sweep_rows import evaluated
    from photonics.draws import generator

    global _KEPT
    _KEPT = _KEPT or Kept()
    # Points of one chunk are of one group, and the generator is part of it.
    with generator(next(iter(requests.values())).config.generator):
        yield from evaluated(
            _KEPT, {index: (request, points[index].instance or 0) for index, request in requests.items()}
        )


def _request(point: Point) -> PointRequest:
    return check_point(point.options, point.engine_set, point.seed)


def _checked(point: Point) -> PointRequest:
    """The request of a point, if the files here are those that it was planned with."""
    request = _request(point)
    for name, planned in point.facts.items():
        if request.facts.get(name) != planned:
            raise RequestError(f"the {name} is another one here than where the sweep was planned")
    return request
