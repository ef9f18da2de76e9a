"""The steps of a fine-tuning run: progress, checkpoints, and the ends that a run can come to."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.errors import RunFailed
from experiments.finetune_failure import layer_words, worst_layer
from experiments.sweep_progress import duration

if TYPE_CHECKING:
    from calibration.training import Training
    from calibration.training_text import TrainingWindows
    from experiments.finetune_checkpoints import Checkpoints
    from experiments.finetune_config import FinetuneConfig
    from experiments.finetune_signals import Finishing
    from experiments.progress import Progress

# Means of so many losses tell a run that diverges from one that is noisy.
_SMOOTHED = 10
_DIVERGED_TIMES, _DIVERGED_NATS = 3.0, 1.0


@dataclasses.dataclass
class Course:
    """How far a training has come.

    Attributes:
        trained: the trained numbers.
        moments: the optimiser's state.
        curve: one row per step that was done.
        seconds: time spent in steps, compilation included [s].
        best: least mean loss of as many steps as are smoothed over [nats], infinite at first.
    """

    trained: Any
    moments: Any
    curve: list[dict[str, float]]
    seconds: float = 0.0
    best: float = math.inf

    @property
    def done(self) -> int:
        """Steps that are done."""
        return len(self.curve)

    def facts(self) -> dict[str, Any]:
        """What a checkpoint states beside the arrays."""
        # Infinity is no JSON number.
        best = self.best if math.isfinite(self.best) else None
        return {"step": self.done, "seconds": self.seconds, "curve": self.curve, "best_loss_nats": best}

    def smoothed(self) -> float:
        """Mean loss of the last steps [nats]."""
        return float(np.mean([row["loss_nats"] for row in self.curve[-_SMOOTHED:]]))


class Steps:
    """Goes from a course to its end, or to where somebody asks it to stop."""

    def __init__(
        self,
        training: "Training",
        windows: "TrainingWindows",
        checkpoints: "Checkpoints",
        config: "FinetuneConfig",
        rate: Callable[[int], Any],
    ) -> None:
        self._training, self._windows, self._checkpoints, self._config = training, windows, checkpoints, config
        self._rate, self._told_steps = rate, 0

    def begin(self) -> Course:
        """The course of a new run, or with `--resume` of one that was stopped: its last whole checkpoint."""
        trained, moments = self._training.begin()
        if self._config.resume:
            found = self._checkpoints.restore((trained, moments))
            if found is not None:
                (trained, moments), facts = found
                best = math.inf if facts["best_loss_nats"] is None else facts["best_loss_nats"]
                return Course(trained, moments, facts["curve"], facts["seconds"], best)
        return Course(trained, moments, [])

    def run(self, course: Course, progress: "Progress", finishing: "Finishing") -> None:
        """Do what is left of the steps, in place; leaves early, with a checkpoint, where a signal asks for it.

        RunFailed, with step and layer and the last good checkpoint kept, for a loss that is no number or diverges.
        """
        saved_s = time.monotonic()
        while course.done < self._config.steps and finishing.requested is None:
            self._one(course, progress)
            last = course.done == self._config.steps or finishing.requested is not None
            if last or time.monotonic() - saved_s > 60.0 * self._config.checkpoint_minutes:
                self.save(course)
                saved_s = time.monotonic()

    def save(self, course: Course) -> None:
        """Put a checkpoint away; it is the best where the smoothed loss has never been lower."""
        best = course.done >= _SMOOTHED and course.smoothed() < course.best
        if best:
            course.best = course.smoothed()
        self._checkpoints.save(course.done, (course.trained, course.moments), course.facts(), best=best)

    def _one(self, course: Course, progress: "Progress") -> None:
        number, begun_s = course.done, time.monotonic()
        tokens = jnp.asarray(self._windows.micro_batches_at(number, self._config.accumulate))
        course.trained, course.moments, told = self._training.step(course.trained, course.moments, number, tokens)
        row = {name: float(value) for name, value in told._asdict().items()}
        if not all(math.isfinite(value) for value in row.values()):
            raise RunFailed(self._failure(course, number, tokens, "the loss or its gradient is no number"))
        seconds = time.monotonic() - begun_s
        course.seconds += seconds
        course.curve.append({"step": number, "learning_rate": float(self._rate(number)), **row, "seconds": seconds})
        if self._diverges(course):
            words = f"the loss has risen to {course.smoothed():.3g} nats"
            raise RunFailed(self._failure(course, number, tokens, words))
        progress.step(self._told(course))

    def _diverges(self, course: Course) -> bool:
        # A curriculum begins with more light, and its loss may rise until that is over.
        settled = self._config.ramp_steps
        if course.done < settled + _SMOOTHED:
            return False
        first = course.curve[settled]["loss_nats"]
        return course.smoothed() > _DIVERGED_TIMES * first + _DIVERGED_NATS

    def _failure(self, course: Course, number: int, tokens: jax.Array, words: str) -> str:
        model = self._training.noisy(course.trained, number, tokens.shape[1])
        layer = layer_words(worst_layer(model, tokens[0]))
        steps = self._checkpoints.steps()
        kept = f"the checkpoint of step {steps[-1]} is kept" if steps else "there was no checkpoint yet"
        return (
            f"step {number}: {words}; {layer}; {kept}. Try a lower --learning-rate, more --laser-power-w or "
            "--power-start above 1, and another --out"
        )

    def _told(self, course: Course) -> str:
        row = course.curve[-1]
        # The first step of this process compiles, which says nothing about those to come.
        self._told_steps += 1
        recent = [one["seconds"] for one in course.curve[-min(_SMOOTHED, max(self._told_steps - 1, 1)) :]]
        typical_s = float(np.median(recent))
        left = duration(typical_s * (self._config.steps - course.done))
        return (
            f"loss {row['loss_nats']:.3f} nats, next token {row['cross_entropy_nats']:.3f}, rate "
            f"{row['learning_rate']:.1e}, {self._config.tokens_per_step / typical_s:.0f} tokens/s, {left} left"
        )
