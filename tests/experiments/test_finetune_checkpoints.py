import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.errors import RequestError
from experiments.finetune_checkpoints import Checkpoints


def state(value: float):
    trained = {"low_rank": {"layers/mlp/down": {"a": jnp.full((2, 3), value)}}}
    return trained, optax.adamw(1e-3).init(trained)


def test_nothing_is_there_before_the_first(tmp_path):
    assert Checkpoints(tmp_path / "c").restore(state(0.0)) is None
    assert Checkpoints(tmp_path / "c").steps() == []


def test_the_last_and_the_best_come_back_bit_for_bit(tmp_path):
    store = Checkpoints(tmp_path / "c")
    for step, best in ((1, False), (2, True), (3, False)):
        store.save(step, state(step / 3), {"step": step, "best_loss_nats": None}, best=best)
    last, facts = Checkpoints(tmp_path / "c").restore(state(0.0))
    assert facts == {"step": 3, "best_loss_nats": None} and store.steps() == [3]
    for one, other in zip(jax.tree.leaves(last), jax.tree.leaves(state(1.0)), strict=True):
        np.testing.assert_array_equal(one, other)
    assert jax.tree.structure(last) == jax.tree.structure(state(0.0))
    assert store.restore(state(0.0), best=True)[1]["step"] == 2


def test_a_torn_one_is_not_seen(tmp_path):
    store = Checkpoints(tmp_path / "c")
    store.save(1, state(1.0), {"step": 1}, best=False)
    # As a kill leaves it: the folder under its temporary name.
    (tmp_path / "c" / "last" / "2.orbax-checkpoint-tmp").mkdir()
    (tmp_path / "c" / "last" / "2.orbax-checkpoint-tmp" / "state").mkdir()
    assert store.restore(state(0.0))[1] == {"step": 1}


def test_those_of_another_run_are_refused(tmp_path):
    store = Checkpoints(tmp_path / "c")
    store.save(1, state(1.0), {"step": 1}, best=False)
    with pytest.raises(RequestError, match="of another run"):
        store.restore({"other": jnp.zeros(2)})
