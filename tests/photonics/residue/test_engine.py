"""The engine: exact while residues are read right, two paths of one law, misread residues, gradients, light."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.residue.engine import ResidueEngine
from photonics.residue.moduli import largest_sum
from photonics.residue.phase import misread_probability, off_by
from photonics.residue.redundancy import decode
from photonics.residue.residues import residues
from tests.photonics.family_engines import EXACT

# Every source of a misread residue off; operands are codes.
_QUIET = {**EXACT["residue"], "dac.ideal": False}
_X = jax.random.normal(jax.random.key(1), (40, 72))
_W = jax.random.normal(jax.random.key(2), (72, 8))


@pytest.fixture(scope="module")
def multiply(quickly):
    """`engine.matmul(key, x, w)`, compiled fast: programs here are small and run once."""
    return quickly(lambda engine, key, x, w: engine.matmul(key, x, w))


@pytest.fixture(scope="module")
def dim(small):
    """An engine so dim that a few per cent of its residues are misread, of nothing but light and receivers."""
    return small({"core.segment_error_rad": 0.0, "readout.fixed_pattern": False}).at(laser_power_w=6e-5)


def _coded(operand: np.ndarray, levels: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
    scale = np.abs(operand).max(axis=axis, keepdims=True)
    return np.rint(operand / scale * levels), scale


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"encoding.redundant_moduli": 2},
        {"encoding.residue_bits": 7, "encoding.moduli": 3, "dac.bits": 8},
        {"encoding.residue_bits": 4, "encoding.moduli": 4, "dac.bits": 5, "encoding.erases": False},
    ],
)
def test_while_phases_are_read_right_the_product_of_codes_is_exact(changes, small, multiply):
    # Against whole numbers of 64 bits, tile by tile; scales are float32.
    engine = small({**_QUIET, **changes})
    levels, expected = engine.dac.levels(), np.zeros((40, 8))
    for tile in range(3):
        part = slice(24 * tile, 24 * (tile + 1))
        x, x_scale = _coded(np.asarray(_X[:, part]), levels, 1)
        w, w_scale = _coded(np.asarray(_W[part]), levels, 0)
        expected += (x.astype(np.int64) @ w.astype(np.int64)) * (x_scale.astype(float) * w_scale) / levels**2
    y = multiply(engine, jax.random.key(0), _X, _W)
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-6 * np.abs(expected).max())
    np.testing.assert_allclose(
        engine.matmul_reference(jax.random.key(0), _X, _W), expected, rtol=0, atol=2e-6 * np.abs(expected).max()
    )


def _one_tile(engine: ResidueEngine, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the phases in levels (cores, tokens, n), fast and counted, of a tile without offsets."""
    x, w = jax.random.normal(jax.random.key(3), (tokens, 32)), jax.random.normal(jax.random.key(4), (32, 16))
    tile = engine.load_panel(w).of_tile(0)
    drive = engine.drive(x / engine.activation_scale(x))
    fast = engine.analog(jax.random.key(5), drive, jnp.ones(16), tile, (tokens,))
    host = jax.tree.map(np.asarray, tile)
    counted = engine.counted(np.random.default_rng(6), np.asarray(drive, float), np.ones(16), host)
    np.testing.assert_array_equal(fast[1], counted[1])
    moduli = engine.encoding.all_moduli()
    right = residues(fast[1], moduli)
    errors = [
        np.stack([np.asarray(off_by(jnp.asarray(path[2 + i]), right[i], m)) for i, m in enumerate(moduli)])
        for path in (fast, counted)
    ]
    return errors[0], errors[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"operating_point.laser_power_w": 3e-5},
        {"operating_point.laser_power_w": 1e-4, "receiver.capacitance_f": 1e-12},
        {"core.segment_error_rad": 3e-3},
        {"adc.enob_loss": 0.5, "adc.bits": 7},
    ],
    ids=["light", "receiver", "segments", "converter"],
)
def test_the_two_paths_have_phases_of_one_law(changes, small):
    engine = small({"readout.fixed_pattern": False, **changes})
    fast, counted = _one_tile(engine, 1000)
    n = fast[0].size
    for index, modulus in enumerate(engine.encoding.all_moduli()):
        variance = float(engine.level_variance(modulus))
        for error in (fast[index], counted[index]):
            # 5 sigma, and 5 times the phase variance for the higher orders of the arc tangent.
            assert abs(error.mean()) < 5 * math.sqrt(variance / n)
            allowance = 5 * math.sqrt(2 / n) + 5 * float(engine.phase_variance())
            assert abs(error.var() / variance - 1) < allowance


