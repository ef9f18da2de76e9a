"""The models of a sweep, kept in a process from one chunk to the next: digital, its answers, and the copy under light.

subject    one model and what it is asked: weights, digital answers        the last one is kept
optical    a subject under one structure of engine: ranges, panels         the last one is kept
programs   compiled functions, which JAX keeps                             let go after some structures
"""

import gc
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import Array

from experiments.accuracy import task_of
from experiments.accuracy_sweep_panels import values_on_panels
from experiments.accuracy_sweep_request import ROTATE, PointRequest, model_and_sample
from experiments.evaluation import Batch, DigitalModel, OpticalModel, Products, joined, side_by_side
from photonics.catalogue import build_engine

if TYPE_CHECKING:
    from photonics.engine import Engine

_ANSWERS_BYTE = 512 << 20
_STRUCTURES = 6


def engine_of(request: PointRequest, *, at_power: bool = True) -> "Engine":
    """The engine of a point; without `at_power` at the laser power of its file, where its converters are ranged."""
    engine = build_engine(request.engine_file)
    engine = engine.replace(**{ROTATE: request.rotate}) if engine.can_rotate else engine
    return engine.at(laser_power_w=request.laser_power_w) if at_power else engine


class Subject:
    """One model and what it is asked, as `exalight accuracy` has them."""

    def __init__(self, request: PointRequest) -> None:
        self.task = task_of(request.config, *model_and_sample(request))
        self.digital = DigitalModel.of(self.task.load())
        self.work = self.task.work(self.digital.copy())
        self._answers: dict[int, tuple[Batch, Array]] = {}
        self.baseline = joined([self._baseline(index) for index in range(len(self.task.batches))])

    @property
    def seeds_per_call(self) -> int:
        """Seeds that are computed side by side: as many as fit into the rows of one call, if one call is enough."""
        if len(self.task.batches) > 1:
            return 1
        return max(1, self.task.rows // len(self.task.batches[0].windows))

    def answers(self, index: int, copies: int = 1) -> tuple[Batch, Array]:
        """A batch and the digital answers to it, so many times side by side; those that fit are kept."""
        if index not in self._answers:
            batch = self.task.batches[index]
            reference = self.task.reference(self.digital, batch)
            kept_byte = sum(array.nbytes for _, array in self._answers.values())
            if kept_byte + reference.nbytes > _ANSWERS_BYTE:
                self._answers.clear()
            self._answers[index] = (batch, reference)
        batch, reference = self._answers[index]
        return batch.repeated(copies), side_by_side(reference, copies)

    def _baseline(self, index: int) -> dict[str, np.ndarray]:
        batch, reference = self.answers(index)
        scores = self.task.baseline(batch, reference)
        return {name: np.asarray(value)[: len(batch.windows)] for name, value in scores.items()}


class Kept:
    """What a process keeps between points."""

    def __init__(self) -> None:
        self._subject: tuple[Any, Subject] | None = None
        self._optical: OpticalModel | None = None
        self._structure, self._structures = "", 0
        self._ranges: tuple[float, ...] = ()
        self._panels: tuple[Any, ...] | None = None

    def subject(self, request: PointRequest) -> Subject:
        """The model of a point and what it is asked."""
        what = (request.data, *sorted(request.facts.items() - {("engine", request.facts["engine"])}))
        if self._subject is None or self._subject[0] != what:
            self.forget()
            self._subject = None
            self._subject = (what, Subject(request))
        return self._subject[1]

    def optical(self, request: PointRequest, instance: int) -> OpticalModel:
        """The model under the engine of a point: ranged and loaded as that engine asks for, at its laser power.

        Only what the values of this engine or its instance change is done anew.
        """
        subject, ranged, engine = self.subject(request), engine_of(request, at_power=False), engine_of(request)
        try:
            ranges = values_on_panels(ranged)
            if self._optical is None or self._structure != request.structure:
                optical = self._built(request, subject, ranged)
            else:
                optical = self._optical
                if self._ranges != ranges:
                    self._panels = None
                    optical.set_ranges(ranged)
            self._ranges = ranges
            panels = (values_on_panels(engine), instance)
            loading = self._panels != panels
            if loading:
                self._panels = None
                optical.fabricate(instance)
            optical.use(engine, panels_changed=loading)
            self._panels = panels
        except BaseException:
            # Half of a change is worse than none.
            self.forget()
            raise
        return optical

    def forget(self) -> None:
        """Let go of the model under light."""
        self._optical, self._panels, self._structure = None, None, ""

    def _built(self, request: PointRequest, subject: Subject, engine: "Engine") -> OpticalModel:
        self.forget()
        self._structures += 1
        if self._structures > _STRUCTURES:
            jax.clear_caches()
            gc.collect()
            self._structures = 1
        products = Products(request.config.digital, request.config.dynamic)
        self._optical = OpticalModel(subject.digital, engine, products, subject.task, seed=0)
        self._structure = request.structure
        return self._optical
