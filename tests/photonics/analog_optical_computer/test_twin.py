"""The steps of the published digital twin, against what their code gives for the same constants."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.analog_optical_computer import law, pattern
from photonics.analog_optical_computer.crosstalk import crossed
from photonics.analog_optical_computer.twin import Constants, closed_loop, constants, matrix_operation

# Their numbers are float32 and stand with eight digits; signals are below 0.6 V.
TOLERANCE_V = 1e-6


def _operands(golden):
    weights = jnp.asarray(golden["weight_codes"], jnp.float32) * golden["weight_step"]
    drives = {
        "random": jnp.asarray(golden["random_drive_v"], jnp.float32),
        "one_hot": jnp.eye(48) * golden["one_hot_v"],
    }
    return weights, drives | {"random_as_shipped": drives["random"]}


@pytest.mark.parametrize("case", ["one_hot", "random", "random_as_shipped"])
def test_equals_their_code(golden, case):
    weights, drives = _operands(golden)
    expected = golden["outputs"][case]
    rails = matrix_operation(
        constants(golden["constants"]),
        drives[case],
        weights,
        gain=expected["gain"],
        leakage=expected["leakage"],
    )
    for rail, name in zip(rails, ("plus", "minus"), strict=True):
        np.testing.assert_allclose(rail, expected[name], atol=TOLERANCE_V, rtol=1e-5)


def test_equals_their_code_behind_the_loop(golden):
    weights, drives = _operands(golden)
    machine, expected = constants(golden["constants"]), golden["outputs"]["random"]
    plus, minus = matrix_operation(machine, drives["random"], weights, gain=expected["gain"])
    after = closed_loop(machine, plus - minus, expected["gain"])
    np.testing.assert_allclose(after, expected["closed_loop"], atol=2 * TOLERANCE_V, rtol=1e-5)


@pytest.mark.parametrize("switch", ["leakage", "crosstalk", "dark_subtraction"])
def test_every_switch_would_be_noticed(golden, switch):
    weights, drives = _operands(golden)
    expected = golden["outputs"]["random"]
    machine = constants(golden["constants"])
    plus, _ = matrix_operation(machine, drives["random"], weights, gain=expected["gain"], **{switch: False})
    assert np.abs(plus - np.asarray(expected["plus"])).max() > 10 * TOLERANCE_V


def test_constants_that_lack_a_name_are_refused(golden):
    values = dict(golden["constants"])
    del values["leak_minus"]
    with pytest.raises(KeyError, match="leak_minus"):
        constants(values)


def _first(rail: pattern.Rail) -> dict[str, jax.Array]:
    """The constants of the first panel, without the axes of tiles and rows."""
    own = {name: jnp.asarray(value)[0, 0] for name, value in rail._asdict().items() if name != "efficiency"}
    return own | {"efficiency": jnp.asarray(rail.efficiency)[0, :, 0]}


def _of_instance(engine, machine: pattern.Pattern, outputs: int) -> Constants:
    """The constants that an engine draws, as those of the twin."""
    source = engine.source
    plus, minus = (rail._replace(**_first(rail)) for rail in (machine.plus, machine.minus))
    plus_led = source.plus_cubic, source.plus_quadratic, source.plus_linear, source.plus_offset
    minus_led = source.minus_cubic, source.minus_quadratic, source.minus_linear, source.minus_offset
    nothing = jnp.zeros(outputs)
    return Constants(plus, minus, plus_led, minus_led, nothing, nothing, nothing, 1.0)


def test_the_engine_takes_the_same_steps(small, drawn):
    """Its mean, before the electronics behind the receivers, is the twin's with the constants of its instance."""
    engine = small({"source.count": 8, "dac.ideal": True, "panel.ideal": True, "output.full_scale_sigmas": 4.0})
    w = jax.random.normal(jax.random.key(1), (8, 8))
    drive = jax.random.uniform(jax.random.key(2), (5, 8), minval=-1.0, maxval=1.0)
    tile = engine.load_panel(w).of_tile(0)
    plus, minus = engine.source.emitted(drive)
    mean = law.received(engine, plus @ tile["plus"], minus @ tile["minus"], tile, jnp.zeros((5, 8)))
    rails = matrix_operation(
        _of_instance(engine, drawn(engine, (1, 8, 8), 0), 8), drive * engine.source.full_drive_v, w
    )
    largest, unit = jnp.max(jnp.abs(w)), engine.source.full_unit() * engine.unit()
    np.testing.assert_allclose(mean, (rails[0] - rails[1]) / largest / unit, rtol=1e-4, atol=2e-5)


def test_crosstalk_is_the_same_on_the_host():
    signal = np.random.default_rng(3).normal(size=(4, 6))
    shares = np.linspace(0.01, 0.3, 6)
    on_host = crossed(signal, 0.1, shares, shares[::-1])
    assert on_host.dtype == np.float64
    np.testing.assert_allclose(crossed(jnp.asarray(signal), 0.1, shares, shares[::-1]), on_host, rtol=1e-5, atol=1e-6)
