"""Nothing that buys accuracy on a homodyne engine is free, but for what stands in FREE."""

import itertools

import jax
import numpy as np
import pytest

from tests.photonics.payments import error_of, felt, responses, unpaid

# What buys accuracy without being paid for, and why that is so. An entry that is not needed fails the test.
FREE = {
    "modulator.transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "array.transmission": "a property of the chip; its loss is repaid by laser power, which is charged",
    "array.weight_share": "a split of light that is charged as a whole; the best split follows from the operands",
    "pair.quantum_efficiency": "a property of the part; only the photocurrent is charged",
    "pair.dark_current_a": "a property of the part; less of it saves bias power too",
    "pair.capacitance_f": "a property of the part; less of it saves charge too",
    "pair.gain_residual": "bought with calibration before use, not with power",
    "pair.imbalance_residual": "bought with calibration before use, not with power",
    "operating_point.temperature_k": "cooling is not modelled; engines run at room temperature",
    "operating_point.age_s": "calibrating more often costs time, which is not modelled",
    "laser.rin_per_hz": "a property of the part",
    "laser.wavelength_m": "more photons per joule at longer waves, as far as photodiodes see them",
    "modulator.extinction_ratio": "a property of the part; its floor even draws photocurrent",
    "modulator.bandwidth_hz": "a property of the part; its drive energy is a value of its own",
    "phase.residual_rad": "bought with calibration before use; what holds a phase is a value of its own",
    "phase.drift_rad_per_root_s": "a property of the chip; thermal control is a fixed power of the system",
    "phase.jitter_rad": "a property of drivers and laser",
    "integrator.capacitance_f": "less noise and less charge with less of it, until the full well is reached",
    "integrator.channel_noise_factor": "a property of the process",
    "integrator.output_swing_v": "what the supply leaves; a higher supply voltage is charged by itself",
    "ranging.sigmas": "a gain: resolution against clipping",
}
_STRONG = {
    "operating_point.laser_power_w": 1e-4,
    "operating_point.age_s": 1e4,
    "laser.rin_per_hz": 1e-12,
    "pair.dark_current_a": 1e-6,
    "pair.imbalance_residual": 0.05,
    "phase.residual_rad": 0.2,
    "phase.jitter_rad": 0.2,
    "modulator.extinction_ratio": 20.0,
    "modulator.bandwidth_hz": 5e9,
    "integrator.output_swing_v": 1.5e-3,
    "adc.bits": 9,
    "array.weight_share": 0.3,
}
_X = jax.random.normal(jax.random.key(1), (1500, 24))
_W = jax.random.normal(jax.random.key(2), (24, 8))


@pytest.fixture(scope="module")
def table(small, quickly):
    return responses(small(_STRONG), error_of(_X, _W), quickly)


def test_nothing_that_buys_accuracy_is_free(table):
    assert unpaid(table, 0.1) == set(FREE)
    assert all(FREE.values())


def test_what_is_paid_for(table):
    assert felt(table) - set(FREE) == {
        "operating_point.laser_power_w",
        "operating_point.symbol_rate_hz",
        "integrator.load_capacitance_f",
        "adc.enob_loss",
    }


def test_gradients_of_noise_tell_the_same(table):
    for path, own in table.items():
        assert np.isfinite(own.slope) and np.isfinite(own.price)
        # Ranges are calibrated, not learnt: their gradient is stopped.
        assert (own.slope != 0) == (own.felt != 0) or path.startswith("ranging."), path


def test_an_unpaid_leaf_is_found(table):
    light = "operating_point.laser_power_w"
    assert light in unpaid({**table, "adc.enob_loss": table[light], light: table[light]._replace(price=0.0)}, 0.1)


@pytest.mark.parametrize("part", ["dac", "weight_dac", "adc"])
def test_bits_are_paid_for(part, homodyne):
    powers = [
        float(homodyne.replace(**{f"{part}.bits": bits, "adc.enob_loss": 1.5}).power_budget()[part])
        for bits in range(4, 12)
    ]
    assert all(few < many for few, many in itertools.pairwise(powers))


def test_longer_sums_save_conversions_and_fill_the_well(homodyne):
    short, long = (homodyne.replace(**{"array.integration": length}) for length in (256, 1024))
    assert short.power_budget()["adc"] > 3 * long.power_budget()["adc"]
    assert short.typical_signal_electrons() < long.typical_signal_electrons()
