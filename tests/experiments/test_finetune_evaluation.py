import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.errors import Stopped
from experiments.evaluation import DigitalModel
from experiments.finetune_evaluation import FACTORS, Judge
from experiments.finetune_signals import Finishing
from experiments.language_task import LanguageModelling
from experiments.progress import Progress
from experiments.runs import PointStore
from experiments.text import Sample
from tests.calibration.light import lit
from tests.models.transformer.tiny_folder import TINY, tiny_model


@pytest.fixture
def judge(tmp_path):
    _, engine = lit()
    tokens = [int(one) for one in np.random.default_rng(1).integers(0, TINY.vocabulary, 48)]
    task = LanguageModelling(None, Sample(tokens[:32], tokens[32:]), 16)
    return Judge(task, DigitalModel.of(tiny_model(TINY)), engine, 2, 2, PointStore(tmp_path / "points", "stamp"))


def rows(judge, model, wish=None):
    with Progress(12, "test") as progress:
        return judge.optical("arm", model, progress, wish or Finishing())


def test_the_original_is_no_distance_from_itself(judge):
    told = judge.digital(judge.original.copy())
    assert told["kl_nats"] == pytest.approx(0.0, abs=1e-6) and told["top1_agreement"] == 1.0


def test_every_machine_and_seed_is_a_run_of_its_own_and_less_light_is_worse(judge):
    told = rows(judge, lit()[0])
    assert [row["laser_power_factor"] for row in told] == list(FACTORS)
    assert len({run["kl_nats"] for row in told for run in row["runs"]}) == 12
    assert told[0]["kl_nats"] < told[1]["kl_nats"] < told[2]["kl_nats"]


def test_finished_points_are_not_computed_again(judge, monkeypatch):
    first = rows(judge, lit()[0])
    monkeypatch.setattr(Judge, "_noisy", None)
    assert rows(judge, lit()[0]) == first


def test_who_is_asked_to_stop_does_so_between_points(judge):
    with pytest.raises(Stopped) as stop:
        rows(judge, lit()[0], Finishing(requested=15))
    assert stop.value.status == 143


def test_what_is_set_in_a_copy_is_not_set_in_the_original(judge):
    copy = judge.original.copy()
    nnx.update(copy, jax.tree.map(jnp.zeros_like, nnx.state(copy)))
    assert not any(jnp.any(leaf) for leaf in jax.tree.leaves(nnx.state(copy)))
    assert all(jnp.any(leaf) for leaf in jax.tree.leaves(nnx.state(judge.original.copy())))
