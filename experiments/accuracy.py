"""The run of `exalight accuracy`: a model over a sweep of laser powers, every finished point stored at once."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments.accuracy_config import AccuracyConfig
from experiments.accuracy_output import write_output
from experiments.accuracy_request import AccuracyRequest
from experiments.accuracy_results import Evaluated
from experiments.accuracy_settings import Setting, explanations, sweep
from experiments.devices import Devices
from experiments.environment import environment, stamp
from experiments.errors import Stopped
from experiments.evaluation import LAYER_KEYS, Batch, DigitalModel, OpticalModel, Products, Task, joined
from experiments.progress import Progress
from experiments.runs import ENVIRONMENT_FILE, PointStore
from experiments.stopping import stoppable
from photonics.catalogue import build_engine
from photonics.draws import generator
from photonics.engine import Engine


def run_accuracy(request: AccuracyRequest, argv: Sequence[str]) -> Path:
    """Run, or go on with, an accuracy sweep; returns the path of `result.json`.

    Stopped, with a message that says so, on SIGINT or SIGTERM: finished points stay and the same request goes on.
    """
    try:
        with stoppable(), generator(request.config.generator):
            return _run(request, argv)
    except (KeyboardInterrupt, Stopped):
        kept = request.folder.points.is_dir() and any(request.folder.points.iterdir())
        after = f"finished points are kept in {request.folder.path}, the same command goes on from them"
        raise Stopped(f"stopped; {after if kept else 'nothing was finished yet'}") from None


def _run(request: AccuracyRequest, argv: Sequence[str]) -> Path:
    config = request.config
    devices = Devices.chosen(config.devices)
    engine = build_engine(request.engine_file)
    plans = [_Plan(one, config.laser_power_w) for one in _rotations(engine, config)]
    task = task_of(config, request.checkpoint, request.sample)
    store = PointStore(request.folder.points, stamp())
    with Progress(sum(len(plan.settings) for plan in plans) * len(task.batches), "accuracy") as progress:
        progress.note(f"loading {config.model}")
        digital = DigitalModel.of(task.load(), devices)
        work = task.work(digital.copy())
        sweeper = _Sweeper(request, argv, digital, task, devices, store, progress)
        evaluated = [sweeper.evaluate(plan) for plan in plans]
        return write_output(request, task, work, evaluated, progress)


def _rotations(engine: "Engine", config: AccuracyConfig) -> list["Engine"]:
    """The engine at each rotate setting that is asked for; as it is, where it knows no other."""
    if not engine.can_rotate:
        return [engine]
    return [engine.replace(**{"encoding.rotate": rotate}) for rotate in config.rotations]


def task_of(config: AccuracyConfig, checkpoint: Any, sample: Any) -> Task:
    """What the model is asked, with everything that is measured; arguments as `AccuracyRequest` has them."""
    if config.task == "perplexity":
        from experiments.language_task import LanguageModelling

        return LanguageModelling(checkpoint, sample, config.context)
    from experiments.accuracy_encoders import Classification, Embedding

    return (Embedding if config.task == "embed" else Classification)(checkpoint, sample)


class _Plan:
    """All settings of one rotate setting."""

    def __init__(self, engine: Engine, powers_w: tuple[float, ...]) -> None:
        self.engine = engine
        self.settings = sweep(powers_w) + explanations(engine, max(powers_w))
        self.rotate = engine.rotates

    def groups(self) -> list[list[Setting]]:
        """Settings that share their encoded panels; those of the machine as it is come first."""
        split = [[s for s in self.settings if s.reaches_panels is reaches] for reaches in (False, True)]
        return [group for group in split if group]

    def label(self, setting: Setting, batch: int) -> str:
        """Name of a stored point."""
        return f"rotate-{'on' if self.rotate else 'off'}_{setting.label}_batch-{batch}"


@dataclasses.dataclass
class _Sweeper:
    """Evaluates what is not stored yet. Models and compiled functions are made only where something is missing."""

    request: AccuracyRequest
    argv: Sequence[str]
    digital: DigitalModel
    task: Task
    devices: Devices
    store: PointStore
    progress: Progress
    _opened: bool = False
    _spread: tuple[int, Batch, jax.Array] | None = None

    def evaluate(self, plan: _Plan) -> Evaluated:
        """All settings of a plan on all batches."""
        optical = None
        for group in plan.groups():
            loaded = False
            for index in range(len(self.task.batches)):
                missing = [s for s in group if not self._complete(plan, s, index)]
                for setting in group:
                    if setting not in missing:
                        self.progress.step(f"{self._title(plan, setting, index)}: kept from before")
                if not missing:
                    continue
                optical = optical or self._build(plan)
                if not loaded:
                    optical.use(missing[0].apply(plan.engine), panels_changed=True)
                    loaded = True
                for setting in missing:
                    self._evaluate_one(plan, setting, index, optical)
        return self._collect(plan)

    def _complete(self, plan: _Plan, setting: Setting, index: int) -> bool:
        names = (f"digital_batch-{index}", plan.label(setting, index))
        return all(self.store.load(name) is not None for name in names)

    def _build(self, plan: _Plan) -> OpticalModel:
        self.progress.note(f"encoding weights, {_words(plan.rotate)}; the first point compiles")
        config = self.request.config
        products = Products(config.digital, config.dynamic)
        optical = OpticalModel(self.digital, plan.engine, products, self.task, config.seed, self.devices)
        if not self._opened:
            # Only now is everything known that could make the request a wrong one.
            self.request.folder.open()
            facts = environment(self.argv, config.seed, jax.default_backend()) | {"devices": len(self.devices)}
            self.request.folder.write_json(ENVIRONMENT_FILE, facts)
            self._opened = True
        return optical

    def _evaluate_one(self, plan: _Plan, setting: Setting, index: int, optical: OpticalModel) -> None:
        batch, reference = self._digital(index)
        optical.use(setting.apply(plan.engine), panels_changed=False)
        arrays = optical.score(batch, reference)
        if index == 0 and setting.laser_power_w is not None:
            arrays |= optical.measure_layers(batch)
        self.store.save(plan.label(setting, index), arrays)
        measure = self.task.measure
        level = measure.words(float(f"{np.mean(arrays[measure.key]):.4g}"))
        self.progress.step(f"{self._title(plan, setting, index)}: {measure.name} {level}")

    def _digital(self, index: int) -> tuple[Batch, jax.Array]:
        """A batch on its devices and the digital answers to it, the last ones kept; stores how good they are."""
        if self._spread is None or self._spread[0] != index:
            self._spread = None  # the old ones make room first
            batch = self.task.batches[index].on(self.devices)
            self._spread = (index, batch, self.task.reference(self.digital, batch))
            scores = self.task.baseline(batch, self._spread[2])
            counted = {name: np.asarray(value)[: len(batch.windows)] for name, value in scores.items()}
            self.store.save(f"digital_batch-{index}", counted)
        return self._spread[1:]

    def _title(self, plan: _Plan, setting: Setting, index: int) -> str:
        part = f", batch {index + 1} of {len(self.task.batches)}" if len(self.task.batches) > 1 else ""
        return f"{_words(plan.rotate)}, {setting.title}{part}"

    def _collect(self, plan: _Plan) -> Evaluated:
        count = len(self.task.batches)
        baseline = joined([self._stored(f"digital_batch-{index}") for index in range(count)])
        points, explained = [], []
        for setting in plan.settings:
            stored = [self._stored(plan.label(setting, index)) for index in range(count)]
            # The layers are measured on the first batch only.
            scores = joined([{n: v for n, v in one.items() if n not in LAYER_KEYS} for one in stored])
            evaluation = self.task.judge(scores, baseline)
            if setting.laser_power_w is None:
                explained.append((setting, evaluation))
            else:
                layers = {name: stored[0][name] for name in LAYER_KEYS}
                points.append((setting, evaluation, layers))
        return Evaluated(plan.rotate, plan.engine, points, explained)

    def _stored(self, label: str) -> dict[str, np.ndarray]:
        arrays = self.store.load(label)
        if arrays is None:
            raise RuntimeError(f"the finished point {label} has vanished from {self.store.folder}")
        return arrays


def _words(rotate: bool) -> str:
    return "rotated" if rotate else "not rotated"
