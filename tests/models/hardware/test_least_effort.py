import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.hardware import least_effort
from models.hardware.least_effort import LIMIT, Joint, together
from models.hardware.roadmap import Roadmap, build_roadmap
from models.hardware.roadmap_file import read_roadmap_file

ADC, MEMORY, RATE = "adc.walden_fom_j", "memory.near_energy_j_per_byte", "operating_point.symbol_rate_hz"
LASER, PUE, OP = "source.slope_efficiency", "facility.power_usage_effectiveness", "digital.op_energy_j"
PATHS, KEY, COUNT = (ADC, MEMORY, RATE, LASER, PUE), jax.random.key(4), 10_000
ELASTICITIES = {ADC: -0.5, MEMORY: -0.2, OP: -0.1}


@pytest.fixture(scope="module")
def roadmap() -> Roadmap:
    file = read_roadmap_file()
    return build_roadmap(dataclasses.replace(file, parameters={path: file.parameters[path] for path in PATHS}))


@pytest.fixture(scope="module")
def unbounded() -> Roadmap:
    """Without floors: u is the logarithm."""
    file = read_roadmap_file()
    parameters = {path: dataclasses.replace(file.parameters[path], floor=None) for path in ELASTICITIES}
    return build_roadmap(dataclasses.replace(file, parameters=parameters))


def linear(values):
    return 3.0 + sum(slope * jnp.log(values[path] / 1e-14) for path, slope in ELASTICITIES.items())


def energies(values):
    """Energy per operation of a toy machine: a sum of reciprocals, best at some symbol rate."""
    rate = values[RATE] / 2e9
    light = 2e-15 / values[LASER] * (rate + 1.0 / rate)
    return -jnp.log((3.0 * values[ADC] + 1e-2 * values[MEMORY] + light) * values[PUE])


def sampled(measure, roadmap, steps=None, count=COUNT, year=2029) -> np.ndarray:
    """The moved sample, by other means than those of the solver."""
    shift = None if steps is None else jnp.asarray(np.asarray(steps) * roadmap.spread(year), jnp.float32)
    values = roadmap.trajectories(roadmap.deviates(KEY, count), [year], shift)
    return np.asarray(jax.vmap(measure)({path: one[0] for path, one in values.items()}))


def in_order(joint: Joint, roadmap: Roadmap) -> np.ndarray:
    return np.array([joint.steps[path] for path in roadmap.paths])


@pytest.fixture(scope="module")
def target(roadmap) -> float:
    return float(np.median(sampled(energies, roadmap))) + 0.5


@pytest.fixture(scope="module")
def joints(roadmap, target) -> dict[float, Joint]:
    return {p: together(energies, roadmap, 2029, KEY, COUNT, target, p) for p in (0.5, 0.9)}


@pytest.mark.parametrize("probability", [0.5, 0.9])
def test_a_power_law_has_a_closed_form(unbounded, probability):
    """Steps are as elasticity times spread, and the sample only moves: its quantile tells how far."""
    slopes = np.array([ELASTICITIES[path] for path in unbounded.paths]) * unbounded.spread(2029)
    start = np.quantile(sampled(linear, unbounded), 1.0 - probability, method="higher")
    target = float(start) + 0.8
    found = together(linear, unbounded, 2029, KEY, COUNT, target, probability)
    assert found.reached and found.iterations <= 3
    # Half a tenth of a point of probability is left by the bisection, and float32.
    assert found.effort == pytest.approx(0.8 / np.linalg.norm(slopes), rel=5e-3)
    np.testing.assert_allclose(in_order(found, unbounded), found.effort * slopes / np.linalg.norm(slopes), rtol=1e-2)
    assert found.residual < 1e-2
    for path, step in found.steps.items():
        spread = unbounded.spread(2029)[unbounded.paths.index(path)]
        assert found.factors[path] == pytest.approx(math.exp(step * spread), rel=1e-4)


@pytest.mark.parametrize("probability", [0.5, 0.9])
def test_the_probability_is_achieved(roadmap, target, joints, probability):
    found = joints[probability]
    moved = sampled(energies, roadmap, in_order(found, roadmap))
    # Float32 may put one sample on the other side.
    assert np.mean(moved >= target) == pytest.approx(found.probability, abs=2e-4)
    assert found.reached and probability - 1e-6 <= found.probability <= probability + 5e-3
    assert math.log(found.op_per_j) == pytest.approx(target, abs=5e-3)
    assert list(map(abs, found.steps.values())) == sorted(map(abs, found.steps.values()), reverse=True)
    median = roadmap.median(2029)
    assert all(found.values[path] == pytest.approx(found.factors[path] * float(median[path])) for path in PATHS)
    assert found.effort == pytest.approx(np.linalg.norm(list(found.steps.values())))


@pytest.mark.parametrize("probability", [0.5, 0.9])
def test_no_other_change_is_shorter(roadmap, target, joints, probability):
    """Karush, Kuhn and Tucker: the steps are along the gradient of the quantile, here by differences."""
    steps = in_order(joints[probability], roadmap)

    def quantile(at):
        return np.quantile(sampled(energies, roadmap, at), 1.0 - probability)

    size = 0.25
    gradient = np.array([quantile(steps + size * e) - quantile(steps - size * e) for e in np.eye(len(steps))])
    # A quantile of 10,000 samples, over half a spread, and the third derivative: a few percent of each component.
    assert gradient @ steps / np.linalg.norm(gradient) / np.linalg.norm(steps) > 0.997
    assert joints[probability].residual < 2e-2
    random = np.random.default_rng(0)
    for size in (0.1, 0.3, 1.0):
        for _ in range(8):
            other = steps + size * random.standard_normal(len(steps))
            other *= 0.985 * np.linalg.norm(steps) / np.linalg.norm(other)
            assert np.mean(sampled(energies, roadmap, other) >= target) < probability


