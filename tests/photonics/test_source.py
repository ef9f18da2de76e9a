"""The source array: photon energy, power, intensity noise, beats, etendue."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.stage import OperatingPoint

_POINT = OperatingPoint(laser_power_w=2e-2, symbol_rate_hz=1e9, temperature_k=300.0, age_s=0.0)


@pytest.mark.parametrize(("wavelength_m", "electronvolt"), [(850e-9, 1.45864), (1550e-9, 0.79990)])
def test_photon_energy(catalogue, wavelength_m, electronvolt):
    source = catalogue.replace(**{"source.wavelength_m": wavelength_m}).source
    assert source.photon_energy_j() == pytest.approx(electronvolt * 1.602176634e-19, rel=1e-5)
    # Compiled in float32 too, where h c = 2e-25 J m would be near the end of the range.
    traced = jax.jit(lambda s: s.photon_energy_j())(source)
    np.testing.assert_allclose(traced, source.photon_energy_j(), rtol=1e-6)


def test_relative_variance_is_rin_times_bandwidth(catalogue):
    source = catalogue.replace(**{"source.rin_per_hz": 1e-14}).source
    assert source.relative_variance(5e8) == pytest.approx(5e-6)


def test_power_is_threshold_and_light_over_slope(catalogue):
    threshold = {"source.threshold_current_a": 5e-3, "source.voltage_v": 2.0}
    source = catalogue.replace(**{"source.slope_efficiency": 0.25, **threshold}).source
    # Lasers that run into modulators are lit whatever the drive.
    for drive in (0.0, 0.3, 1.0):
        assert source.launched_power_w(_POINT, drive) == pytest.approx(1024 * 2e-2)
        assert source.power_w(_POINT, drive) == pytest.approx(1024 * (5e-3 * 2.0 + 2e-2 / 0.25))


def test_directly_modulated_light_follows_the_drive(catalogue):
    source = catalogue.replace(**{"source.modulation": "direct"}).source
    idle_w, full_w = source.power_w(_POINT, 0.0), source.power_w(_POINT, 1.0)
    assert idle_w == pytest.approx(1024 * 8e-3 * 1.8)
    assert source.power_w(_POINT, 0.25) == pytest.approx(0.75 * idle_w + 0.25 * full_w)
    assert source.launched_power_w(_POINT, 0.25) == pytest.approx(0.25 * 1024 * 2e-2)
    assert full_w == pytest.approx(catalogue.source.power_w(_POINT, 0.25))


def test_beats_are_the_share_of_pairs_within_the_band(catalogue):
    changes = {"source.beats": True, "source.mode_overlap": 0.1, "source.optical_span_hz": 1e12}
    source = catalogue.replace(**changes).source
    assert source.beat_variance(5e8) == pytest.approx(0.1 * 2 * 5e8 / 1e12)
    assert catalogue.source.beat_variance(5e8) == 0.0


def test_etendue_adds_up_source_by_source_with_the_square_of_the_beam_quality(catalogue):
    source = catalogue.replace(**{"source.beam_quality": 1.0}).source
    assert source.etendue_m2_sr() == pytest.approx(1024 * 850e-9**2)
    worse = catalogue.replace(**{"source.beam_quality": 3.0, "source.count": 512}).source
    assert worse.etendue_m2_sr() == pytest.approx(4.5 * 1024 * 850e-9**2)


def test_gradient_of_power_with_respect_to_the_light(catalogue):
    gradient = jax.grad(lambda p: catalogue.source.power_w(p, 0.3))(jax.tree.map(jnp.float32, _POINT))
    assert float(gradient.laser_power_w) == pytest.approx(1024 / 0.42, rel=1e-6)
    assert float(gradient.temperature_k) == 0.0
