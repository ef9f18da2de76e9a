"""Steps of a training: they learn, they repeat themselves bit for bit, and they are compiled once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from calibration.adaptation import Adaptation
from calibration.distillation import Distillation, hidden_distance
from calibration.operating_points import OperatingPoints
from calibration.optimiser import Optimiser
from calibration.training import Training
from photonics.layers import Ranges
from tests.calibration.light import TOKENS, lit
from tests.models.transformer.tiny_folder import TINY, tiny_model

BATCH = jax.random.randint(jax.random.key(5), (1, 4, 9), 0, TINY.vocabulary)


def training(*, digital: bool = False, **changed) -> Training:
    student, engine = (tiny_model(TINY), None) if digital else lit()
    settings = {
        "adaptation": Adaptation(rank=4, learn_ranges=not digital),
        "distillation": Distillation(),
        "points": OperatingPoints(0.003, spread=0.2),
        "optimiser": Optimiser(1e-2, 1e-2, 30, schedule="constant").transformation(),
    }
    return Training(student, tiny_model(TINY), engine, **{**settings, **changed})


def steps(one: Training, count: int, tokens=BATCH, start: int = 0, state=None):
    trained, moments = one.begin() if state is None else state
    told = []
    for number in range(start, start + count):
        trained, moments, progress = one.step(trained, moments, number, tokens)
        told.append(progress)
    return (trained, moments), told


def equal(one, other) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True))


@pytest.fixture(scope="module")
def common() -> Training:
    return training()


def test_one_batch_is_learnt(common):
    _, told = steps(common, 30)
    losses = [float(one.loss_nats) for one in told]
    # Every step has noise of its own: means of five.
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    assert all(float(one.loss_nats) == float(one.divergence_nats) for one in told)
    powers = [float(one.laser_power_w) for one in told]
    assert len(set(powers)) == 30 and min(powers) > 0.003 / 1.3 and max(powers) < 0.003 * 1.3


def test_going_on_is_never_having_stopped(common):
    whole, _ = steps(common, 4)
    half, _ = steps(common, 2)
    # Through memory and back, as a checkpoint goes.
    half = jax.tree.map(lambda leaf: jnp.asarray(np.array(leaf)), half)
    again, _ = steps(training(), 2, start=2, state=half)
    assert equal(whole, again)


def test_steps_differ_in_their_noise(common):
    # The same numbers and tokens, another step: another draw.
    losses = [float(steps(common, 1, start=number)[1][0].loss_nats) for number in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_it_is_compiled_once(common):
    steps(common, 2)
    before = common._step._cache_size()
    steps(common, 2, start=7)
    assert before == common._step._cache_size() == 1


def test_parts_are_averaged():
    one = training(digital=True, distillation=Distillation(share=0.0))
    trained, moments = one.begin()
    whole = one.step(trained, moments, 0, BATCH)
    trained, moments = one.begin()
    parts = one.step(trained, moments, 0, BATCH.reshape(2, 2, 9))
    assert float(parts[2].loss_nats) == pytest.approx(float(whole[2].loss_nats), rel=1e-5)
    assert float(parts[2].gradient_norm) == pytest.approx(float(whole[2].gradient_norm), rel=1e-4)


def test_without_light_the_text_is_learnt():
    one = training(digital=True, distillation=Distillation(share=0.0))
    (trained, _), told = steps(one, 20)
    assert float(told[-1].cross_entropy_nats) < 0.8 * float(told[0].cross_entropy_nats)
    assert float(told[-1].divergence_nats) == 0.0
    tuned = nnx.jit(lambda model: model(TOKENS), graph_updates=False)(one.tuned(trained))
    assert not np.allclose(tuned, nnx.jit(lambda model: model(TOKENS), graph_updates=False)(tiny_model(TINY)))


def test_a_tuned_model_is_the_students_and_leaves_it_alone(common):
    (trained, _), _ = steps(common, 1)
    # Adapters and ranges would both act twice, were they put into the student itself.
    one, other = (nnx.state(common.tuned(trained), (nnx.Param, Ranges)) for _ in range(2))
    assert equal(one, other) and not equal(one, nnx.state(lit()[0], (nnx.Param, Ranges)))


def test_a_step_that_is_no_number_changes_nothing():
    one = training(digital=True, distillation=Distillation(share=0.0))
    trained, moments = one.begin()
    trained["low_rank"]["layers/mlp/down"]["b"] = jnp.full_like(trained["low_rank"]["layers/mlp/down"]["b"], jnp.inf)
    kept = jax.tree.map(np.array, (trained, moments))
    with jax.debug_nans(False):
        after = one.step(trained, moments, 0, BATCH)
    assert not np.isfinite(float(after[2].loss_nats))
    assert equal(after[:2], kept)


def test_hidden_states_take_part():
    (trained, _), _ = steps(training(digital=True, distillation=Distillation(share=0.0)), 3)
    one = training(digital=True, distillation=Distillation(hidden=2.0))
    hidden = nnx.jit(lambda model: model.hidden(BATCH[0]), graph_updates=False)
    expected = float(hidden_distance(hidden(tiny_model(TINY)), hidden(one.tuned(trained))))
    _, (told,) = steps(one, 1, state=(trained, _moments(trained)))
    assert expected > 0.0
    assert float(told.loss_nats - told.divergence_nats) == pytest.approx(2.0 * expected, rel=1e-3)


def test_ranges_are_pulled_down():
    # Scales per token: an activation range has no gradient of its own there, so that only the pull moves it.
    plain, pulled = (
        steps(training(range_decay=decay, adaptation=Adaptation("ranges")), 1)[0][0]["ranges"]["layers/mlp/down"]
        for decay in (0.0, 1.0)
    )
    assert np.all(np.asarray(plain["activation"]) == 0.0) and np.any(np.asarray(plain["adc"]) != 0.0)
    assert np.all(np.asarray(pulled["activation"]) < 0.0)


@pytest.mark.parametrize(
    ("method", "clipping"), [("lora", "percentile"), ("full", "learned"), ("ranges", "percentile")]
)
def test_a_method_moves_what_it_trains_and_nothing_else(method, clipping):
    adaptation = Adaptation(method, rank=2, learn_gains=True, clipping=clipping, clip_percentile=90.0)
    one = training(adaptation=adaptation)
    before = jax.tree.map(np.array, one.begin()[0])
    (after, _), _ = steps(one, 2)
    moved = {name: not equal(before[name], after[name]) for name in after}
    assert moved.pop("clips") == (clipping == "learned")
    weights = {"lora": {"low_rank"}, "full": {"weights"}, "ranges": set()}[method]
    assert set(moved) == {"ranges", "gains", *weights} and all(moved.values())


def _moments(trained):
    return Optimiser(1e-2, 1e-2, 30, schedule="constant").transformation().init(trained)
