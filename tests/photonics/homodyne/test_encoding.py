"""Repetition: deviation over sqrt(R), energy times R (case O18)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.work import Contraction, Work
from tests.photonics.agreement import largest_z, z_of_variances

_WORK = Work((Contraction(name="", batch=1, m=64, k=48, n=24, weights=True),))


def test_deviation_falls_with_the_root_of_the_repetitions(bare):
    noisy = {"pair.shot_noise": True, "integrator.noise": True, "operating_point.laser_power_w": 1e-6}
    x, w = jnp.broadcast_to(jax.random.normal(jax.random.key(1), (1, 20)), (6000, 20)), jnp.ones((20, 8))
    deviations = {}
    for repetitions in (1, 4):
        engine = bare({**noisy, "encoding.repetitions": repetitions})
        deviations[repetitions] = np.asarray(engine.matmul(jax.random.key(0), x, w) - x[:1] @ w)
    assert np.abs(z_of_variances(deviations[1], 2.0 * deviations[4])).max() < largest_z(8)


def test_repetitions_do_not_share_draws(bare):
    engine = bare({"pair.shot_noise": True, "encoding.repetitions": 3})
    panel = engine.load_panel(jnp.ones((20, 8)))
    seen = engine.analog(jax.random.key(0), jnp.ones((1000, 20)), panel.full_scale[0], panel.of_tile(0), (1000,))
    assert seen.shape == (3, 1000, 8)
    together = np.corrcoef(np.asarray(seen).reshape(3, -1))
    assert np.abs(together - np.eye(3)).max() < 5 / np.sqrt(8000)


def test_energy_symbols_and_conversions_grow_with_repetitions(homodyne):
    once, thrice = (homodyne.replace(**{"encoding.repetitions": times}).cost(_WORK) for times in (1, 3))
    assert (thrice.passes, thrice.conversions) == (3 * once.passes, 3 * once.conversions)
    for part in ("dac", "weight_dac", "modulator", "adc", "integrator", "laser", "photodetector"):
        assert thrice.energy_j[part] == pytest.approx(3 * once.energy_j[part])
    assert thrice.time_s == pytest.approx(3 * once.time_s)
    assert thrice.launched_energy_j == pytest.approx(3 * once.launched_energy_j)


def test_photons_per_product_are_those_of_all_repetitions(bare):
    x, w = jnp.ones((2, 20)), jnp.ones((20, 8))
    once, thrice = (bare({"encoding.repetitions": times}) for times in (1, 3))
    assert float(thrice.detected_electrons(x, thrice.load_panel(w))) == pytest.approx(
        3 * float(once.detected_electrons(x, once.load_panel(w)))
    )
