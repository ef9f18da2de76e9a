import math
from typing import Any, cast

import jax.numpy as jnp
import pytest

from calibration.training import Progress as Told
from experiments.errors import RunFailed
from experiments.finetune_checkpoints import Checkpoints
from experiments.finetune_config import FinetuneConfig
from experiments.finetune_signals import Finishing
from experiments.finetune_training import Course, Steps
from experiments.progress import Progress
from tests.models.transformer.tiny_folder import TINY, tiny_model


class Scripted:
    """A training whose losses are given; the trained number counts its steps."""

    def __init__(self, losses):
        self.losses = losses

    def begin(self):
        return {"steps": jnp.zeros(())}, {"none": jnp.zeros(())}

    def step(self, trained, moments, number, tokens):
        loss = jnp.float32(self.losses[number])
        return {"steps": trained["steps"] + 1}, moments, Told(loss, loss, loss, loss, loss)

    def noisy(self, trained, number, batch):
        return tiny_model(TINY)


class Windows:
    def micro_batches_at(self, number, parts):
        return jnp.zeros((parts, 1, 4), jnp.int32)


def steps(tmp_path, losses, **options) -> Steps:
    config = FinetuneConfig(steps=len(losses), checkpoint_minutes=1e-9, **options)
    training, windows = cast("Any", Scripted(losses)), cast("Any", Windows())
    return Steps(training, windows, Checkpoints(tmp_path / "c"), config, lambda number: 1e-3)


def run(one: Steps) -> Course:
    course = one.begin()
    with Progress(100, "test") as progress:
        one.run(course, progress, Finishing())
    return course


def test_the_best_is_where_the_smoothed_loss_was_lowest(tmp_path):
    losses = [1.0] * 12 + [0.5] * 12 + [0.9] * 12
    course = run(steps(tmp_path, losses))
    assert course.done == 36 and course.best == pytest.approx(0.5)
    store = Checkpoints(tmp_path / "c")
    template = ({"steps": jnp.zeros(())}, {"none": jnp.zeros(())})
    (trained, _), facts = store.restore(template, best=True)
    assert 22 <= facts["step"] <= 24 and trained["steps"] == facts["step"]
    assert store.restore(template)[1]["step"] == 36


def test_a_loss_that_rises_far_beyond_its_start_ends_the_run(tmp_path):
    with pytest.raises(RunFailed, match=r"step \d+: the loss has risen to .* the checkpoint of step \d+ is kept"):
        run(steps(tmp_path, [0.4] * 15 + [9.0] * 15))


def test_noise_is_no_divergence_and_a_curriculum_may_rise(tmp_path):
    assert run(steps(tmp_path, [0.4, 2.0] * 10)).done == 20
    rising = [0.05] * 10 + [2.0] * 30
    assert run(steps(tmp_path / "ramp", rising, power_start=8.0)).done == 40
    with pytest.raises(RunFailed):
        run(steps(tmp_path / "no-ramp", rising))


def test_no_number_ends_the_run_at_that_step(tmp_path):
    with pytest.raises(
        RunFailed, match=r"step 3: the loss or its gradient is no number; .* checkpoint of step 3 is kept"
    ):
        run(steps(tmp_path, [0.4, 0.4, 0.4, math.nan]))
    with pytest.raises(RunFailed, match="there was no checkpoint yet"):
        run(steps(tmp_path / "first", [math.nan]))
