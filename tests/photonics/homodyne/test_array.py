"""The array: what it computes in a second, and that the light it is given is all there is."""

import jax.numpy as jnp
import pytest

import photonics
from photonics.units import ELEMENTARY_CHARGE_C


# Case O12: 2 * 256 * 100 units at 20 and 128 Gbaud.
@pytest.mark.parametrize(("rate_hz", "tops"), [(20e9, 1024.0), (128e9, 6553.6)])
def test_the_published_core_computes_what_arithmetic_says(rate_hz, tops):
    engine = photonics.load_engine("homodyne-2026").at(symbol_rate_hz=rate_hz)
    assert 2 * engine.macs_per_s() / 1e12 == pytest.approx(tops)


def test_light_is_shared_and_none_is_made(small):
    # Everything at full drive: the photodiodes of all 4 x 8 units get the light of the laser, less the losses.
    engine = small({"modulator.leaks": False, "modulator.settling": False, "array.weight_share": 0.3})
    vectors, ones = 4, jnp.ones((4, 32))
    electrons = float(engine.detected_electrons(ones, engine.load_panel(jnp.ones((32, 8)))))
    at, time_s = engine.operating_point, 32 / engine.operating_point.symbol_rate_hz
    photons = float(at.laser_power_w * time_s / engine.laser.photon_energy_j())
    expected = photons * engine.modulator.transmission * engine.array.transmission * engine.pair.quantum_efficiency
    assert vectors == engine.array.rows
    assert electrons == pytest.approx(float(expected), rel=1e-5)
    # The photocurrent that is charged is that of the same light.
    responsivity = float(engine.electrons_per_joule()) * ELEMENTARY_CHARGE_C
    assert 0.9 < responsivity < 1.0


def test_the_share_of_the_weights(small):
    a2, b2 = small({"array.weight_share": 0.3}).electrons_per_symbol()
    assert a2 / b2 == pytest.approx(3 / 7)


def test_area_of_the_units():
    engine = photonics.load_engine("homodyne-2026")
    # 256 x 100 units of at most 0.0064 mm^2: 164 mm^2.
    assert engine.areas_m2() == {"units": pytest.approx(1.6384e-4)}
