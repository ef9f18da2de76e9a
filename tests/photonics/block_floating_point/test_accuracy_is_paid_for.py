"""Nothing that buys accuracy on a block-floating-point engine is free, but for what stands in FREE."""

import itertools

import jax
import numpy as np
import pytest

from tests.photonics.family_engines import small
from tests.photonics.payments import error_of, felt, leaves, responses, unpaid

# What buys accuracy without being paid for, and why that is so. An entry that is not needed fails the test.
FREE = {
    "core.transmission": "a property of the chip; its loss is repaid by laser power, which is charged",
    "photodetector.quantum_efficiency": "a property of the part; only the photocurrent is charged",
    "photodetector.wavelength_m": "more photons per joule at longer waves; only the photocurrent is charged",
    "photodetector.dark_current_a": "a property of the part; less of it saves bias power too",
    "photodetector.capacitance_f": "a property of the part; less of it saves receiver current too",
    "operating_point.temperature_k": "cooling is not modelled; engines run at room temperature",
    "receiver.noise_factor": "a property of the part, fitted to a published one",
    "receiver.channel_noise_factor": "a property of the process",
    "receiver.input_capacitance_f": "wiring and transistor; less saves current too",
    "channels.gain": "a gain: resolution against clipping",
    "channels.gain_mean": "a calibration of the analog gain, not power",
    "channels.gain_spread": "bought with calibration before use, not with power",
    "channels.offset_mean_lsb": "bought with calibration before use, not with power",
    "channels.offset_lsb": "bought with calibration before use, not with power",
}
_STRONG = {
    "operating_point.laser_power_w": 1e-5,
    "photodetector.dark_current_a": 1e-5,
    "channels.affine_correction": False,
    "channels.offset_lsb": 20.0,
    "channels.offset_mean_lsb": 20.0,
    "adc.enob_loss": 4.0,
}
_X, _W = jax.random.normal(jax.random.key(1), (1500, 24)), jax.random.normal(jax.random.key(2), (24, 8))


@pytest.fixture(scope="module")
def table(quickly):
    return responses(small("block-floating-point").replace(**_STRONG), error_of(_X, _W), quickly)


def test_nothing_that_buys_accuracy_is_free(table):
    assert unpaid(table, 0.01) == set(FREE)
    assert all(FREE.values())


def test_every_leaf_was_looked_at(table):
    assert set(table) == set(leaves(small("block-floating-point")))
    assert felt(table) - set(FREE) == {
        *("operating_point.laser_power_w", "operating_point.symbol_rate_hz", "adc.enob_loss"),
        *("receiver.feedback_resistance_ohm", "receiver.transconductance_siemens"),
    }


def test_gradients_of_noise_tell_the_same(table):
    for path, own in table.items():
        assert (own.slope != 0) == (own.felt != 0), path
        assert np.isfinite(own.price)


@pytest.mark.parametrize(("path", "part"), [("dac.bits", "dac"), ("adc.bits", "adc")])
def test_converter_bits_are_paid_for(path, part):
    engines = [small("block-floating-point").replace(**{path: bits}) for bits in range(6, 12)]
    powers = [float(engine.power_budget()[part]) for engine in engines]
    assert all(few < many for few, many in itertools.pairwise(powers))


def test_weight_bits_are_paid_for_when_they_are_written():
    engines = [small("block-floating-point").replace(**{"weights.bits": bits}) for bits in range(4, 10)]
    loads = [float(engine.load_energy_j()) for engine in engines]
    assert all(many == pytest.approx(2 * few) for few, many in itertools.pairwise(loads))
