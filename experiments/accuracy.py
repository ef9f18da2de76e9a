"""The run of `exalight accuracy`: a model over a sweep of laser powers, every finished point stored at once."""

import contextlib
import dataclasses
import signal
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

import jax
import jax.numpy as jnp
import numpy as np

from experiments.accuracy_output import write_output
from experiments.accuracy_request import AccuracyRequest
from experiments.accuracy_results import Evaluated, Evaluation
from experiments.accuracy_settings import Setting, explanations, sweep
from experiments.environment import environment, stamp
from experiments.errors import Stopped
from experiments.evaluation import Batch, DigitalModel, OpticalModel, batches
from experiments.progress import Progress
from experiments.runs import ENVIRONMENT_FILE, PointStore
from models.transformer.load import load_model
from photonics import count_contractions
from photonics.catalogue import build_engine
from photonics.engine import Engine


def run_accuracy(request: AccuracyRequest, argv: Sequence[str]) -> Path:
    """Run, or go on with, an accuracy sweep; returns the path of `result.json`.

    Stopped, with a message that says so, on SIGINT or SIGTERM: finished points stay and the same request goes on.
    """
    try:
        with _stoppable():
            return _run(request, argv)
    except (KeyboardInterrupt, Stopped):
        kept = request.folder.points.is_dir() and any(request.folder.points.iterdir())
        after = f"finished points are kept in {request.folder.path}, the same command goes on from them"
        raise Stopped(f"stopped; {after if kept else 'nothing was finished yet'}") from None


def _run(request: AccuracyRequest, argv: Sequence[str]) -> Path:
    config = request.config
    engine = build_engine(request.engine_file)
    plans = [_Plan(engine.replace(**{"encoding.rotate": rotate}), config.laser_power_w) for rotate in config.rotations]
    parts = batches(request.sample.measured, config.context)
    store = PointStore(request.folder.points, stamp())
    with Progress(sum(len(plan.settings) for plan in plans) * len(parts), "accuracy") as progress:
        progress.note(f"loading {config.model}")
        digital = DigitalModel.of(load_model(request.checkpoint).model)
        shape = jax.ShapeDtypeStruct((config.windows, config.context), jnp.int32)
        work = count_contractions(digital.copy(), shape)
        sweeper = _Sweeper(request, argv, digital, parts, store, progress)
        evaluated = [sweeper.evaluate(plan) for plan in plans]
        return write_output(request, work, evaluated, progress)


class _Plan:
    """All settings of one rotate setting."""

    def __init__(self, engine: Engine, powers_w: tuple[float, ...]) -> None:
        self.engine = engine
        self.settings = sweep(powers_w) + explanations(engine, max(powers_w))
        self.rotate = bool(engine.encoding.rotate)

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
    batches: list[Batch]
    store: PointStore
    progress: Progress
    _opened: bool = False
    _log_p: tuple[int, jax.Array] | None = None

    def evaluate(self, plan: _Plan) -> Evaluated:
        """All settings of a plan on all batches."""
        optical = None
        for group in plan.groups():
            loaded = False
            for index in range(len(self.batches)):
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
        calibration = jnp.asarray([self.request.sample.calibration], jnp.int32)
        optical = OpticalModel(self.digital, plan.engine, config.digital, calibration, config.seed)
        if not self._opened:
            # Only now is everything known that could make the request a wrong one.
            self.request.folder.open()
            facts = environment(self.argv, config.seed, jax.default_backend())
            self.request.folder.write_json(ENVIRONMENT_FILE, facts)
            self._opened = True
        return optical

    def _evaluate_one(self, plan: _Plan, setting: Setting, index: int, optical: OpticalModel) -> None:
        batch = self.batches[index]
        log_p = self._digital(index)
        optical.use(setting.apply(plan.engine), panels_changed=False)
        arrays = optical.score(batch, log_p)
        if index == 0 and setting.laser_power_w is not None:
            arrays |= optical.measure_layers(batch)
        self.store.save(plan.label(setting, index), arrays)
        kl_nats = float(np.mean(arrays["kl_nats"]))
        self.progress.step(f"{self._title(plan, setting, index)}: KL {kl_nats:.4g} nats")

    def _digital(self, index: int) -> jax.Array:
        """Digital log probabilities of a batch, the last ones kept; stores their loss."""
        if self._log_p is None or self._log_p[0] != index:
            self._log_p = None  # the old ones make room first
            self._log_p = (index, self.digital.log_probabilities(self.batches[index]))
            nll_nats = self.digital.nll_nats(self.batches[index], self._log_p[1])
            self.store.save(f"digital_batch-{index}", {"nll_nats": nll_nats})
        return self._log_p[1]

    def _title(self, plan: _Plan, setting: Setting, index: int) -> str:
        part = f", batch {index + 1} of {len(self.batches)}" if len(self.batches) > 1 else ""
        return f"{_words(plan.rotate)}, {setting.title}{part}"

    def _collect(self, plan: _Plan) -> Evaluated:
        digital = np.concatenate([self._stored(f"digital_batch-{i}")["nll_nats"] for i in range(len(self.batches))])
        points, explained = [], []
        for setting in plan.settings:
            stored = [self._stored(plan.label(setting, i)) for i in range(len(self.batches))]
            scores = {name: np.concatenate([s[name] for s in stored]) for name in ("nll_nats", "kl_nats", "agrees")}
            evaluation = Evaluation(**scores, digital_nll_nats=digital)
            if setting.laser_power_w is None:
                explained.append((setting, evaluation))
            else:
                layers = {name: value for name, value in stored[0].items() if name not in scores}
                points.append((setting, evaluation, layers))
        return Evaluated(plan.rotate, plan.engine, points, explained)

    def _stored(self, label: str) -> dict[str, np.ndarray]:
        arrays = self.store.load(label)
        if arrays is None:
            raise RuntimeError(f"the finished point {label} has vanished from {self.store.folder}")
        return arrays


def _words(rotate: bool) -> str:
    return "rotated" if rotate else "not rotated"


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """Let SIGTERM raise Stopped, as SIGINT raises KeyboardInterrupt; outside the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