def test_more_certainty_takes_more_effort(joints):
    assert joints[0.9].effort > joints[0.5].effort + 0.3
    assert joints[0.5].steps[ADC] < 0.0 < joints[0.5].steps[LASER] and joints[0.5].steps[RATE] > 0.0


def test_only_the_key_decides_and_it_compiles_once(roadmap, target, joints):
    before = least_effort._moved._cache_size()
    assert together(energies, roadmap, 2029, KEY, COUNT, target, 0.5) == joints[0.5]
    other = together(energies, roadmap, 2029, jax.random.key(5), COUNT, target - 0.1, 0.7)
    assert other.reached and other.steps != joints[0.5].steps
    assert least_effort._moved._cache_size() == before


def test_what_the_roadmap_gives_takes_no_steps(roadmap, target):
    found = together(energies, roadmap, 2029, KEY, COUNT, target - 1.0, 0.5)
    assert found.reached and found.effort == 0.0 and found.probability > 0.5 and found.iterations == 0
    assert set(found.steps.values()) == {0.0} and set(found.factors.values()) == {1.0}
    assert len(least_effort.path(energies, roadmap, 2029, KEY, COUNT, target - 1.0)) == 1


def test_a_forbidden_target_is_not_reached(roadmap):
    """A bound of the measure that no parameter moves: 1 fJ/op of something else."""

    def bounded(values):
        return -jnp.log(1e-15 + jnp.exp(-energies(values)))

    found = together(bounded, roadmap, 2029, KEY, 1000, math.log(1.1e15), 0.9)
    assert not found.reached and found.probability == 0.0 and 1e14 < found.op_per_j < 1e15
    assert max(map(abs, found.steps.values())) <= LIMIT
    shown = least_effort.path(bounded, roadmap, 2029, KEY, 1000, math.log(1.1e15), points=4)
    assert [one.reached for one in shown] == [True] * (len(shown) - 1) + [False]


def test_samples_without_a_finite_measure_are_misses(roadmap, target):
    def fails(values):
        return jnp.where(values[MEMORY] > 8e-13, -jnp.inf, energies(values))

    found = together(fails, roadmap, 2029, KEY, 2000, target, 0.8)
    assert found.reached and 0.8 - 1e-6 <= found.probability <= 0.805
    never = together(lambda values: jnp.full_like(values[ADC], -jnp.inf), roadmap, 2029, KEY, 10, target, 0.5)
    assert not never.reached and never.op_per_j == 0.0 and never.effort == 0.0


def test_a_certain_roadmap_takes_no_steps_that_have_no_size(roadmap, target):
    fields = ("below", "above", "rate_below", "rate_above")
    certain = dataclasses.replace(roadmap, **{field: jnp.zeros(len(PATHS)) for field in fields})
    found = together(energies, certain, 2029, KEY, 100, target, 0.5)
    assert not found.reached and found.effort == 0.0 and found.probability == 0.0


def test_the_path_is_of_least_effort_everywhere(roadmap, target, joints):
    found = least_effort.path(energies, roadmap, 2029, KEY, COUNT, target, points=5)
    start = float(np.quantile(sampled(energies, roadmap), 0.5, method="higher"))
    targets = [math.log(one.target_op_per_j) for one in found]
    np.testing.assert_allclose(targets, np.linspace(start, target, 5), atol=1e-5)
    efforts = [one.effort for one in found]
    assert efforts[0] == 0.0 and all(one.reached for one in found)
    # From wherever one starts; and each step costs more than the last, because the cheapest go first.
    assert efforts[-1] == pytest.approx(joints[0.5].effort, rel=2e-3)
    assert np.all(np.diff(efforts, 2) > -0.02)


def test_gradients_of_large_samples_are_right(roadmap):
    """Sums over a middle axis go wrong from 16,385 samples on in some versions of XLA."""
    n, count = len(PATHS), 20_000
    problem = least_effort._problem(energies, roadmap, 2029, KEY, count, 0.5)
    steps = np.linspace(-1.0, 1.0, n)
    point = problem.at(steps, 30.0)
    for i, e in enumerate(np.eye(n)):
        ends = [problem.at(steps + sign * 0.05 * e, 30.0).smooth for sign in (-1.0, 1.0)]
        # Float32 at 33 over 0.1 spreads: 4e-5.
        assert point.gradient[i] == pytest.approx((ends[1] - ends[0]) / 0.1, rel=1e-2, abs=4e-4)


def test_what_cannot_be_asked_is_refused(roadmap):
    with pytest.raises(ValueError, match=r"probability is 1\.0"):
        together(energies, roadmap, 2029, KEY, 10, 30.0, 1.0)
    with pytest.raises(ValueError, match="count is 0"):
        together(energies, roadmap, 2029, KEY, 0, 30.0, 0.5)
    with pytest.raises(ValueError, match="target_log is inf"):
        together(energies, roadmap, 2029, KEY, 10, math.inf, 0.5)
    with pytest.raises(ValueError, match="points is 1"):
        least_effort.path(energies, roadmap, 2029, KEY, 10, 30.0, points=1)
