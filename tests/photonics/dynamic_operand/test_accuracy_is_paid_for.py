"""What buys accuracy on these cores is paid for, or stands in FREE with a reason."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

FREE = {
    "link.modulator_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "link.router_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "link.splitter_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "link.phase_shifter_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "link.coupler_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "link.wavelength_m": "more photons in a joule; a choice of the band, whose parts the paper fixes",
    "operating_point.temperature_k": "cooling is not modelled; engines run at room temperature",
    "operand_noise.magnitude_deviation": "a residual that the paper states; what it costs to lower it is not published",
    "operand_noise.phase_deviation_rad": "a residual that the paper states; what it costs to lower it is not published",
    "operand_noise.output_deviation": "a residual that the paper states; what it costs to lower it is not published",
    "dispersion.channel_spacing_m": "a choice of the comb; routers that tell closer wavelengths apart are not modelled",
    "dispersion.length_m": "geometry of the coupler",
    "dispersion.length_slope": "geometry of the coupler",
    "dispersion.decay_m": "geometry of the coupler",
    "dispersion.decay_slope": "geometry of the coupler",
    "dispersion.gap_m": "geometry of the coupler",
    "detection.quantum_efficiency": "a property of the part",
    "detection.dark_current_a": "a property of the part",
    "detection.noise_resistance_ohm": "noise of a published amplifier at its published power",
    "detection.reference_power_w": "the published power itself; the power that is spent is `amplifier_power_w`",
    "ranging.sigmas": "a gain: resolution against clipping",
}
_PAID = {"operating_point.laser_power_w", "operating_point.symbol_rate_hz", "detection.amplifier_power_w"}
# Strong enough to be felt in float32.
_CHANGES = {
    "adc.bits": 9,
    "dispersion.channel_spacing_m": 2e-9,
    "detection.dark_current_a": 1e-5,
    "operating_point.laser_power_w": 2e-3,
}
_X, _W = jax.random.normal(jax.random.key(1), (600, 24)), jax.random.normal(jax.random.key(2), (24, 12))


@jax.jit
def _noise(engine):
    return jnp.mean(jnp.square(engine.matmul(jax.random.key(0), _X, _W) - _X @ _W))


def _energy_j(engine):
    return sum(engine.power_budget().values()) / engine.operating_point.symbol_rate_hz


def _leaves(engine):
    return {".".join(part.name for part in path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(engine)}


@pytest.fixture(scope="module")
def responses(dota):
    """By leaf: change of noise per relative change of the leaf, its gradient, and the change of energy."""
    engine = jax.tree.map(jnp.float32, dota.replace(**_CHANGES))
    slopes, prices = _leaves(jax.jit(jax.grad(_noise))(engine)), _leaves(jax.grad(_energy_j)(engine))
    table = {}
    for path, value in _leaves(engine).items():
        above, below = (_noise(engine.replace(**{path: value * factor})) for factor in (1.1, 0.9))
        table[path] = float(above - below), float(slopes[path] * value), float(prices[path] * value)
    return table


def test_nothing_that_buys_accuracy_is_free(responses):
    least = 0.01 * abs(responses["operating_point.laser_power_w"][2])
    felt = {path for path, (change, _, _) in responses.items() if change != 0}
    unpaid = {path for path in felt if responses[path][0] * responses[path][2] >= 0 or abs(responses[path][2]) < least}
    assert unpaid == set(FREE)
    assert felt - unpaid == _PAID


def test_gradients_tell_the_same_and_are_finite(responses):
    for path, (change, slope, price) in responses.items():
        assert np.isfinite(slope) and np.isfinite(price)
        # Ranges are calibrated, not learnt: their gradient is stopped.
        assert (slope != 0) == (change != 0 and not path.startswith("ranging.")), path


def test_operands_have_gradients(dota):
    by_x, by_w = jax.jit(
        jax.grad(lambda x, w: jnp.sum(jnp.square(dota.matmul(jax.random.key(0), x, w))), argnums=(0, 1))
    )(_X[:8], _W)
    for slope in (by_x, by_w):
        assert bool(jnp.all(jnp.isfinite(slope))) and float(jnp.abs(slope).max()) > 0


@pytest.mark.parametrize("stage", ["dac", "adc"])
def test_bits_are_paid_for(stage, dota):
    powers = [float(dota.replace(**{f"{stage}.bits": bits}).power_budget()[stage]) for bits in range(3, 9)]
    assert all(few < many for few, many in itertools.pairwise(powers))
