"""From checked points of an accuracy sweep to their rows: what shares panels, a setting or a call is done together."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.accuracy_results import cost_summary, layer_summary
from experiments.accuracy_sweep import failed
from experiments.accuracy_sweep_models import Kept, Subject, engine_of
from experiments.accuracy_sweep_panels import values_in_answers, values_on_panels
from experiments.accuracy_sweep_request import PointRequest
from experiments.evaluation import OpticalModel, joined
from experiments.runs import plain
from experiments.sweepable import Failed, Row

if TYPE_CHECKING:
    from photonics.engine import Engine

Scores = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class _Job:
    """One point: its number, what was asked, its engine, and what it shares with others."""

    index: int
    request: PointRequest
    instance: int
    engine: "Engine"

    @property
    def panels(self) -> tuple[Any, ...]:
        """Points for which this is equal have the same panels and ranges."""
        ranged = engine_of(self.request, at_power=False)
        return self.request.structure, self.instance, values_on_panels(ranged), values_on_panels(self.engine)

    @property
    def setting(self) -> tuple[float, ...]:
        """Of points with the same panels, those for which this is equal give the same answers to the same seed."""
        return values_in_answers(self.engine)


@dataclasses.dataclass
class _Measured:
    """What was found out about one setting: scores of all batches by seed, and its layers."""

    scores: dict[int, list[Scores]]
    layers: Scores = dataclasses.field(default_factory=dict)


def evaluated(kept: Kept, points: Mapping[int, tuple[PointRequest, int]]) -> Iterator[dict[int, Row | Failed]]:
    """Rows by number, in portions, points with the same panels together; each error is that of its points alone."""
    jobs = [_Job(index, request, instance, engine_of(request)) for index, (request, instance) in points.items()]
    # Structures one after the other, too: a model under light is kept for one only.
    for same_structure in _grouped(jobs, lambda job: job.request.structure):
        for same_panels in _grouped(same_structure, lambda job: job.panels):
            try:
                yield _with_panels(kept, same_panels)
            except Exception as error:
                kept.forget()
                yield {job.index: failed(error) for job in same_panels}


def _with_panels(kept: Kept, jobs: Sequence[_Job]) -> dict[int, Row | Failed]:
    """All batches of all points that share their panels."""
    subject = kept.subject(jobs[0].request)
    settings = [*_grouped(jobs, lambda job: job.setting)]
    found: list[_Measured | Failed] = [_Measured({job.request.config.seed: [] for job in own}) for own in settings]
    for index in range(len(subject.task.batches)):
        for number, own in enumerate(settings):
            measured = found[number]
            if isinstance(measured, Failed):
                continue
            try:
                optical = kept.optical(own[0].request, own[0].instance)
                _measure(subject, optical, index, measured)
            except Exception as error:
                kept.forget()
                found[number] = failed(error)
    rows: dict[int, Row | Failed] = {}
    for own, measured in zip(settings, found, strict=True):
        for job in own:
            rows[job.index] = measured if isinstance(measured, Failed) else _row(subject, job, measured)
    return rows


def _measure(subject: Subject, optical: OpticalModel, index: int, measured: _Measured) -> None:
    """One batch at one setting, for all of its seeds."""
    for seeds in shared_calls([*measured.scores], subject.seeds_per_call):
        batch, reference = subject.answers(index, len(seeds))
        for seed, scores in zip(seeds, optical.score_seeds(batch, reference, seeds), strict=True):
            if len(measured.scores[seed]) == index:  # a call may be filled up with a seed that is there already
                measured.scores[seed].append(scores)
    if index == 0:
        measured.layers = optical.measure_layers(subject.answers(0)[0])


def shared_calls(seeds: Sequence[int], most: int) -> list[tuple[int, ...]]:
    """Seeds in calls of one size, at most `most`; the last is filled up with the first seed of all.

    As few calls as there can be, and among those the smallest.
    """
    calls = -(-len(seeds) // most)
    size = -(-len(seeds) // calls)
    parts = [tuple(seeds[start : start + size]) for start in range(0, len(seeds), size)]
    return [(*part, *[seeds[0]] * (size - len(part))) for part in parts]


def _row(subject: Subject, job: _Job, measured: _Measured) -> Row | Failed:
    task, config = subject.task, job.request.config
    try:
        judged = task.judge(joined(measured.scores[config.seed]), subject.baseline)
        cost = job.engine.cost(subject.work, panels=config.panels, digital=config.digital, dynamic=config.dynamic)
        columns = {
            **judged.summary(),
            **{f"digital_{name}": value for name, value in judged.baseline().items() if name == "perplexity"},
            **cost_summary(cost, task.tokens),
            **layer_summary(measured.layers),
            "beyond_power_max": job.request.laser_power_w > float(job.engine.power_max_w),
        }
        del columns["energy_breakdown_j"]  # a table of its own, and no plain value
        if task.samples is not None:
            columns["energy_per_sample_j"] = float(cost.total_energy_j) / task.samples
        return plain(columns)
    except Exception as error:
        return failed(error)


def _grouped(jobs: Iterable[_Job], key: Any) -> Iterable[list[_Job]]:
    """Jobs by key, keys in the order in which they first occur."""
    groups: dict[Any, list[_Job]] = {}
    for job in jobs:
        groups.setdefault(key(job), []).append(job)
    return groups.values()