def test_residues_are_misread_as_often_as_the_law_says(dim):
    for errors in _one_tile(dim, 1000):
        for error, modulus in zip(errors, dim.encoding.all_moduli(), strict=True):
            expected = float(misread_probability(math.sqrt(float(dim.level_variance(modulus)))))
            assert 0.005 < expected < 0.2
            share, n = np.mean(np.abs(error) > 0.5), error.size
            # 5 sigma, and a tenth for the tails of the arc tangent.
            assert abs(share - expected) < 5 * math.sqrt(expected / n) + 0.1 * expected


def test_results_of_both_paths_are_wrong_equally_often(dim, multiply):
    # 500 x 16 results of one tile each; a result is wrong where any of four residues is.
    x, w = jax.random.normal(jax.random.key(7), (500, 32)), jax.random.normal(jax.random.key(8), (32, 16))
    right = multiply(dim.replace(**_QUIET), jax.random.key(0), x, w)
    shares = [
        np.mean(np.abs(y - right) > 1e-3)
        for y in (multiply(dim, jax.random.key(9), x, w), dim.matmul_reference(jax.random.key(9), x, w))
    ]
    expected = 1 - math.prod(
        1 - float(misread_probability(math.sqrt(float(dim.level_variance(m))))) for m in dim.encoding.all_moduli()
    )
    for share in shares:
        assert abs(share - expected) < 5 * math.sqrt(expected / 8000) + 0.1 * expected


def _mean_square_error(multiply, engine: ResidueEngine) -> float:
    x, w = jax.random.normal(jax.random.key(7), (300, 32)), jax.random.normal(jax.random.key(8), (32, 16))
    return float(jnp.mean(jnp.square(multiply(engine, jax.random.key(0), x, w) - x @ w)))


def test_light_erasing_and_redundancy_buy_accuracy(dim, multiply):
    at_its_best = _mean_square_error(multiply, dim.replace(**_QUIET))
    plain = _mean_square_error(multiply, dim)
    assert _mean_square_error(multiply, dim.at(laser_power_w=2e-4)) < 0.5 * plain
    assert _mean_square_error(multiply, dim.replace(**{"encoding.erases": False})) > 100 * plain
    # Six residues instead of four, two for correction; the smallest modulus tolerates most.
    corrected = _mean_square_error(multiply, dim.replace(**{"encoding.redundant_moduli": 2}))
    assert corrected - at_its_best < 0.5 * (plain - at_its_best)


def test_offsets_belong_to_an_instance_and_walk(small):
    engine = small({"core.outputs": 64})
    w = jax.random.normal(jax.random.key(2), (72, 400))
    first, again, other = (engine.load_panel(w, instance=i).values["offset"] for i in (3, 3, 4))
    assert first.shape == (3, 4, 400)
    np.testing.assert_array_equal(first, again)
    assert abs(float(jnp.corrcoef(first.ravel(), other.ravel())[0, 1])) < 5 / math.sqrt(first.size)
    for age_s in (0.0, 1e4):
        aged = engine.at(age_s=age_s)
        offsets, expected = (
            aged.load_panel(w).values["offset"],
            float(aged.readout.offset_variance(aged.operating_point)),
        )
        assert float(jnp.var(offsets)) == pytest.approx(expected, rel=5 * math.sqrt(2 / offsets.size))
    assert "offset" not in engine.replace(**{"readout.fixed_pattern": False}).load_panel(w).values


def test_a_shift_of_every_offset_by_a_level_moves_every_residue(small):
    # The offset is that of the light: a whole level of 63 is read as the next residue, wrapped.
    engine = small(_QUIET)
    drive, v = jnp.ones((1, 32)), jnp.ones((32, 1))
    moduli = engine.encoding.all_moduli()
    tile = {"v": v, "offset": jnp.array([[2 * math.pi / modulus] for modulus in moduli])}
    for path in (
        engine.analog(jax.random.key(0), drive, jnp.ones(1), tile, (1,)),
        engine.counted(np.random.default_rng(0), np.asarray(drive), np.ones(1), jax.tree.map(np.asarray, tile)),
    ):
        read = jnp.asarray(np.rint(np.asarray(path[2:])), jnp.int32)
        assert int(decode(read, moduli, 4, largest_sum(32, 6))[0, 0]) == 32 * 31**2 + 1 - 1 * (32 * 31**2 + 1)


