"""Nothing that buys accuracy on a residue engine is free, but for what stands in FREE.

Errors of residues are all or nothing, so noise is that of the phases which are read as residues.
"""

import itertools

import numpy as np
import pytest

from tests.photonics.payments import energy_j, felt, responses

# What lowers the noise of a phase without being paid for, and why that is so. An entry that is not needed fails.
FREE = {
    "operating_point.temperature_k": "cooling is not modelled; engines run at room temperature",
    "operating_point.age_s": "calibrating more often costs time, which is not modelled",
    "source.wavelength_m": "a choice of platform: photons of less energy, more of them for each watt",
    "core.coupling_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "core.segment_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "core.segment_error_rad": "bought with calibration and with the resolution of what holds the segments",
    "readout.local_share": "a choice: shot noise and receivers against light of the signal",
    "readout.hybrid_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "readout.quantum_efficiency": "a property of the part; only the photocurrent is charged",
    "readout.offset_residual_rad": "bought with calibration before use, not with power",
    "readout.drift_rad_per_root_s": "thermal control is a fixed power of the system",
    "receiver.capacitance_f": "less noise and less reset energy with less of it, until the full well is reached",
}
# Old enough to drift, dim enough for receivers to count, a converter with noise of its own.
_STRONG = {"operating_point.age_s": 1e3, "operating_point.laser_power_w": 1e-3, "adc.bits": 7, "adc.enob_loss": 0.5}


@pytest.fixture(scope="module")
def table(full, phase_noise):
    return responses(full.replace(**_STRONG), phase_noise)


def test_nothing_that_buys_accuracy_is_free(table):
    # Joules for each unit of variance that a leaf takes away, over those of light: a step in the loss of one segment is
    # one in that of hundreds, and is followed by its slope alone.
    each_j = {path: -own.price / own.slope for path, own in table.items() if own.slope}
    assert {path for path, own_j in each_j.items() if own_j < 0.1 * each_j["operating_point.laser_power_w"]} == set(
        FREE
    )
    assert all(FREE.values())


def test_what_is_paid_for(table):
    assert felt(table) - set(FREE) == {
        "operating_point.laser_power_w",
        "operating_point.symbol_rate_hz",
        "adc.enob_loss",
    }


def test_gradients_of_noise_tell_the_same(table):
    for path, own in table.items():
        assert np.isfinite(own.slope) and np.isfinite(own.price)
        assert (own.slope != 0) == (own.felt != 0), path


@pytest.mark.parametrize(
    "series",
    [
        [{"encoding.redundant_moduli": r} for r in range(3)],
        [{"encoding.moduli": n, "dac.bits": 4} for n in (2, 3, 4)],
        [{"encoding.residue_bits": b, "adc.bits": 8, "encoding.moduli": 4} for b in (6, 7)],
        [{"adc.bits": b} for b in (6, 7, 8)],
        [{"dac.bits": b} for b in (4, 5, 6)],
        [{"readout.conversions": n} for n in (1, 2)],
        [{"encoding.erases": e} for e in (False, True)],
        [{"core.inputs": h} for h in (32, 64, 128)],
    ],
)
def test_structure_is_paid_for(series, full):
    energies = [float(energy_j(full.replace(**changes))) for changes in series]
    assert all(few < many for few, many in itertools.pairwise(energies))
