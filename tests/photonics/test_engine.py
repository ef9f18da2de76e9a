"""The engine as a whole: ideal limit, shapes, keys, batches, traces, light and what is refused."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import photonics
from photonics.free_space import FreeSpaceEngine
from photonics.receiver import IntegratingReceiver
from tests.photonics.agreement import z_of_variances

_KEY = jax.random.key(9)
_X = jax.random.normal(jax.random.key(1), (40, 24))
_W = jax.random.normal(jax.random.key(2), (24, 6))
# Noise of the detectors and of the sources, nothing else.
_NOISY = {
    "photodetector.shot_noise": True,
    "source.noise": "independent",
    "source.rin_per_hz": 1e-11,
    "operating_point.laser_power_w": 1e-5,
}
_CONVERTERS = {"dac.ideal": False, "panel.ideal": False, "adc.ideal": False}


def _exact(x: jax.Array, w: jax.Array) -> np.ndarray:
    return np.asarray(x, np.float64) @ np.asarray(w, np.float64)


# The ideal limit --------------------------------------------------------------------------------------------------

# (leading axes, k, n): one tile and several, padded and full, one input, one output, more outputs than a panel has.
_SHAPES = [
    ((7,), 24, 6),
    ((), 24, 6),
    ((2, 3), 33, 5),
    ((4,), 1, 1),
    ((3,), 64, 1),
    ((1, 2, 2), 100, 20),
    ((5,), 31, 33),
]


@settings(max_examples=12)
@given(st.sampled_from(_SHAPES), st.booleans(), st.integers(0, 2))
def test_the_ideal_engine_is_exact_to_rounding(bare, product, shape, rotate, magnitude):
    leading, k, n = shape
    random = np.random.default_rng(k)
    x = jnp.asarray(random.standard_normal((*leading, k)) * 100.0**magnitude, jnp.float32)
    w = jnp.asarray(random.standard_normal((k, n)), jnp.float32)
    y = product(bare({"encoding.rotate": rotate}), _KEY, x, w)
    assert y.shape == (*leading, n) and y.dtype == jnp.float32
    # Each of the few roundings on the way is one of 6e-8 of what the norms allow.
    norms = np.linalg.norm(np.asarray(x), axis=-1)[..., None] * np.linalg.norm(np.asarray(w), axis=0)
    assert np.all(np.abs(np.asarray(y, np.float64) - _exact(x, w)) <= 10 * 2.0**-24 * norms)


def test_the_full_ideal_engine_and_its_reference_are_exact(bare):
    ideal = photonics.load_engine("ideal")
    np.testing.assert_allclose(ideal.matmul(_KEY, _X, _W), _exact(_X, _W), atol=2e-5)
    np.testing.assert_allclose(bare().matmul_reference(_KEY, _X, _W), _exact(_X, _W), atol=2e-6)


@pytest.mark.parametrize(
    ("x_shape", "w_shape"),
    [((0, 5), (5, 4)), ((2, 5), (5, 0)), ((3, 0), (0, 4)), ((2, 0, 5), (5, 3)), ((0, 0), (0, 0)), ((0,), (0, 2))],
)
@pytest.mark.parametrize("method", ["matmul", "matmul_reference"])
@pytest.mark.usefixtures("uncompiled")
def test_arrays_without_entries(x_shape, w_shape, method, bare):
    engine = bare({"optics.crosstalk": True}) if 0 in w_shape else bare()
    y = getattr(engine, method)(_KEY, jnp.ones(x_shape), jnp.ones(w_shape))
    np.testing.assert_array_equal(y, jnp.ones(x_shape) @ jnp.ones(w_shape))


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("bits", range(2, 13))
def test_two_to_twelve_bits_round_as_they_should(bits, bare):
    real = {"dac.ideal": False, "dac.bits": bits, "panel.ideal": False, "panel.bits": bits, "adc.ideal": False}
    engine = bare({**real, "adc.bits": bits, "adc.enob_loss": 0.0, "ranging.statistic": "fraction"})
    engine = engine.replace(**{"ranging.fraction": 0.5})
    x, w = np.asarray(_X, np.float64), np.asarray(_W, np.float64)
    levels, s_x, s_w = 2 ** (bits - 1) - 1, np.abs(x).max(axis=1, keepdims=True), np.abs(w).max(axis=0)
    z = np.round(x / s_x * levels) @ np.round(w / s_w * levels) / levels**2
    full_scale = 0.5 * np.abs(w / s_w).sum(axis=0)
    lsb = full_scale / levels
    expected = np.round(np.clip(z, -full_scale, full_scale) / lsb) * lsb * s_x * s_w
    # What falls within rounding of a decision may go either way; there is little of it.
    off = np.abs(np.asarray(engine.matmul(_KEY, _X, _W)) - expected) / (lsb * s_x * s_w)
    assert np.mean(off > 1e-2) < 0.02 and off.max() < 1.01


@pytest.mark.usefixtures("uncompiled")
def test_errors_fall_with_bits(bare):
    for stage in ("dac", "panel", "adc"):
        errors = []
        for bits in range(2, 13):
            engine = bare({f"{stage}.ideal": False, f"{stage}.bits": bits, "adc.enob_loss": 0.0})
            errors.append(float(jnp.mean(jnp.square(engine.matmul(_KEY, _X, _W) - _X @ _W))))
        assert all(more < 0.7 * less for less, more in itertools.pairwise(errors)), stage


# Operands and keys ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16, jnp.float32])
def test_the_result_has_the_type_of_the_activations(dtype, bare):
    y = bare().matmul(_KEY, _X.astype(dtype), _W)
    assert y.dtype == dtype
    np.testing.assert_allclose(y.astype(jnp.float32), _X @ _W, atol=0.1)


def test_weights_and_their_panel_give_the_same(bare, product, loaded):
    engine = bare(_NOISY)
    np.testing.assert_allclose(
        product(engine, _KEY, _X, _W), product(engine, _KEY, _X, loaded(engine, _W)), rtol=1e-4, atol=1e-4
    )


def test_a_key_repeats_and_another_differs(small, product):
    # Little light, so that the noise spans many codes.
    engine = small({"operating_point.laser_power_w": 1e-4})
    first, again, other = (product(engine, key, _X, _W) for key in (_KEY, _KEY, jax.random.key(10)))
    np.testing.assert_array_equal(first, again)
    assert np.mean(np.asarray(first) == np.asarray(other)) < 0.1


def test_bad_operands_are_refused_with_their_shapes(bare):
    engine = bare()
    with pytest.raises(ValueError, match=r"x of shape \(40, 23\) does not end in k = 24 of weights \(24, 6\)"):
        engine.matmul(_KEY, _X[:, 1:], _W)
    with pytest.raises(ValueError, match="does not end in k"):
        engine.matmul(_KEY, jnp.ones(()), _W)
    with pytest.raises(ValueError, match=r"shape \(k, n\)"):
        engine.matmul(_KEY, _X, _W[None])
    with pytest.raises(TypeError, match="real floating numbers, not int32"):
        engine.matmul(_KEY, jnp.ones((2, 24), jnp.int32), _W)
    with pytest.raises(ValueError, match=r"keys of shape \(3,\) do not lead the rows of shape \(40,\)"):
        engine.matmul(jax.random.split(_KEY, 3), _X, _W)
    with pytest.raises(TypeError, match=r"jax\.random\.key"):
        engine.matmul(jax.random.PRNGKey(0), _X, _W)
    with pytest.raises(TypeError):
        engine.matmul(_X, _W)  # the key is never optional


def test_fields_that_are_not_there_are_refused(catalogue):
    with pytest.raises(TypeError, match="'laser_power' is not part of the operating point; it has laser_power_w"):
        catalogue.at(laser_power=1.0)
    with pytest.raises(TypeError, match="no field 'adcs'"):
        catalogue.replace(**{"adcs.bits": 8})
    with pytest.raises(TypeError, match="bit"):
        catalogue.replace(**{"adc.bit": 8})


def test_another_machine_leaves_the_first_as_it_was(catalogue):
    other = catalogue.replace(**{"adc.bits": 7, "panel.outputs": 5}).at(laser_power_w=1.0)
    assert (other.adc.bits, other.panel.outputs, other.operating_point.laser_power_w) == (7, 5, 1.0)
    assert (catalogue.adc.bits, catalogue.panel.outputs) == (10, 1024)
    assert other.operating_point.symbol_rate_hz == catalogue.operating_point.symbol_rate_hz


# Batches ----------------------------------------------------------------------------------------------------------


def _static_lsb(engine: FreeSpaceEngine, panel) -> np.ndarray:
    """One code of each tile and output (tiles, n) in units of y, for static activation scales."""
    return np.asarray(panel.full_scale * panel.scale * panel.activation_scale) / engine.adc.levels()


@pytest.mark.parametrize("split", [(1, 7), (7, 1), (1,) * 8])
def test_results_do_not_depend_on_the_batch_split(split, bare, product, loaded):
    size = {"encoding.activation_scale": "static", "source.count": 128, "panel.outputs": 64}
    engine = bare({**_NOISY, **_CONVERTERS, **size})
    keys = jax.random.split(_KEY, 8)
    x, w = jax.random.normal(jax.random.key(3), (8, 16, 256)), jax.random.normal(jax.random.key(4), (256, 64))
    panel = loaded(engine, w, jax.random.normal(jax.random.key(5), (64, 256)))
    whole = np.asarray(product(engine, keys, x, panel))
    starts = [0, *itertools.accumulate(split)]
    parts = [product(engine, keys[a:b], x[a:b], panel) for a, b in itertools.pairwise(starts)]
    off = np.abs(np.concatenate(parts) - whole) / _static_lsb(engine, panel).max(axis=0)
    # float32 sums of other shapes may fall on the other side of a decision of the converter: by one code, and rarely.
    assert np.mean(off > 1e-2) < 1e-3
    assert off.max() < 1.05


def test_without_rounding_the_batch_split_changes_the_last_digits_only(bare, product, loaded):
    engine = bare(_NOISY)
    keys, x = jax.random.split(_KEY, 5), _X.reshape(5, 8, 24)
    panel = loaded(engine, _W)
    whole = np.asarray(product(engine, keys, x, panel))
    parts = np.concatenate([product(engine, keys[a:b], x[a:b], panel) for a, b in ((0, 2), (2, 5))])
    # A draw that were another one would be off by as much as the noise.
    noise = float(np.std(whole - np.asarray(x @ _W)))
    np.testing.assert_allclose(parts, whole, atol=1e-4 * noise)


def test_a_token_does_not_feel_its_batch_mates(small, product):
    engine = small()
    others = 1e3 * jax.random.normal(jax.random.key(6), _X.shape)
    alone = product(engine, _KEY, others.at[7].set(_X[7]), _W)[7]
    np.testing.assert_array_equal(alone, product(engine, _KEY, _X, _W)[7])


def test_a_sequence_does_not_feel_the_others(bare, product):
    engine, keys, x = bare({**_NOISY, **_CONVERTERS}), jax.random.split(_KEY, 5), _X.reshape(5, 8, 24)
    ours = product(engine, keys, x, _W)[2]
    changed = product(engine, jax.random.split(jax.random.key(77), 5).at[2].set(keys[2]), (50 * x).at[2].set(x[2]), _W)
    np.testing.assert_array_equal(changed[2], ours)


# Scales -----------------------------------------------------------------------------------------------------------


def test_token_scales_make_results_proportional_to_each_token(small, product):
    engine, factors = small(), 2.0 ** jnp.arange(-20, 20)[:, None]
    np.testing.assert_allclose(
        product(engine, _KEY, _X * factors, _W), product(engine, _KEY, _X, _W) * factors, rtol=1e-4
    )


def test_static_scales_are_those_of_the_sample_and_clip_beyond(bare):
    engine = bare({"encoding.activation_scale": "static"})
    panel = engine.load_panel(_W, sample=_X)
    np.testing.assert_allclose(engine.matmul(_KEY, _X / 2, panel), _exact(_X / 2, _W), atol=1e-5)
    limit = float(jnp.abs(_X).max())
    clipped = engine.matmul(_KEY, 3 * _X, panel)
    np.testing.assert_allclose(clipped, _exact(jnp.clip(3 * _X, -limit, limit), _W), atol=2e-5)
    assert np.abs(np.asarray(clipped) - _exact(3 * _X, _W)).max() > 1


def test_a_static_scale_that_is_too_wide_costs_accuracy(bare):
    engine = bare({**_CONVERTERS, "encoding.activation_scale": "static"})
    fitting, wide = (engine.load_panel(_W, sample=factor * _X) for factor in (1.0, 30.0))
    errors = [np.asarray(engine.matmul(_KEY, _X, panel) - _X @ _W).std() for panel in (fitting, wide)]
    assert errors[1] > 5 * errors[0]


def test_rotation_saves_light_where_there_are_outliers(bare):
    # Receiver noise counts in units of the largest value: 30, or 30 / sqrt(16) and a little once it is spread.
    capacitor = IntegratingReceiver(capacitance_f=1e-12, reset_v=1.0, amplifier_power_w=0.0, output_swing_v=1.0)
    x, errors = _X.at[:, 3].set(30.0)[:, :16], []
    for rotate in (False, True):
        engine = bare({"receiver": capacitor, "operating_point.laser_power_w": 1e-4, "encoding.rotate": rotate})
        errors.append(float(jnp.std(engine.matmul(_KEY, x, _W[:16]) - x @ _W[:16])))
    assert errors[1] < errors[0] / 2


# Light ------------------------------------------------------------------------------------------------------------


def test_electrons_per_path_of_the_design(catalogue):
    # 1 GHz, 850 nm, QE 0.8, eta 0.5, two rails of 1024 outputs: about 840 electrons per mW.
    engine = catalogue.replace(**{"modulator.transmission": 1.0, "optics.transmission": 0.5, "panel.transmission": 1.0})
    assert engine.light_efficiency() == pytest.approx(0.5)
    assert engine.columns() == 2048
    assert engine.at(laser_power_w=1e-3).electrons_per_path() == pytest.approx(840, rel=1e-2)
    assert engine.at(laser_power_w=2e-3, symbol_rate_hz=5e8).electrons_per_path() == pytest.approx(4 * 836, rel=1e-2)


@pytest.mark.parametrize("laser_power_w", [1e-6, 3e-2, 10.0])
def test_compiled_in_float32_the_physics_is_the_same(laser_power_w, catalogue):
    def numbers(engine):
        shot, dark = engine.shot_variance_per_light()
        light = engine.electrons_per_path(), engine.gain_electrons(), engine.idle_light(1000)
        receiver_w = engine.receiver.power_w(engine.operating_point, engine.diodes_f())
        return jnp.array([*light, shot, dark, engine.readout_variance(), receiver_w])

    engine = catalogue.at(laser_power_w=laser_power_w)
    np.testing.assert_allclose(jax.jit(numbers)(engine), numbers(engine), rtol=1e-5)


def test_more_light_less_error_more_power(small, product):
    # Many rows, so that a fall is told from chance: two standard errors of the difference.
    x = jnp.tile(_X, (25, 1))
    engines = [small().at(laser_power_w=float(power)) for power in np.geomspace(1e-6, 1e-2, 9)]
    squares = [np.square(np.asarray(product(engine, _KEY, x, _W) - x @ _W, np.float64)).ravel() for engine in engines]
    powers = [sum(engine.power_budget().values()) for engine in engines]
    for less, more in itertools.pairwise(squares):
        standard_error = np.std(less - more) / np.sqrt(less.size)
        assert np.mean(more) < np.mean(less) + 2 * standard_error
    assert np.mean(squares[-1]) < 1e-3 * np.mean(squares[0])
    assert all(low < high for low, high in itertools.pairwise(powers))


def test_shot_noise_falls_with_the_first_power_of_the_light(bare):
    engine = bare({"photodetector.shot_noise": True})
    x = jnp.tile(_X[:2], (1000, 1))
    dim, bright = (np.asarray(engine.at(laser_power_w=power).matmul(_KEY, x, _W) - x @ _W) for power in (1e-7, 1e-5))
    assert np.abs(z_of_variances(dim[::2], 100 * bright[::2].var(axis=0))).max() < 10
    # The same draws at every power: errors differ by a factor, not by chance.
    np.testing.assert_allclose(dim, 10 * bright, rtol=1e-2, atol=1e-2)


# Compilation ------------------------------------------------------------------------------------------------------


def test_one_trace_serves_every_laser_power(small):
    traces = []

    @jax.jit
    def run(engine, x):
        traces.append(engine)
        return engine.matmul(_KEY, x, _W)

    engine = small()
    outputs = [run(engine.at(laser_power_w=power), _X) for power in (1e-4, 1e-3, 3e-2)]
    run(engine.replace(**{"source.rin_per_hz": 1e-13, "panel.element_residual": 0.02, "adc.enob_loss": 2.0}), _X)
    assert len(traces) == 1
    assert np.abs(np.asarray(outputs[0] - outputs[2])).max() > 0.1
    # A static value is another machine.
    jax.eval_shape(run, engine.replace(**{"adc.bits": 9}), _X)
    assert len(traces) == 2


def test_powers_in_one_batch(bare, product):
    engine, powers = bare({"photodetector.shot_noise": True}), jnp.array([1e-6, 1e-4])
    together = jax.jit(jax.vmap(lambda power: engine.at(laser_power_w=power).matmul(_KEY, _X, _W)))(powers)
    for power, y in zip(powers, together, strict=True):
        np.testing.assert_allclose(product(engine.at(laser_power_w=power), _KEY, _X, _W), y, rtol=1e-3, atol=1e-4)
    assert np.abs(np.asarray(together[0] - together[1])).max() > 0.1
