"""What buys accuracy on this machine is paid for, or stands in FREE with a reason."""

import jax
import numpy as np
import pytest

from tests.photonics.payments import error_of, responses, unpaid

# What buys accuracy without being paid for, and why that is so. An entry that is not needed fails the test.
FREE = {
    "source.wavelength_m": "more photons in a joule; a choice of the source material",
    "source.full_drive_v": "a smaller drive is straighter; the light that it moves is a depth of its own",
    "source.modulation_depth": "what the threshold of a microLED leaves; deeper modulation even lowers the bias",
    "fan_in.transmission": "a property of the lenses; its loss is repaid by laser power, which is charged",
    "fan_in.detector_aperture": "a property of the lenses; smaller photodiodes save receiver current too",
    "fan_in.profile_spread": "bought with calibration before use, not with power",
    "fan_in.rail_spread": "bought with calibration before use, not with power",
    "panel.transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "panel.column_spread": "bought with calibration before use, not with power",
    "panel.rail_spread": "bought with calibration before use, not with power",
    "panel.element_residual": "bought with calibration before use, not with power",
    "leakage.share": "a property of the beam splitter",
    "leakage.spread": "a property of the beam splitter",
    "crosstalk.per_neighbour": "geometry of the detectors",
    "photodetector.quantum_efficiency": "a property of the part; only the photocurrent is charged",
    "photodetector.dark_current_a": "a property of the part; less of it saves bias power too",
    "photodetector.capacitance_f_per_m2": "a property of the part; transit time, its price, is not modelled",
    "receiver.noise_factor": "a property of the part",
    "receiver.channel_noise_factor": "a property of the process",
    "receiver.input_capacitance_f": "wiring and transistor; less saves current too",
    "source.emitter_area_m2": "smaller emitters at the same power are brighter; how bright they can be is not modelled",
    "operating_point.temperature_k": "cooling is not modelled; engines run at room temperature",
    "output.gain_spread": "bought with calibration before use, not with power",
    "output.rail_gain_spread": "bought with calibration before use, not with power",
    "output.loop_gain_spread": "bought with calibration before use, not with power",
    "output.offset_v": "bought with calibration before use, not with power",
    "output.full_scale_sigmas": "a gain: resolution against clipping",
    "saturation.full_scale_v": "a gain: offsets against saturation",
}
# Coefficients of measured responses belong to parts: rails that fit each other are chosen, not bought.
_PARTS = ("source.plus", "source.minus", "panel.plus", "panel.minus", "output.plus", "output.minus", "saturation.")
_PAID = {
    "operating_point.laser_power_w",
    "operating_point.symbol_rate_hz",
    "fan_in.source_aperture",
    "receiver.feedback_resistance_ohm",
    "receiver.transconductance_siemens",
    "adc.enob_loss",
}
# Strong enough to be felt in float32, and every part present.
_CHANGES = {
    "source.count": 8,
    "panel.pixel_errors": True,
    "panel.element_residual": 0.05,
    "photodetector.dark_current_a": 1e-6,
    "photodetector.capacitance_f_per_m2": 1e-2,
    "receiver.channel_noise_factor": 50.0,
    "adc.bits": 12,
    "adc.enob_loss": 0.5,
    "source.wall_plug_efficiency": 0.5,
    "operating_point.laser_power_w": 1e-3,
}
_X, _W = jax.random.normal(jax.random.key(1), (400, 8)), jax.random.normal(jax.random.key(2), (8, 8))


@pytest.fixture(scope="module")
def table(small):
    return responses(small(_CHANGES), error_of(_X, _W))


def test_nothing_that_buys_accuracy_is_free(table):
    felt = {path for path, own in table.items() if own.felt and not path.startswith(_PARTS)}
    free = unpaid(table, 0.01) & felt
    assert free == {path for path in FREE if not path.startswith(_PARTS)}
    assert felt - free == _PAID


def test_gradients_are_finite(table):
    for path, own in table.items():
        assert np.isfinite(own.slope) and np.isfinite(own.price), path


def test_more_light_and_less_error(table):
    light = table["operating_point.laser_power_w"]
    assert light.felt < 0 and light.slope < 0 < light.price
