"""What every family of engines keeps: exact limits, two paths of one law, own draws, gradients, one compilation, costs.

Families have tests of their own beside this; here all of them meet the same ones.
"""

import dataclasses
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import photonics
from photonics.catalogue import KINDS, engine_names, read_engine_file
from photonics.engine import Engine
from photonics.families import FAMILIES as FILES
from photonics.families_schema import _class
from photonics.work import Contraction, Work
from tests.photonics.agreement import largest_z, z_of_means, z_of_variances
from tests.photonics.family_engines import FAMILIES, ideal, long, noisy, small

# Two tiles of most small engines, and outputs on more than one.
_X, _W = jax.random.normal(jax.random.key(1), (2, 3, 20)), jax.random.normal(jax.random.key(2), (20, 14))
_WEIGHTS = Contraction("layers/mlp", batch=1, m=5, k=20, n=14, count=6, weights=True, stacked=(3,), index_after=(1,))
_DATA = Contraction("layers/attention/scores", batch=4, m=5, k=8, n=5, count=3, stacked=(3,), index_after=(1,))


def test_every_family_has_a_small_engine_here():
    assert set(FAMILIES) == set(FILES)


# Files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FILES)
def test_rows_are_the_fields_of_the_stages(family):
    rows, stages = FILES[family].row_of, FILES[family].stages
    assert [field.name for field in dataclasses.fields(_class(FILES[family].engine))] == [*stages, "name"]
    for group, place in stages.items():
        stage = _class(place)
        if not dataclasses.is_dataclass(stage):  # a choice between stages, which test_schema looks at
            continue
        hints = typing.get_type_hints(stage)
        fields = {f"{group}.{field.name}": field for field in dataclasses.fields(stage)}
        assert set(fields) == {path for path in rows if path.partition(".")[0] == group}
        for path, field in fields.items():
            static = field.metadata.get("static", False)
            expected = {"int": int, "bool": bool}.get(rows[path].type)
            if expected is not None:
                assert hints[field.name] is expected and static, path
            elif rows[path].type == "choice":
                assert set(rows[path].choices) == set(typing.get_args(hints[field.name])) and static, path
            else:
                assert not static or hints[field.name] is float, path


@pytest.mark.parametrize("name", engine_names())
def test_every_number_of_the_catalogue_has_a_source_a_unit_and_a_meaning(name):
    file, engine = read_engine_file(name), photonics.load_engine(name)
    assert tuple(file.values) == tuple(file.sources) == FILES[file.family].needed(file.values)
    for path, source in file.sources.items():
        assert source.kind in KINDS and source.title.strip(), path
        if source.low is not None and source.high is not None:
            assert source.low <= float(file.values[path]) <= source.high, path
    for row in engine.parameters():
        unit = file.rows[row.path].unit
        assert row.unit == ("" if unit == "1" else unit), row.path
        assert row.meaning.strip(), row.path
        assert row.value == file.values[row.path]


@pytest.mark.parametrize("name", engine_names())
def test_the_size_is_that_of_the_built_engine(name):
    file, engine = read_engine_file(name), photonics.load_engine(name)
    assert FILES[file.family].size(file.values) == (engine.inputs, engine.outputs)


