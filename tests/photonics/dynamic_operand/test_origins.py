"""The noise budget against the noise of products of typical operands."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics import operands

_TOKENS, _OUTPUTS = 400, 400


def _operands(key: int, count: int) -> jax.Array:
    """Vectors (count, 24) of typical values in random order; their largest is below 1.

    Each is scaled by 5 % or less, by which their rounding errors differ.
    """
    vector = jnp.asarray(operands.typical(24), jnp.float32)
    order, scale = jax.random.split(jax.random.key(key))
    shuffled = jax.vmap(lambda one: jax.random.permutation(one, vector))(jax.random.split(order, count))
    return shuffled * jax.random.uniform(scale, (count, 1), minval=0.95, maxval=1.05)


@pytest.fixture(scope="module")
def converted():
    """What one conversion makes of drives and weights as they are, not scaled to their largest."""

    @jax.jit
    def convert(engine, x, w, full_scale):
        tile = {"v": engine.drive(w)}
        analog = engine.analog(jax.random.key(3), engine.drive(x), full_scale, tile, (len(x),))
        return engine.convert(analog, full_scale, tile)

    return convert


@pytest.mark.parametrize(
    ("origin", "changes"),
    [
        ("shot noise of the signal light", {"detection.shot_noise": True, "detection.dark_current_a": 0.0}),
        ("receiver", {"detection.noise_resistance_ohm": 663.0}),
        ("magnitude of the operands", {"operand_noise.magnitude_deviation": 0.05}),
        ("phase of the operands", {"operand_noise.phase_deviation_rad": 0.3}),
        ("variation of the outputs", {"operand_noise.output_deviation": 0.05}),
        ("dispersion of the couplers", {"dispersion.present": True, "dispersion.channel_spacing_m": 2e-9}),
        ("rounding of the operands", {"dac.ideal": False, "dac.bits": 11}),
        ("rounding of the outputs", {"adc.ideal": False, "adc.bits": 6, "ranging.sigmas": 5.0}),
    ],
)
def test_each_origin_makes_the_noise_it_says(origin, changes, bare, converted):
    engine = bare(changes)
    budget = engine.noise_budget()
    assert [(term.origin, term.share) for term in budget] == [(origin, 1.0)]
    x, w = _operands(1, _TOKENS), _operands(2, _OUTPUTS).T
    full_scale = engine.typical_full_scale_electrons() / float(engine.gain_electrons())
    shown = converted(engine, x, w, full_scale)
    error = np.asarray(shown - x @ w * engine.operand_noise.mean_factor(), np.float64)
    expected = budget[0].variance_electrons2 / float(engine.gain_electrons()) ** 2
    if origin in ("dispersion of the couplers", "variation of the outputs", "rounding of the operands"):
        # Sums over values drawn without replacement, whose mean is 0: each excludes 1 of 24.
        expected *= 24 / 23
    # Dispersion adds one error for each of 400 + 400 vectors: 5 sqrt(2 / 800) = 25 %. All other errors differ from
    # output to output, 160,000 of them, with fourth moments that 800 shuffled vectors set.
    tolerance = 0.25 if origin.startswith("dispersion") else 0.04
    assert np.mean(error**2) == pytest.approx(expected, rel=tolerance)


def test_the_typical_signal_is_that_of_typical_operands(bare):
    engine = bare()
    x, w = _operands(1, _TOKENS), _operands(2, _OUTPUTS).T
    signal = float(jnp.sqrt(jnp.mean(jnp.square(x @ w))) * engine.gain_electrons())
    # Random orders of 800 vectors.
    assert engine.typical_signal_electrons() == pytest.approx(signal, rel=0.03)


def test_no_noise_no_budget(bare):
    assert bare().noise_budget() == []
