"""What every engine keeps, whatever its encoding and its flaws: exact limits, own draws, gradients, one compilation."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.free_space import FreeSpaceEngine

_OFFSET_WEIGHTS = {"encoding.weight_sign": "offset"}
_OFFSET_ACTIVATIONS = {"encoding.activation_sign": "offset"}
ENCODINGS: dict[str, dict[str, Any]] = {
    "subtracted passes": {},
    "conversion per pass": {"encoding.conversion": "pass"},
    "offset weights": _OFFSET_WEIGHTS,
    "offset weights, conversion per pass": {**_OFFSET_WEIGHTS, "encoding.conversion": "pass"},
    "offset activations": _OFFSET_ACTIVATIONS,
    "offset both": {**_OFFSET_WEIGHTS, **_OFFSET_ACTIVATIONS},
    "repetitions": {"encoding.repetitions": 3},
}
DIGITS = {
    "activation digits": {"encoding.activation_slices": 2},
    "weight digits": {"encoding.weight_slices": 3},
    "digits of both, offset": {
        "encoding.activation_slices": 3,
        "encoding.weight_slices": 2,
        **_OFFSET_WEIGHTS,
        **_OFFSET_ACTIVATIONS,
    },
}
FLAWS: dict[str, dict[str, Any]] = {
    "curved": {
        "modulator.response": "curved",
        "modulator.curvature": 0.5,
        "modulator.skew": 0.0,
        "panel.response": "curved",
    },
    "compensated": {"modulator.response": "compensated", "panel.response": "compensated"},
    "settling": {"modulator.settling": True, "modulator.bandwidth_hz": 4e8},
    "one pole": {"receiver.filter": "one-pole", "receiver.bandwidth_hz": 4e8},
    "saturation": {
        "photodetector.saturates": True,
        "photodetector.saturation_current_a": 1e-5,
        "readout.saturates": True,
        "receiver.output_swing_v": 1e-2,
    },
    "beats": {"source.beats": True, "source.mode_overlap": 0.1},
    "common laser": {"source.noise": "common"},
    "pass mismatch": {"readout.pass_mismatch": True, "readout.pass_residual": 0.05},
    "electronics": {
        "readout.crosstalk": True,
        "readout.crosstalk_per_neighbour": 0.05,
        "readout.fixed_pattern": True,
        "readout.gain_residual": 0.05,
        "readout.offset_residual": 0.01,
    },
    "aged": {"operating_point.age_s": 1e4, "source.gain_residual": 0.05, "readout.fixed_pattern": True},
}
# Compiled together where they do not hide one another, because each structure compiles for seconds.
TOGETHER = {
    "memory and electronics": {
        **FLAWS["curved"],
        **FLAWS["settling"],
        **FLAWS["one pole"],
        **FLAWS["electronics"],
        **FLAWS["aged"],
        **FLAWS["common laser"],
    },
    "one by one": {**FLAWS["saturation"], **FLAWS["beats"], **FLAWS["pass mismatch"], **FLAWS["compensated"]},
}
_X, _W = jax.random.normal(jax.random.key(1), (2, 3, 40)), jax.random.normal(jax.random.key(2), (40, 20))


@pytest.mark.parametrize("changes", ENCODINGS.values(), ids=ENCODINGS)
@pytest.mark.parametrize("rotate", [False, True])
def test_the_ideal_limit_is_exact(changes, rotate, bare, product):
    y = product(bare({**changes, "encoding.rotate": rotate}), jax.random.key(0), _X, _W)
    # float32 sums of 40 products of order one, scales and rotation included.
    np.testing.assert_allclose(y, _X @ _W, atol=2e-5)


@pytest.mark.parametrize("changes", (ENCODINGS | DIGITS).values(), ids=ENCODINGS | DIGITS)
def test_codes_multiply_exactly_where_nothing_disturbs_them(changes, bare, product):
    coarse = {"dac.ideal": False, "dac.bits": 7, "panel.ideal": False, "panel.bits": 6, **changes}
    s_x, s_w = jnp.abs(_X).max(axis=-1, keepdims=True), jnp.abs(_tiled(_W)).max(axis=1)
    x_hat, v = jnp.round(_X / s_x * 63) / 63, jnp.round(_tiled(_W) / s_w[:, None] * 31) / 31
    parts = [x_hat[..., 20 * tile : 20 * (tile + 1)] @ v[tile] * s_w[tile] for tile in range(2)]
    y = product(bare(coarse), jax.random.key(0), _X, _W)
    np.testing.assert_allclose(y, sum(parts) * s_x, atol=3e-5)


def _tiled(w: jax.Array) -> jax.Array:
    """Fan-in 32: two tiles of 20 rows."""
    return w.reshape(2, 20, -1)


@pytest.mark.parametrize("changes", (ENCODINGS | DIGITS | TOGETHER).values(), ids=ENCODINGS | DIGITS | TOGETHER)
def test_a_sequence_has_its_own_draws_in_any_batch(changes, small, product):
    engine = small({**changes, "adc.ideal": True})
    keys = jax.random.split(jax.random.key(4), 2)
    together = product(engine, keys, _X, _W)
    alone = [product(engine, keys[n : n + 1], _X[n : n + 1], _W) for n in range(2)]
    # Sums of other shapes round differently; a draw of another key would differ by the noise, some per cent.
    scale = float(jnp.abs(together).max())
    np.testing.assert_allclose(together, jnp.concatenate(alone), atol=2e-5 * scale)
    again, other = product(engine, keys, _X, _W), product(engine, keys[::-1], _X, _W)
    np.testing.assert_array_equal(together, again)
    assert float(jnp.abs(other - together).max()) > 1e-3 * scale


@pytest.mark.parametrize("changes", (ENCODINGS | DIGITS | TOGETHER).values(), ids=ENCODINGS | DIGITS | TOGETHER)
def test_gradients_are_finite_and_reach_operands_and_light(changes, small, quickly):
    engine: FreeSpaceEngine = jax.tree.map(jnp.float32, small(changes))

    def loss(engine: FreeSpaceEngine, x: jax.Array, w: jax.Array) -> jax.Array:
        return jnp.mean(jnp.square(engine.matmul(jax.random.key(0), x, w) - _X @ _W))

    by_engine, by_x, by_w = quickly(jax.grad(loss, argnums=(0, 1, 2)))(engine, _X, _W)
    for leaf in jax.tree.leaves((by_engine, by_x, by_w)):
        assert bool(jnp.all(jnp.isfinite(leaf)))
    assert by_engine.operating_point.laser_power_w != 0
    assert float(jnp.abs(by_x).max()) > 0 and float(jnp.abs(by_w).max()) > 0


@pytest.mark.parametrize("changes", (ENCODINGS | DIGITS | FLAWS).values(), ids=ENCODINGS | DIGITS | FLAWS)
def test_another_operating_point_compiles_nothing(changes, small):
    traces = []

    @jax.jit
    def traced(engine: FreeSpaceEngine, x: jax.Array, w: jax.Array) -> jax.Array:
        traces.append(1)
        return engine.matmul(jax.random.key(0), x, w)

    for power_w, rate_hz in ((1e-2, 1e9), (3e-2, 5e8), (1e-1, 2e9)):
        jax.eval_shape(traced, small(changes).at(laser_power_w=power_w, symbol_rate_hz=rate_hz), _X, _W)
    assert len(traces) == 1


@pytest.mark.parametrize("name", FLAWS)
def test_a_flaw_costs_accuracy(name, bare, catalogue):
    # Against the same machine without it, all else ideal but the receiver that some flaws belong to.
    changes = {"receiver": catalogue.receiver, "receiver.noise_factor": 1.0, "panel.fixed_pattern": name == "aged"}
    coarse = {"dac.ideal": False, "panel.ideal": False} if name == "compensated" else {}
    common = {"source.rin_per_hz": 1e-12} if name == "common laser" else {}
    without = bare({**changes, **coarse}).at(laser_power_w=1e-2)
    flawed = bare({**changes, **coarse, **FLAWS[name], **common}).at(laser_power_w=1e-2)

    def error(engine: FreeSpaceEngine) -> float:
        y = engine.matmul(jax.random.key(0), _X, engine.load_panel(_W))
        return float(jnp.mean(jnp.square(y - _X @ _W)))

    assert error(flawed) > 1.02 * error(without)