def test_without_noise_the_gradient_is_that_of_the_product_of_codes(small, quickly):
    engine = small(_QUIET)
    cotangent = jax.random.normal(jax.random.key(9), (40, 8))

    def through(x, w):
        return jnp.sum(engine.matmul(jax.random.key(0), x, w) * cotangent)

    by_x, by_w = quickly(jax.grad(through, argnums=(0, 1)))(_X, _W)
    # Codes stand within 1/62 of their scale of the operands, so do the gradients: 1.6 % of the largest each, and the
    # gradient of the scales adds what rounding moved.
    for got, expected in ((by_x, cotangent @ _W.T), (by_w, _X.T @ cotangent)):
        correlation = float(jnp.corrcoef(got.ravel(), expected.ravel())[0, 1])
        assert correlation > 0.995


def test_where_residues_are_misread_more_light_is_the_way_down(dim, quickly):
    # The slope is E^2 d ln sigma for each wrong result: compared with finite differences over 8 keys it has the sign,
    # and the size within a factor of ten (misreads become rarer by themselves faster than the noise shrinks).
    x, w = jax.random.normal(jax.random.key(7), (100, 32)), jax.random.normal(jax.random.key(8), (32, 16))

    def loss(log_power, key):
        y = dim.at(laser_power_w=6e-5 * jnp.exp(log_power)).matmul(key, x, w)
        return jnp.mean(jnp.square(y - x @ w))

    keys, both = [jax.random.key(seed) for seed in range(8)], quickly(jax.value_and_grad(loss))
    slope = float(np.mean([both(0.0, key)[1] for key in keys]))
    difference = float(np.mean([(both(0.2, key)[0] - both(-0.2, key)[0]) / 0.4 for key in keys]))
    assert slope < 0 and difference < 0
    assert 0.1 < slope / difference < 10


def test_one_level_counts_as_one_unit_of_the_product_where_it_was_read_right(small):
    engine, moduli = small(_QUIET), small().encoding.all_moduli()
    whole = jnp.array([[100.0]])
    right = residues(whole, moduli).astype(jnp.float32)

    def converted(error):
        analog = jnp.concatenate([whole[None], whole[None], right.at[0].add(error)])
        return engine.convert(analog, jnp.ones(1), {})[0, 0] * engine.dac.levels() ** 2

    assert float(converted(0.25)) == pytest.approx(100.0) and float(jax.grad(converted)(0.25)) == pytest.approx(1.0)
    # Misread by 0.75 of a level: a number that cannot occur, hence 0, off by -100; 100 / 0.75 less for a level more.
    assert float(converted(0.75)) == 0.0 and float(jax.grad(converted)(0.75)) == pytest.approx(-100 / 0.75)


def test_zero_operands_give_zero(small, multiply):
    engine = small(_QUIET)
    assert float(jnp.abs(multiply(engine, jax.random.key(0), jnp.zeros_like(_X), _W)).max()) == 0.0
    assert float(jnp.abs(multiply(engine, jax.random.key(0), _X, jnp.zeros_like(_W))).max()) == 0.0


def test_photoelectrons_do_not_depend_on_the_operands(small):
    engine = small()
    signal, local = (float(light) for light in engine.electrons_per_path())
    panel = engine.load_panel(_W)
    expected = (signal + local) * 4 * 40 * 8 * 3
    assert float(engine.detected_electrons(_X, panel)) == pytest.approx(expected, rel=1e-5)
    assert float(engine.detected_electrons(0 * _X, panel)) == pytest.approx(expected, rel=1e-5)


def test_the_light_of_the_laser_ends_where_receivers_are_full(small):
    engine = small()
    full = float(engine.power_max_w)
    filled = engine.at(laser_power_w=full)
    limit = float(engine.receiver.limit_electrons(engine.operating_point))
    assert full < engine.source.power_max_w
    assert filled.typical_full_scale_electrons() == pytest.approx(limit, rel=1e-5)
    assert float(engine.replace(**{"receiver.output_swing_v": 1e3}).power_max_w) == pytest.approx(0.1)


def test_what_can_be_removed(small):
    causes = dict(small().removals())
    assert len(causes) == 3
    bright = small(dict(item for changes in causes.values() for item in changes.items())).at(laser_power_w=1e-2)
    assert float(bright.level_variance(63)) < float(small().at(laser_power_w=1e-2).level_variance(63))
    assert len(small({"readout.fixed_pattern": False, "adc.ideal": True}).removals()) == 1
