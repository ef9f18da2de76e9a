"""Light between layers: what it costs, the budget however theta stands, lids, gradients, and that learning it pays."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from calibration.distillation import divergence_nats
from calibration.light_allocation import (
    LightCosts,
    _shares,
    install,
    layer_rules,
    light_costs,
    powers_w,
    report,
    uniform,
)
from photonics.contractions import count_contractions
from photonics.engine import Engine
from photonics.layers import Panel, load_panels, measure, opticalize, reseed
from photonics.layers.opticalize import optical_seams
from photonics.work import Work
from tests.calibration.light import TOKENS, engine, lit
from tests.models.transformer.tiny_folder import TINY, tiny_model

POWER_W = 3e-3
# Converters without rounding steps, so that differences of the loss are those of its derivative.
SMOOTH = ("dac.ideal=true", "adc.ideal=true", "panel.ideal=true")
# Dim enough that shot and readout noise, not converters, are what is lost.
DIM_W = 1e-3


def work() -> Work:
    return count_contractions(tiny_model(TINY), jax.ShapeDtypeStruct(TOKENS.shape, jnp.int32))


@pytest.fixture(scope="module")
def made() -> tuple[Any, Engine, LightCosts]:
    model, under = lit()
    return model, under, light_costs(model, under, work(), TOKENS.size)


def fresh(graph: Any, state: Any) -> Any:
    """A module with Variables of its own, which may be set inside a derivative."""
    return nnx.merge(graph, jax.tree.map(lambda leaf: leaf, state))


def copy(model: Any) -> Any:
    return fresh(*nnx.split(model))


def scattered(costs: LightCosts, seed: int, spread: float = 1.0) -> dict[str, jax.Array]:
    random = np.random.default_rng(seed)
    start = uniform(costs)
    return {path: one + spread * random.standard_normal(one.shape).astype(np.float32) for path, one in start.items()}


def from_scratch_j(model: Any, under: Engine, counted: Work) -> float:
    """Energy per token of a model as it stands: each layer's own power, each layer's own work."""
    records, energy_j, named = counted.expand(), [], set()
    for seam in optical_seams(model):
        held: Any = seam.dot().hardware[0].get_value()
        choice = np.atleast_1d(seam.dot().choice[...]) if seam.dot().digital else np.ones(len(seam.names))
        powers = np.atleast_1d(np.asarray(held.operating_point.laser_power_w))
        for name, power, chosen in zip(seam.names, powers, choice, strict=True):
            if chosen:
                own = records.select(lambda one, name=name: one.name == name)
                energy_j.append(float(under.at(laser_power_w=float(power)).cost(own).total_energy_j))
                named.add(name)
    left = records.select(lambda one: one.name not in named)
    digital = sorted({f"^{one.name}$" for one in left if one.weights})
    energy_j.append(float(under.cost(left, digital=digital).total_energy_j))
    return math.fsum(energy_j) / TOKENS.size


def light_from_scratch_j(model: Any, under: Engine, counted: Work, powers: dict[str, jax.Array]) -> float:
    """What of it the lasers take: nearly all of a token's energy on so small an engine is its host's."""
    changed = copy(model)
    install(changed, powers)
    lit_j = from_scratch_j(changed, under, counted)
    install(changed, jax.tree.map(jnp.zeros_like, powers))
    return lit_j - from_scratch_j(changed, under, counted)


def loss_of(model: Any, costs: LightCosts, budget_j: float) -> Any:
    """KL to the digital model, a function of theta and a key."""
    teacher = tiny_model(TINY)(TOKENS)
    graph, state = nnx.split(model)

    def kl(theta, key):
        student = fresh(graph, state)
        install(student, powers_w(theta, costs, budget_j))
        reseed(student, jax.random.split(key, len(TOKENS)))
        return divergence_nats(teacher, student(TOKENS))

    return kl


# What it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("power_w", [1e-3, 3e-2])
def test_equal_powers_cost_what_the_engine_says_of_the_whole(made, power_w):
    _, under, costs = made
    whole_j = float(under.at(laser_power_w=power_w).cost(work()).total_energy_j) / TOKENS.size
    # Light is a difference of float32 sums.
    assert costs.energy_j(dict.fromkeys(costs.names, power_w)) == pytest.approx(whole_j, rel=1e-5, abs=0.0)


def test_light_is_charged_through_wall_plug_and_supply(made):
    """By hand: tiles, passes over rate, slope efficiency, bias of the detectors, loss of the supply."""
    _, under, costs = made
    tiles, passes = 1 * 1, 2
    laser_w = under.source.count / under.source.slope_efficiency
    time_s = passes / under.operating_point.symbol_rate_hz / under.system.utilisation
    lasers_j = tiles * laser_w * time_s / under.system.power_supply_efficiency
    each = float(costs.energy_j_per_w["layers/attention/query"][0])
    assert lasers_j < each < 1.02 * lasers_j
    # Two tiles of inputs: twice the light; five of outputs: five times.
    assert costs.energy_j_per_w["layers/mlp/down"][0] == pytest.approx(2 * each, rel=1e-5, abs=0.0)
    assert costs.energy_j_per_w["head"] == pytest.approx(5 * each, rel=1e-5, abs=0.0)


def test_uniform_theta_gives_equal_powers(made):
    _, _, costs = made
    budget_j = costs.energy_j(dict.fromkeys(costs.names, POWER_W))
    for power in powers_w(uniform(costs), costs, budget_j).values():
        np.testing.assert_allclose(power, POWER_W, rtol=2e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("power_w", [1e-3, 6e-2])
def test_the_budget_is_met_whatever_theta_is(made, seed, power_w):
    """Recomputed from the powers that stand in the layers; at 60 of 100 mW some layers are at their limit."""
    model, under, costs = made
    budget_j = costs.energy_j(dict.fromkeys(costs.names, power_w))
    powers = powers_w(scattered(costs, seed), costs, budget_j)
    every = np.concatenate([np.ravel(one) for one in powers.values()])
    assert every.max() <= costs.power_max_w * (1 + 1e-5)
    assert every.max() > 2 * every.min() > 0.0
    assert np.any(every > costs.power_max_w * (1 - 1e-5)) == (power_w > 1e-2)
    light_j = budget_j - costs.fixed_energy_j
    # The light alone, a small difference of energies that are known to float32: 1e-7 of 300 times the light at 1 mW.
    assert light_from_scratch_j(model, under, work(), powers) == pytest.approx(light_j, rel=1e-3, abs=0.0)
    # The comparison can fail: other powers have another energy.
    more = {path: 1.02 * power for path, power in powers.items()}
    assert light_from_scratch_j(model, under, work(), more) == pytest.approx(1.02 * light_j, rel=1e-3, abs=0.0)


def test_digital_layers_take_no_light():
    under, model = engine(), tiny_model(TINY)
    opticalize(model, under, rules=[("layers/0/mlp|head", None), (".*", under)], rngs=nnx.Rngs(noise=0))
    costs = light_costs(model, under, work(), TOKENS.size)
    assert "head" not in costs.names
    assert costs.energy_j_per_w["layers/mlp/down"][0] == 0.0 < costs.energy_j_per_w["layers/mlp/down"][1]
    budget_j = costs.energy_j(dict.fromkeys(costs.names, POWER_W))
    whole = under.at(laser_power_w=POWER_W).cost(work(), digital=["layers/0/mlp", "head"])
    assert budget_j == pytest.approx(float(whole.total_energy_j) / TOKENS.size, rel=1e-5, abs=0.0)
    powers = powers_w(scattered(costs, 0), costs, budget_j)
    assert powers["layers/mlp/down"][0] == 0.0
    install(model, powers)
    assert from_scratch_j(model, under, work()) == pytest.approx(budget_j, rel=1e-5, abs=0.0)
    assert len(report(costs, powers)) == 2 * 7 - 3
    held: Any = next(seam for seam in optical_seams(model) if "layers/0/mlp/down" in seam.names).dot().hardware[0]
    assert held.get_value().operating_point.laser_power_w[0] == under.operating_point.laser_power_w


# Lids -------------------------------------------------------------------------------------------------------------


def by_bisection(theta: np.ndarray, lids: np.ndarray) -> np.ndarray:
    low, high = -200.0, 200.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.sum(np.minimum(lids, np.exp(middle + theta))) < 1.0 else (low, middle)
    return np.minimum(lids, np.exp(low + theta))


@pytest.mark.parametrize("room", [1.0001, 1.1, 2.0, 30.0])
def test_shares_are_filled_up_to_their_lids(room):
    for seed in range(5):
        random = np.random.default_rng(seed)
        theta, lids = 3 * random.standard_normal(12), random.uniform(0.2, 1.0, 12)
        lids *= room / lids.sum()
        found = _shares(jnp.asarray(theta, jnp.float32), jnp.asarray(lids, jnp.float32))
        np.testing.assert_allclose(found, by_bisection(theta, lids), rtol=1e-4, atol=2e-6)


def test_shares_far_apart_stay_finite():
    theta = jnp.asarray([300.0, 0.0, -300.0])
    found, gradient = jax.value_and_grad(lambda theta: _shares(theta, jnp.full(3, 0.6))[1])(theta)
    assert found == pytest.approx(0.4, rel=1e-6)
    assert jnp.all(jnp.isfinite(gradient))


def test_gradients_of_shares_are_those_of_differences():
    theta, lids = jnp.asarray([1.0, 0.3, -0.5, 0.0]), jnp.asarray([0.3, 0.9, 0.8, 0.4])
    assert _shares(theta, lids)[0] == pytest.approx(0.3)
    exact = jax.jacobian(_shares)(theta, lids)
    step = 1e-2
    for index in range(4):
        ahead, back = (_shares(theta.at[index].add(sign * step), lids) for sign in (1, -1))
        # Of shares below 1: third derivatives of a softmax times step^2 / 6, and float32 over 2 steps.
        np.testing.assert_allclose(exact[:, index], (ahead - back) / (2 * step), atol=3e-5)
    np.testing.assert_array_equal(exact[0], 0.0)
    np.testing.assert_array_equal(exact[:, 0], 0.0)


# What is refused ----------------------------------------------------------------------------------------------------


def test_budgets_that_cannot_be_met_are_refused(made):
    _, _, costs = made
    theta = uniform(costs)
    for budget_j in (0.0, costs.fixed_energy_j, math.nan):
        with pytest.raises(ValueError, match=f"everything else takes {costs.fixed_energy_j:.6g} J"):
            powers_w(theta, costs, budget_j)
    with pytest.raises(ValueError, match=f"at its 0.1 W a token takes {costs.largest_energy_j:.6g} J"):
        powers_w(theta, costs, costs.largest_energy_j * 1.001)
    full = powers_w(scattered(costs, 1), costs, costs.largest_energy_j)
    for power in full.values():
        np.testing.assert_allclose(power, costs.power_max_w, rtol=1e-4)
    with pytest.raises(ValueError, match="one number for each layer"):
        powers_w({path: one for path, one in theta.items() if path != "head"}, costs, 2 * costs.fixed_energy_j)


def test_models_and_works_that_do_not_fit_are_refused(made):
    model, under, costs = made
    with pytest.raises(ValueError, match="no optical products"):
        light_costs(tiny_model(TINY), under, work(), TOKENS.size)
    with pytest.raises(ValueError, match="no product of layer head"):
        light_costs(model, under, work().select(lambda one: one.name != "head"), TOKENS.size)
    with pytest.raises(ValueError, match="do not belong together: head"):
        install(copy(model), {path: jnp.ones(()) for path in costs.names if path != "head"})
    stepped = dataclasses.replace(costs, energy_j_per_w={**costs.energy_j_per_w, "head": np.zeros(2)})
    with pytest.raises(ValueError, match="one number for each layer"):
        powers_w(uniform(costs), stepped, 2 * costs.fixed_energy_j)


# Under a model ------------------------------------------------------------------------------------------------------


def test_installed_powers_are_those_of_rules():
    under, installed, ruled = engine(), tiny_model(TINY), tiny_model(TINY)
    opticalize(installed, under, rngs=nnx.Rngs(noise=0))
    costs = light_costs(installed, under, work(), TOKENS.size)
    powers = powers_w(scattered(costs, 2), costs, costs.energy_j(dict.fromkeys(costs.names, POWER_W)))
    install(installed, powers)
    opticalize(ruled, under, rules=layer_rules(costs, powers, under), rngs=nnx.Rngs(noise=0))
    held = [[seam.dot().hardware[0].get_value() for seam in optical_seams(model)] for model in (installed, ruled)]
    jax.tree.map(np.testing.assert_array_equal, *held)
    every = [float(power) for one in held[0] for power in np.ravel(one.operating_point.laser_power_w)]
    assert len(set(every)) == 2 * 7 + 1


def test_one_compilation_serves_all_powers(made):
    model, _, costs = made
    traces, (graph, state) = [], nnx.split(model)

    @jax.jit
    def call(theta):
        traces.append(1)
        student = fresh(graph, state)
        install(student, powers_w(theta, costs, costs.energy_j(dict.fromkeys(costs.names, POWER_W))))
        return student(TOKENS)

    first, second = call(scattered(costs, 0)), call(scattered(costs, 1))
    assert len(traces) == 1
    assert jnp.max(jnp.abs(first - second)) > 1e-3


def test_loaded_panels_do_not_depend_on_the_light_on_them(made):
    model, _, costs = made
    panels = []
    for seed in range(2):
        changed = copy(model)
        install(changed, powers_w(scattered(costs, seed), costs, costs.energy_j(dict.fromkeys(costs.names, POWER_W))))
        load_panels(changed)
        panels.append(jax.tree.leaves(nnx.state(changed, Panel)))
    assert len(panels[0]) > 8
    for one, other in zip(*panels, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_table_adds_up_and_shows_the_light(made):
    model, _, costs = made
    budget_j = costs.energy_j(dict.fromkeys(costs.names, POWER_W))
    powers = powers_w(scattered(costs, 4), costs, budget_j)
    changed = copy(model)
    install(changed, powers)
    rows = report(costs, powers, measure(changed, lambda called: called(TOKENS)))
    assert [row.name for row in rows][:2] == ["head", "layers/0/attention/key"]
    total_j = costs.digital_energy_j + math.fsum(row.energy_per_token_j for row in rows)
    assert total_j == pytest.approx(budget_j, rel=1e-5, abs=0.0)
    light_j = math.fsum(row.light_energy_per_token_j for row in rows)
    assert light_j == pytest.approx(budget_j - costs.fixed_energy_j, rel=1e-5, abs=0.0)
    by_name = {row.name: row for row in rows}
    # Electrons follow the power: two layers of the same shape, whose drives differ by less than half.
    one, other = by_name["layers/0/mlp/up"], by_name["layers/1/mlp/up"]
    assert one.electrons_per_mac and other.electrons_per_mac
    ratio = one.electrons_per_mac / other.electrons_per_mac * other.laser_power_w / one.laser_power_w
    assert 0.67 < ratio < 1.5
    assert report(costs, powers)[0].electrons_per_mac is None


@pytest.fixture(scope="module")
def learning() -> tuple[Any, Engine, LightCosts, float, Any]:
    """A dim model, what light costs in it, a budget, and (KL, gradient) of theta and key, compiled once."""
    model, under = lit(*SMOOTH, f"operating_point.laser_power_w={DIM_W}")
    costs = light_costs(model, under, work(), TOKENS.size)
    budget_j = costs.energy_j(dict.fromkeys(costs.names, DIM_W))
    return model, under, costs, budget_j, jax.jit(jax.value_and_grad(loss_of(model, costs, budget_j)))


def test_gradients_of_the_loss_are_those_of_differences(learning):
    """Same draws on both sides; along the gradient, and for single layers."""
    _, _, costs, _, kl = learning
    theta, key, step = scattered(costs, 5, 0.3), jax.random.key(11), 0.03
    _, gradient = kl(theta, key)

    def difference(direction):
        ahead, back = (jax.tree.map(lambda a, b, s=s: a + s * step * b, theta, direction) for s in (1, -1))
        return float(kl(ahead, key)[0] - kl(back, key)[0]) / (2 * step)

    norm = math.sqrt(sum(float(jnp.sum(one**2)) for one in gradient.values()))
    along = jax.tree.map(lambda one: one / norm, gradient)
    assert difference(along) == pytest.approx(norm, rel=0.02)
    for path in ("head", "layers/mlp/down", "layers/attention/value"):
        single = jax.tree.map(jnp.zeros_like, theta)
        single[path] = jnp.ones_like(single[path])
        # Rounding of the loss to float32 over two steps stands in `abs`.
        expected = float(jnp.sum(gradient[path]))
        assert difference(single) == pytest.approx(expected, rel=0.03, abs=0.01 * norm)
    # A constant in theta changes nothing.
    assert sum(float(jnp.sum(one)) for one in gradient.values()) == pytest.approx(0.0, abs=1e-3 * norm)


def test_learning_the_allocation_pays_at_equal_energy(learning):
    """60 Adam steps with fresh draws; judged on 24 other keys of 14 tokens each, paired."""
    model, under, costs, budget_j, kl = learning
    optimiser = optax.adam(0.1)
    theta: Any = uniform(costs)
    state, update = optimiser.init(theta), jax.jit(optimiser.update)
    for key in jax.random.split(jax.random.key(0), 60):
        updates, state = update(kl(theta, key)[1], state)
        theta = optax.apply_updates(theta, updates)

    judged = jax.random.split(jax.random.key(1), 24)
    before, after = (np.array([kl(chosen, key)[0] for key in judged]) for chosen in (uniform(costs), theta))
    gain, error = np.mean(before - after), np.std(before - after, ddof=1) / math.sqrt(len(judged))
    assert gain > 5 * error

    powers = powers_w(theta, costs, budget_j)
    light_j = budget_j - costs.fixed_energy_j
    assert light_from_scratch_j(model, under, work(), powers) == pytest.approx(light_j, rel=0.01, abs=0.0)
