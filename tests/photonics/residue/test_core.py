import dataclasses
import math

import pytest

from photonics.catalogue import load_engine
from photonics.stage import OperatingPoint
from photonics.units import LIGHT_SPEED_M_PER_S, PLANCK_J_S


@pytest.fixture(scope="module")
def engine():
    return load_engine("residue-2024")


def _at(**values: float) -> OperatingPoint:
    return OperatingPoint(
        **{"laser_power_w": 1e-2, "symbol_rate_hz": 1e9, "temperature_k": 300.0, "age_s": 0.0} | values
    )


def test_a_photon_of_the_laser(engine):
    assert engine.source.photon_energy_j() == pytest.approx(PLANCK_J_S * LIGHT_SPEED_M_PER_S / 1.55e-6)
    assert engine.source.power_w(_at(laser_power_w=0.02)) == pytest.approx(0.02 / engine.source.wall_plug_efficiency)


def test_loss_errors_and_segments_grow_with_the_cascade(engine):
    core = dataclasses.replace(engine.core, inputs=10, outputs=3, segment_transmission=0.9, segment_error_rad=0.01)
    assert core.segments(6) == 180
    assert core.cascade_transmission(6) == pytest.approx(0.9**60)
    assert core.phase_variance(6) == pytest.approx(60 * 1e-4)
    assert core.phase_variance(7) > core.phase_variance(6)


def test_offsets_walk_with_time(engine):
    readout = dataclasses.replace(engine.readout, offset_residual_rad=3e-3, drift_rad_per_root_s=4e-4)
    assert readout.offset_variance(_at()) == pytest.approx(9e-6)
    assert readout.offset_variance(_at(age_s=100.0)) == pytest.approx(9e-6 + 16e-6)
    assert dataclasses.replace(readout, fixed_pattern=False).offset_variance(_at(age_s=100.0)) == 0


def test_photocurrent_times_bias(engine):
    readout = dataclasses.replace(engine.readout, bias_v=2.0)
    # 1e6 electrons at 1 GHz are 160 uA.
    assert readout.bias_power_w(1e6, _at()) == pytest.approx(2.0 * 1.602176634e-4)
    per_joule = readout.electrons_per_joule(engine.source.photon_energy_j())
    assert per_joule * engine.source.photon_energy_j() == pytest.approx(readout.quantum_efficiency)
    assert math.isfinite(per_joule)
