"""The fast path: integers, light, gradients. Its noise is in `test_noise_laws` and `test_reference`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics import fast
from photonics.free_space import FreeSpaceEngine
from photonics.loaded_panel import LoadedPanel, exact_codes, split_rows
from photonics.receiver import IntegratingReceiver

# 33 inputs fill two tiles of 17 rows but for one.
_X = jax.random.normal(jax.random.key(1), (64, 33))
_W = jax.random.normal(jax.random.key(2), (33, 12))
_KEY = jax.random.key(3)


# Exact integers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bits", "rotate"), [(2, False), (8, True), (9, False)])
def test_the_integer_path_equals_the_float_path(bits, rotate, bare, product):
    real = {"dac.ideal": False, "dac.bits": bits, "panel.ideal": False, "panel.bits": bits, "encoding.rotate": rotate}
    integers = bare(real)
    # Silent sources take the way of noisy ones, in float32.
    floats = bare({**real, "source.noise": "independent", "source.rin_per_hz": 0.0})
    assert exact_codes(integers) and not exact_codes(floats)
    ours, theirs = (np.asarray(product(engine, _KEY, _X, _W)) for engine in (integers, floats))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6 * np.abs(ours).max())


def test_the_integer_path_has_the_same_noise(bare, product):
    real = {"dac.ideal": False, "panel.ideal": False, "photodetector.shot_noise": True}
    floats = {"source.noise": "independent", "source.rin_per_hz": 0.0}
    low = {"operating_point.laser_power_w": 1e-6}
    ours, theirs = (np.asarray(product(bare({**real, **low, **more}), _KEY, _X, _W)) for more in ({}, floats))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(ours).max())
    assert np.abs(ours - np.asarray(_X @ _W)).max() > 0.1


# Light ------------------------------------------------------------------------------------------------------------


def _detected_share(engine: FreeSpaceEngine, x: jax.Array, panel: LoadedPanel) -> float:
    """Light on all detectors over what modulators, optics and panel at their most open let through."""
    at, photon_j = engine.operating_point, engine.source.photon_energy_j()
    symbols = x.shape[0] * engine.encoding.passes * panel.tiles * -(-panel.n // engine.panel.outputs)
    launched_j = float(engine.source.launched_power_w(at, 1.0)) * symbols / float(at.symbol_rate_hz)
    detected_j = float(engine.detected_electrons(x, panel)) * photon_j / engine.photodetector.quantum_efficiency
    return float(detected_j / launched_j / engine.light_efficiency())


@pytest.mark.parametrize("n", [3, 40])
def test_no_more_light_is_detected_than_is_launched(n, bare, loaded):
    engine = bare({"modulator.extinction_ratio": 3.0, "panel.extinction_ratio": 3.0, "optics.transmission": 0.5})
    wide = _detected_share(engine, jnp.ones((64, 32)), loaded(engine, jnp.ones((32, n))))
    typical = _detected_share(engine, _X[:, :32], loaded(engine, jnp.tile(_W, (1, 4))[:32, :n]))
    assert 0 < typical < wide <= 1


def test_no_more_light_is_detected_with_errors_of_the_glass(small, loaded):
    engine = small({"panel.element_residual": 0.05, "panel.rail_residual": 0.05})
    assert 0 < _detected_share(engine, jnp.ones((64, 32)), loaded(engine, jnp.ones((32, 16)))) <= 1


def test_light_of_a_full_panel_by_hand(bare):
    # Everything open: one rail and one pass bright, the others dark but for their floors; half of the columns.
    floors = {"modulator.extinction_ratio": 4.0, "panel.extinction_ratio": 5.0}
    engine = bare(floors)
    electrons = float(engine.detected_electrons(jnp.ones((3, 32)), engine.load_panel(jnp.ones((32, 16)))))
    launched = 32 * 2 * 3 * float(engine.electrons_per_path()) * 32
    assert electrons / launched == pytest.approx((1 + 1 / 4) / 2 * (1 + 1 / 5) / 2, rel=1e-2)  # bfloat16 light


def test_electrons_grow_with_the_light_and_are_counted_by_the_reference(bare):
    engine = bare({"operating_point.laser_power_w": 1e-6, "modulator.extinction_ratio": 9.0})
    panel = engine.load_panel(_W)
    once, twice = (float(engine.at(laser_power_w=p).detected_electrons(_X, panel)) for p in (1e-6, 2e-6))
    assert twice == pytest.approx(2 * once, rel=1e-6)
    # Shot noise alone: the variance of all electrons together is their mean.
    shot = engine.replace(**{"photodetector.shot_noise": True})
    variance = sum(_tile_variance(shot, panel))
    assert variance == pytest.approx(once, rel=2e-2)


def _tile_variance(engine: FreeSpaceEngine, panel: LoadedPanel) -> list[float]:
    scale = jnp.max(jnp.abs(_X), axis=1, keepdims=True)
    (lights,) = engine.lights(split_rows(_X / scale, panel.tiles, panel.rows), _X.shape[:1])
    gain = float(engine.gain_electrons())
    return [
        float(jnp.sum(fast.variance_of_signal(engine, tuple(light[tile] for light in lights), panel.total[tile])))
        * gain**2
        for tile in range(panel.tiles)
    ]


# Gradients --------------------------------------------------------------------------------------------------------

# Converters that do not round, and every effect so strong that its derivative stands out of float32.
_SMOOTH = {
    "dac.ideal": True,
    "panel.ideal": True,
    "adc.ideal": True,
    "operating_point.laser_power_w": 3e-4,
    "photodetector.dark_current_a": 1e-5,
    "source.rin_per_hz": 1e-11,
    "optics.crosstalk_residual": 0.01,
    "panel.element_residual": 0.03,
    "panel.rail_residual": 0.03,
    "modulator.extinction_ratio": 5.0,
    "panel.extinction_ratio": 5.0,
}
_OTHER = {
    **_SMOOTH,
    "source.noise": "common",
    "receiver": IntegratingReceiver(capacitance_f=5e-12, reset_v=1.0, amplifier_power_w=3e-4, output_swing_v=1.0),
}


def _error(engine: FreeSpaceEngine, x: jax.Array, w: jax.Array) -> jax.Array:
    return jnp.mean(jnp.square(engine.matmul(_KEY, x, w) - x @ w))


@pytest.fixture(scope="module")
def error(quickly):
    return quickly(_error)


@pytest.fixture(scope="module")
def slopes(quickly):
    return quickly(jax.grad(_error, argnums=(0, 1, 2)))


def _leaves(engine: FreeSpaceEngine) -> dict[str, jax.Array]:
    return {".".join(part.name for part in path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(engine)}


@pytest.mark.parametrize("changes", [_SMOOTH, _OTHER], ids=["independent, transimpedance", "common, integrating"])
def test_gradients_of_hardware_are_finite_differences(changes, small, error, slopes):
    engine = jax.tree.map(jnp.float32, small(changes))
    gradients, step, felt = _leaves(slopes(engine, _X, _W)[0]), 0.02, 0
    for path, value in _leaves(engine).items():
        above, below = (error(engine.replace(**{path: value * (1 + side)}), _X, _W) for side in (step, -step))
        numeric = (float(above) - float(below)) / (2 * step)
        # Second order in the step, some 1e-3, and float32 over the step, some 1e-5 of the error itself.
        assert float(gradients[path] * value) == pytest.approx(numeric, rel=2e-2, abs=5e-5 * float(above)), path
        felt += abs(numeric) > 1e-3 * float(above)
    assert felt >= 17


@pytest.mark.parametrize("changes", [_SMOOTH, _OTHER], ids=["independent, transimpedance", "common, integrating"])
@pytest.mark.parametrize("operand", [1, 2], ids=["activations", "weights"])
def test_gradients_of_operands_are_finite_differences(operand, changes, small, error, slopes):
    arguments = [jax.tree.map(jnp.float32, small(changes)), _X, _W]
    gradient = slopes(*arguments)[operand]
    length = float(jnp.linalg.norm(gradient))
    step, values = 1e-2, []
    for side in (step, -step):
        moved = list(arguments)
        moved[operand] = arguments[operand] + side * gradient / length
        values.append(float(error(*moved)))
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(length, rel=2e-2)


def test_gradients_pass_real_converters_straight_through(small, slopes):
    # Rounded and smooth engine have nearly the same error, so nearly the same slopes.
    real = small({**_SMOOTH, "dac.ideal": False, "panel.ideal": False, "adc.ideal": False})
    rounded, smooth = (slopes(jax.tree.map(jnp.float32, engine), _X, _W) for engine in (real, small(_SMOOTH)))
    for ours, theirs in zip(rounded[1:], smooth[1:], strict=True):
        cosine = float(jnp.sum(ours * theirs) / jnp.linalg.norm(ours) / jnp.linalg.norm(theirs))
        assert cosine > 0.9


@pytest.mark.parametrize(
    "changes",
    [
        {**_SMOOTH, "modulator.extinction_ratio": float("inf")},
        {**_SMOOTH, "panel.extinction_ratio": float("inf")},
        {**_SMOOTH, "source.rin_per_hz": 0.0},
        {**_OTHER, "source.rin_per_hz": 0.0},
        {**_OTHER, "receiver.capacitance_f": 0.0},
        {**_SMOOTH, "optics.crosstalk_residual": 0.0, "optics.crosstalk_per_neighbour": 0.0},
    ],
)
def test_gradients_are_finite_where_an_effect_vanishes(changes, small, slopes):
    # Zeros of padding and of activations meet square roots of nothing.
    engine = jax.tree.map(jnp.float32, small().replace(**changes))
    gradients = slopes(engine, _X.at[:, 5].set(0.0), _W.at[:, 1].set(0.0))
    assert all(bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(gradients))
