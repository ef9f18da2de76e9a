"""Nothing that buys accuracy on a dynamic-operand engine is free, but for what stands in FREE."""

import itertools

import jax
import numpy as np
import pytest

from tests.photonics.payments import error_of, felt, responses, unpaid

# What buys accuracy without being paid for, and why that is so. An entry that is not needed fails the test.
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
# Strong enough to be felt in float32.
_STRONG = {
    "adc.bits": 9,
    "dispersion.channel_spacing_m": 2e-9,
    "detection.dark_current_a": 1e-5,
    "operating_point.laser_power_w": 2e-3,
}
_X, _W = jax.random.normal(jax.random.key(1), (600, 24)), jax.random.normal(jax.random.key(2), (24, 12))


@pytest.fixture(scope="module")
def table(dota, quickly):
    return responses(dota.replace(**_STRONG), error_of(_X, _W), quickly)


def test_nothing_that_buys_accuracy_is_free(table):
    assert unpaid(table, 0.01) == set(FREE)
    assert all(FREE.values())


def test_what_is_paid_for(table):
    assert felt(table) - set(FREE) == {
        "operating_point.laser_power_w",
        "operating_point.symbol_rate_hz",
        "detection.amplifier_power_w",
    }


def test_gradients_of_noise_tell_the_same(table):
    for path, own in table.items():
        assert np.isfinite(own.slope) and np.isfinite(own.price)
        # Ranges are calibrated, not learnt: their gradient is stopped.
        assert (own.slope != 0) == (own.felt != 0) or path.startswith("ranging."), path


@pytest.mark.parametrize("stage", ["dac", "adc"])
def test_bits_are_paid_for(stage, dota):
    powers = [float(dota.replace(**{f"{stage}.bits": bits}).power_budget()[stage]) for bits in range(3, 9)]
    assert all(few < many for few, many in itertools.pairwise(powers))
