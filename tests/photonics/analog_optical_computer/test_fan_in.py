"""The lenses: light collected, etendue, and profiles of sources."""

import numpy as np
import pytest

from photonics.analog_optical_computer.fan_in import collected, conserved


def test_light_is_scaled_by_source_and_shared_by_columns():
    np.testing.assert_array_equal(collected(np.array([[1.0, 2.0]]), np.array([0.5, 0.25])), [[0.5, 0.5]])
    np.testing.assert_array_equal(conserved(np.array([8.0]), 4), [2.0])


def test_detectors_accept_the_etendue_of_all_sources(small):
    fan_in = small().fan_in
    area = fan_in.detector_area_m2(2e-9, 12)
    assert np.pi * area * 0.5**2 == pytest.approx(12 * fan_in.etendue_m2_sr(2e-9))
    assert fan_in.efficiency() == pytest.approx(0.3**2 * 10**-0.3)


def test_wider_lenses_collect_light_and_load_the_receiver(small):
    narrow, wide = small(), small({"fan_in.source_aperture": 0.5})
    assert wide.electrons_per_path() / narrow.electrons_per_path() == pytest.approx((0.5 / 0.3) ** 2)
    assert wide.readout_variance() > narrow.readout_variance()
    assert wide.standing_power_w()["receiver"] > narrow.standing_power_w()["receiver"]


def test_profiles_have_the_spreads_of_the_file(small, drawn):
    engine = small({"source.count": 48, "panel.outputs": 48})
    machine = drawn(engine, (50, 48, 48), 3)
    plus, minus = (np.ravel(rail.efficiency) for rail in (machine.plus, machine.minus))
    n = plus.size
    common, difference = (plus + minus) / 2, plus - minus
    assert common.std() == pytest.approx(0.256, rel=5 / np.sqrt(n))
    assert difference.std() == pytest.approx(0.051, rel=5 / np.sqrt(n))
    assert common.mean() == pytest.approx(1.0, abs=5 * 0.256 / np.sqrt(n))
    # Evenly distributed: no source is dead, none three deviations too bright.
    assert common.min() > 1 - 0.26 * np.sqrt(3) and common.max() < 1 + 0.26 * np.sqrt(3)