# The product ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_the_ideal_limit_is_exact(family, product):
    exact = np.asarray(_X, np.float64) @ np.asarray(_W, np.float64)
    # float32 sums of 20 products of order one, scales included.
    np.testing.assert_allclose(product(ideal(family), jax.random.key(0), _X, _W), exact, atol=2e-5)
    np.testing.assert_allclose(ideal(family).matmul_reference(jax.random.key(0), _X, _W), exact, atol=3e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_reference_and_fast_path_have_one_law(family, product):
    engine, repeats = noisy(family), 3000
    x = jnp.broadcast_to(_X[0, :1], (repeats, 20))
    fast = np.asarray(product(engine, jax.random.key(3), x, _W), np.float64)
    counted = np.asarray(engine.matmul_reference(jax.random.key(4), x, _W), np.float64)
    limit = largest_z(2 * 14)
    # A code more or less where the two sums round differently.
    assert np.abs(z_of_means(fast, counted, rounding=1e-4 * np.abs(fast).max())).max() < limit
    assert np.abs(z_of_variances(fast, counted)).max() < limit
    # The comparison can fail: another instance has other errors, or where there are none, more light less noise.
    assert np.std(fast, axis=0).min() > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sequence_has_its_own_draws_in_any_batch(family, product):
    engine, keys = noisy(family), jax.random.split(jax.random.key(4), 2)
    together = product(engine, keys, _X, _W)
    alone = jnp.concatenate([product(engine, keys[n : n + 1], _X[n : n + 1], _W) for n in range(2)])
    scale = float(jnp.abs(together).max())
    # Sums of other shapes round differently, which may move a code; draws of another key would move nearly all.
    moved = np.abs(np.asarray(together - alone)) > 1e-4 * scale
    assert moved.mean() < 0.02
    np.testing.assert_array_equal(together, product(engine, keys, _X, _W))
    other = product(engine, keys[::-1], _X, _W)
    assert (np.abs(np.asarray(other - together)) > 1e-4 * scale).mean() > 0.2


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_outputs_and_tiles_share_no_draw(family, product):
    engine = noisy(family)
    x, w = jnp.broadcast_to(_X[0, 0], (400, 20)), jnp.broadcast_to(_W[:, :1], (20, 6))
    noise = np.asarray(product(engine, jax.random.key(5), x, w), np.float64)
    noise = noise - noise.mean(axis=0)
    assert noise.std(axis=0).min() > 0
    correlation = np.corrcoef(noise.T) - np.eye(6)
    # Six standard errors. Sources that fluctuate move all outputs together, by little.
    assert np.abs(correlation).max() < 6 / np.sqrt(400)
    lagged = [np.corrcoef(column[1:], column[:-1])[0, 1] for column in noise.T]
    assert np.abs(lagged).max() < 6 / np.sqrt(400)


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_are_finite_and_reach_operands_and_light(family, quickly):
    engine = jax.tree.map(jnp.float32, noisy(family))

    def loss(engine, x, w):
        return jnp.mean(jnp.square(engine.matmul(jax.random.key(0), x, w) - _X @ _W))

    by_engine, by_x, by_w = quickly(jax.grad(loss, argnums=(0, 1, 2)))(engine, _X, _W)
    for leaf in jax.tree.leaves((by_engine, by_x, by_w)):
        assert bool(jnp.all(jnp.isfinite(leaf)))
    assert by_engine.operating_point.laser_power_w != 0
    assert float(jnp.abs(by_x).max()) > 0 and float(jnp.abs(by_w).max()) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_another_operating_point_compiles_nothing(family):
    traces = []

    @jax.jit
    def traced(engine, x, w):
        traces.append(1)
        return engine.matmul(jax.random.key(0), x, w)

    at = small(family).operating_point
    for factor in (1.0, 2.0, 0.5):
        moved = small(family).at(laser_power_w=at.laser_power_w * factor, symbol_rate_hz=at.symbol_rate_hz / factor)
        jax.eval_shape(traced, moved, _X, _W)
    assert len(traces) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_all_zero_stays_zero(family, product):
    # A token, a column, and a token whose second half is zero: its noise is that of the first half alone.
    engine = noisy(family)
    x, w = _X.at[0, 0].set(0.0).at[1, 0, 10:].set(0.0), _W.at[:, 3].set(0.0)
    for y in (product(engine, jax.random.key(0), x, w), engine.matmul_reference(jax.random.key(0), x, w)):
        assert not np.any(y[0, 0]) and not np.any(y[..., 3])
        assert np.all(np.isfinite(y)) and np.any(y[1, 0])
    slopes = jax.grad(lambda x, w: jnp.sum(engine.matmul(jax.random.key(0), x, w) ** 2), argnums=(0, 1))(x, w)
    faint = jax.grad(lambda x: jnp.sum(engine.matmul(jax.random.key(0), x, w)))(x * 1e-30)
    assert all(bool(jnp.all(jnp.isfinite(slope))) for slope in (*slopes, faint))


@pytest.mark.parametrize("family", FAMILIES)
def test_more_light_makes_less_noise(family, product):
    engine = small(family)

    def error(factor: float) -> float:
        bright = engine.at(laser_power_w=engine.operating_point.laser_power_w * factor)
        return float(jnp.mean(jnp.square(product(bright, jax.random.key(0), _X, _W) - _X @ _W)))

    assert error(1e-3) > 1.5 * error(1.0)


@pytest.mark.parametrize("family", FAMILIES)
def test_wrong_operands_are_refused(family):
    engine = small(family)
    with pytest.raises(ValueError, match="does not end in k = 20"):
        engine.matmul(jax.random.key(0), _X[..., :7], _W)
    with pytest.raises(TypeError, match="floating"):
        engine.matmul(jax.random.key(0), jnp.ones((2, 20), jnp.int32), _W)
    with pytest.raises(TypeError, match="typed PRNG key"):
        engine.matmul(jnp.zeros(2, jnp.uint32), _X, _W)
    assert engine.matmul(jax.random.key(0), jnp.zeros((0, 20)), _W).shape == (0, 14)
    assert engine.matmul(jax.random.key(0), _X, jnp.zeros((20, 0))).shape == (2, 3, 0)


@pytest.mark.parametrize("family", FAMILIES)
def test_results_keep_the_type_of_the_activations(family):
    y = jax.eval_shape(lambda x: small(family).matmul(jax.random.key(0), x, _W), _X.astype(jnp.bfloat16))
    assert y.dtype == jnp.bfloat16 and y.shape == (2, 3, 14)


# What it costs -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("panels", ["resident", 1, 3])
def test_energy_by_part_sums_to_the_whole(family, panels):
    engine = small(family)
    cost = engine.cost(Work((_WEIGHTS, _DATA)), panels=panels)
    parts = dict(cost.energy_j)
    supply = parts.pop("power_supply")
    assert min(parts.values()) >= 0 and supply >= 0
    assert cost.total_energy_j == pytest.approx(sum(parts.values()) / engine.system.power_supply_efficiency)
    assert cost.macs == _WEIGHTS.macs + _DATA.macs and cost.optical_macs == _WEIGHTS.macs
    assert parts["digital_products"] == pytest.approx(_DATA.macs * engine.digital.mac_energy_j)
    assert cost.time_s > 0 and 0 < cost.utilisation <= 1 + 1e-9
    # Standing power lasts as long as the work, on every engine.
    for part, power_w in engine.standing_power_w().items():
        assert parts[part] >= float(power_w) * cost.engines * cost.time_s * (1 - 1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_twice_the_tokens_take_twice_the_conversions_and_energy_of_events(family):
    engine = small(family)
    once, twice = (engine.count(dataclasses.replace(_WEIGHTS, m=m)) for m in (48, 96))
    for name in ("conversions", "outputs", "macs", "drives", "inputs"):
        assert getattr(twice, name) == 2 * getattr(once, name), name
    assert once.conversions > 0 and once.weights == twice.weights
    for part, energy_j in engine.event_energy_j(once).items():
        doubled = float(engine.event_energy_j(twice)[part])
        assert float(energy_j) <= doubled <= 2 * float(energy_j) * (1 + 1e-9), part


@pytest.mark.parametrize("family", FAMILIES)
def test_power_is_that_of_the_leaves(family):
    engine = jax.tree.map(jnp.float32, small(family))
    slopes = jax.grad(lambda engine: sum(engine.power_budget().values()))(engine)
    assert all(bool(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(slopes))
    assert float(slopes.operating_point.laser_power_w) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_goes_to_engines_that_are_fast_enough(family):
    engine, work = small(family), Work((_WEIGHTS, _DATA))
    if engine.reload_time_s > 1e-5:
        with pytest.raises(ValueError, match="need a panel that is written in at most"):
            engine.cost(work, dynamic=["attention"])
        return
    cost = engine.cost(work, dynamic=["attention"])
    assert cost.optical_macs == cost.macs and cost.energy_j["digital_products"] == 0
    assert (cost.panel_loads > 0) is engine.holds_weights
    assert (cost.load_time_s > 0) is engine.holds_weights


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_costs_a_sequence_the_same_in_any_batch(family):
    engine = small(family)
    engine = engine.replace(**{"panel.reload_time_s": 1e-7}) if engine.reload_time_s > 1e-5 else engine
    per_sequence = []
    for batch in (1, 8, 64):
        weights = dataclasses.replace(_WEIGHTS, m=64 * batch)
        data = dataclasses.replace(_DATA, m=64, n=64, batch=4 * batch)
        cost = engine.cost(Work((weights, data)), dynamic=["attention"])
        parts = {part: energy_j / batch for part, energy_j in cost.energy_j.items()}
        per_sequence.append(parts)
        assert 0 < cost.utilisation <= 1 + 1e-9
    # Streamed weights serve more vectors at once in a larger batch; nothing else changes.
    for parts in per_sequence[1:]:
        assert 0.85 < sum(parts.values()) / sum(per_sequence[0].values()) < 1.02


@pytest.mark.parametrize("family", FAMILIES)
def test_operands_of_attention_do_not_come_from_far_memory(family):
    engine = small(family)
    engine = engine.replace(**{"panel.reload_time_s": 1e-7}) if engine.reload_time_s > 1e-5 else engine
    engines = [engine.replace(**{"memory.far_energy_j_per_byte": far}) for far in (0.0, 1e-9)]
    memory_j = [one.cost(Work((_DATA,)), dynamic=["scores"]).energy_j["memory"] for one in engines]
    assert memory_j[0] == memory_j[1]


@pytest.mark.parametrize("name", engine_names())
def test_budgets_of_the_catalogue_hold_together(name):
    engine = photonics.load_engine(name)
    steps = engine.link_budget()
    total_db = sum(step.loss_db for step in steps)
    assert steps[-1].power_w == pytest.approx(steps[0].power_w * 10 ** (-total_db / 10), rel=1e-6)
    terms = engine.noise_budget()
    variances = [term.variance_electrons2 for term in terms]
    assert variances == sorted(variances, reverse=True)
    assert name == "ideal" or sum(term.share for term in terms) == pytest.approx(1, rel=1e-9)
    told = engine.explain()
    assert told.engine == name and list(told.link) == steps and list(told.noise) == terms
    assert told.power_w == pytest.approx({part: float(watt) for part, watt in engine.power_budget().items()})
    assert told.photons_per_mac > 0


@pytest.mark.parametrize("family", [family for family in FAMILIES if family != "free-space"])
def test_the_noise_budget_is_that_of_the_product(family, product):
    # One full tile of typical operands; static errors as the budget takes them, over outputs and instances.
    engine = long(family)
    rows, outputs, tokens = engine.inputs, engine.outputs, 400
    keys = jax.random.split(jax.random.key(7), 12)
    errors, signals = [], []
    for index in range(6):
        x = jax.random.normal(keys[2 * index], (tokens, rows))
        w = jax.random.normal(keys[2 * index + 1], (rows, outputs))
        panel = engine.load_panel(w, instance=index)
        y = np.asarray(jax.jit(engine.matmul)(jax.random.key(index), x, panel), np.float64)
        errors.append(np.mean((y - np.asarray(x @ w)) ** 2))
        signals.append(np.mean(np.asarray(x @ w) ** 2))
    variance = sum(term.variance_electrons2 for term in engine.noise_budget())
    told_db = 10 * np.log10(engine.typical_signal_electrons() ** 2 / variance)
    measured_db = 10 * np.log10(np.mean(signals) / np.mean(errors))
    # Typical operands are low in rms by up to a fifth each (`photonics.operands`): 1.6 dB for each of two, and some.
    assert abs(told_db - measured_db) < 3.5


def test_a_family_that_lacks_a_law_cannot_be_built():
    engine = small("block-floating-point")
    fields = {field.name: getattr(engine, field.name) for field in dataclasses.fields(engine)}
    lacking = type("Lacking", (type(engine),), {"noise_budget": Engine.noise_budget})
    with pytest.raises(TypeError, match=r"abstract method.*noise_budget"):
        lacking(**fields)
