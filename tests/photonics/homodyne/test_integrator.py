"""The capacitor: noise of its reset and of its amplifier, full well, charge."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.units import ELEMENTARY_CHARGE_C
from tests.photonics.agreement import largest_z, z_of_variances


# optics.md, section 3.1: k T C of 1, 10 and 100 fF at 300 K.
@pytest.mark.parametrize(("capacitance_f", "electrons"), [(1e-15, 12.7), (1e-14, 40.0), (1e-13, 127.0)])
def test_reset_noise_is_the_published_one(capacitance_f, electrons, homodyne):
    integrator = dataclasses.replace(homodyne.integrator, capacitance_f=capacitance_f)
    assert np.sqrt(integrator.reset_variance(homodyne.operating_point, 0.0)) == pytest.approx(electrons, rel=0.01)


def test_diodes_add_to_the_capacitor(homodyne):
    at, integrator = homodyne.operating_point, homodyne.integrator
    assert integrator.reset_variance(at, 1e-13) == pytest.approx(2 * integrator.reset_variance(at, 0.0))
    assert integrator.amplifier_variance(at, 1e-13) == pytest.approx(4 * integrator.amplifier_variance(at, 0.0))
    assert homodyne.diodes_f() == 2 * homodyne.pair.capacitance_f


def test_amplifier_noise_is_that_of_its_load(homodyne):
    integrator = dataclasses.replace(homodyne.integrator, load_capacitance_f=2e-13, channel_noise_factor=2.0)
    # sqrt(gamma k T / C_L) on the capacitor.
    volt = np.sqrt(2.0 * 1.380649e-23 * 300.0 / 2e-13)
    expected = volt * 1e-13 / ELEMENTARY_CHARGE_C
    assert np.sqrt(integrator.amplifier_variance(homodyne.operating_point, 0.0)) == pytest.approx(expected, rel=1e-6)


def test_readout_noise_is_paid_once_for_a_sum_of_any_length(bare):
    engine = bare({"integrator.noise": True, "operating_point.laser_power_w": 1e-6})
    a2, b2 = (float(electrons) for electrons in engine.electrons_per_symbol())
    expected = float(engine.readout_variance()) / (4 * a2 * b2)
    for rows in (4, 32):
        x, w = jnp.ones((4000, rows)), jnp.ones((rows, 8))
        errors = np.asarray(engine.matmul(jax.random.key(rows), x, w)) - rows
        assert np.abs(z_of_variances(errors, np.full(8, expected))).max() < largest_z(16)


def test_the_full_well_clips(bare):
    engine = bare({"integrator.saturates": True})
    a2, b2 = (float(electrons) for electrons in engine.electrons_per_symbol())
    # A well that holds 10 products at full drive.
    swing = 10 * 2 * np.sqrt(a2 * b2) * ELEMENTARY_CHARGE_C / float(engine.integrator.capacitance_f + engine.diodes_f())
    engine = engine.replace(**{"integrator.output_swing_v": float(swing)})
    rows = jnp.asarray([[1.0] * n + [0.0] * (20 - n) for n in (5, 9, 11, 20)])
    y = engine.matmul(jax.random.key(0), rows, jnp.ones((20, 8)))
    np.testing.assert_allclose(y[:, 0], [5.0, 9.0, 10.0, 10.0], rtol=1e-5)
    np.testing.assert_allclose(engine.matmul(jax.random.key(0), -rows, jnp.ones((20, 8)))[:, 0], -y[:, 0], rtol=1e-5)


def test_charge_of_a_readout(homodyne):
    integrator = dataclasses.replace(
        homodyne.integrator, capacitance_f=1e-13, reset_v=1.0, load_capacitance_f=5e-14, supply_v=2.0
    )
    assert integrator.readout_energy_j(1e-13) == pytest.approx(2e-13 + 2e-13)
