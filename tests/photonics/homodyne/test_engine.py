"""The product of a homodyne engine: rotation, codes, repetitions, errors of an instance, range."""

import jax
import jax.numpy as jnp
import numpy as np

_X, _W = jax.random.normal(jax.random.key(1), (2, 3, 48)), jax.random.normal(jax.random.key(2), (48, 8))


def test_the_ideal_limit_is_exact_for_rotated_operands(bare):
    y = bare({"encoding.rotate": True}).matmul(jax.random.key(0), _X, _W)
    # float32 sums of 48 products of order one.
    np.testing.assert_allclose(y, _X @ _W, atol=2e-5)


def test_codes_multiply_exactly_where_nothing_disturbs_them(bare):
    engine = bare({"dac.ideal": False, "dac.bits": 7, "weight_dac.ideal": False, "weight_dac.bits": 5})
    s_x, tiled = jnp.abs(_X).max(axis=-1, keepdims=True), _W.reshape(2, 24, 8)
    s_w = jnp.abs(tiled).max(axis=1, keepdims=True)
    codes = (jnp.round(tiled / s_w * 15) / 15 * s_w).reshape(48, 8)
    expected = jnp.round(_X / s_x * 63) / 63 * s_x @ codes
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), _X, _W), expected, atol=3e-5)


def test_a_repeated_sequence_has_its_own_draws_in_any_batch(small):
    engine = small({"operating_point.laser_power_w": 1e-5, "encoding.repetitions": 2})
    keys = jax.random.split(jax.random.key(4), 2)
    together = engine.matmul(keys, _X, _W)
    alone = jnp.concatenate([engine.matmul(keys[n : n + 1], _X[n : n + 1], _W) for n in range(2)])
    np.testing.assert_allclose(together, alone, atol=2e-5 * float(jnp.abs(together).max()))
    np.testing.assert_array_equal(together, engine.matmul(keys, _X, _W))
    assert float(jnp.abs(engine.matmul(keys[::-1], _X, _W) - together).min()) > 0


def test_an_instance_keeps_its_errors(small):
    engine = small()
    one, again, other = (engine.load_panel(_W, instance=number) for number in (1, 1, 2))
    for name in ("phase", "gain", "imbalance"):
        np.testing.assert_array_equal(one.values[name], again.values[name])
        assert float(jnp.abs(one.values[name] - other.values[name]).min()) > 0
        assert one.values[name].shape == (2, 8)


def test_a_sample_sets_the_range(bare):
    engine = bare({"adc.ideal": False, "adc.enob_loss": 0.0, "adc.bits": 12})
    x = 1e-3 + jax.random.normal(jax.random.key(5), (200, 48))
    panel = engine.load_panel(_W, sample=x)
    # Ten times the rms of the sample, or all that there can be; typical operands instead give about the same.
    exact = (
        x.reshape(200, 2, 24).swapaxes(0, 1)
        / jnp.abs(x).max(axis=1)[:, None]
        @ (_W.reshape(2, 24, 8) / panel.scale[:, None])
    )
    rms = jnp.sqrt(jnp.mean(jnp.square(exact), axis=1))
    largest = jnp.abs(panel.values["signal"]).sum(axis=1)
    np.testing.assert_allclose(panel.full_scale, jnp.minimum(engine.ranging.sigmas * rms, largest), rtol=1e-4)
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), x, panel), x @ _W, atol=0.05)
    np.testing.assert_allclose(engine.load_panel(_W).full_scale, panel.full_scale, rtol=0.5)
