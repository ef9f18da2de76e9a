"""The two paths of a homodyne engine: counted photons and closed-form moments obey one law."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.photonics.agreement import largest_z, z_of_means, z_of_variances

# Every effect strong enough to be felt beside the others, no converter.
STRONG = {
    "operating_point.laser_power_w": 2e-4,
    "adc.ideal": True,
    "array.weight_share": 0.3,
    "laser.rin_per_hz": 1e-11,
    "phase.residual_rad": 0.3,
    "phase.jitter_rad": 0.3,
    "pair.gain_residual": 0.1,
    "pair.imbalance_residual": 0.2,
    "pair.dark_current_a": 1e-6,
    "modulator.extinction_ratio": 10.0,
    "modulator.bandwidth_hz": 5e9,
    "integrator.saturates": False,
}
VARIANTS = {
    "everything": {},
    "no leaks": {"modulator.leaks": False, "modulator.settling": False},
    "converter and repetitions": {"adc.ideal": False, "adc.bits": 9, "encoding.repetitions": 2},
    "full well": {"integrator.saturates": True, "integrator.output_swing_v": 1e-2},
}
_DRAWS = 4000


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_counted_and_closed_form_agree(changes, small):
    engine = small({**STRONG, **changes})
    x = jnp.broadcast_to(jax.random.normal(jax.random.key(1), (1, 48)), (_DRAWS, 48))
    w = jax.random.normal(jax.random.key(2), (48, 8))
    fast = np.asarray(engine.matmul(jax.random.key(3), x, w))
    counted = np.asarray(engine.matmul_reference(jax.random.key(4), x, w))
    assert np.abs(z_of_means(fast, counted)).max() < largest_z(16)
    assert np.abs(z_of_variances(fast, counted)).max() < largest_z(16)
    # They are no copies of one another: both are noisy, and drawn apart.
    assert fast.std(axis=0).min() > 0.1 and float(np.abs(fast - counted).max()) > 0.1


@pytest.fixture(scope="module")
def everything(small):
    """An engine of all effects but leaks, one vector shown many times, weights, and what was counted."""
    engine = small({**STRONG, "modulator.leaks": False, "modulator.settling": False})
    x = jnp.broadcast_to(jax.random.normal(jax.random.key(1), (1, 48)), (_DRAWS, 48))
    w = jax.random.normal(jax.random.key(2), (48, 8))
    return engine, x, w, np.asarray(engine.matmul_reference(jax.random.key(4), x, w))


# Without a single effect it has to show, or the comparison above could not fail.
@pytest.mark.parametrize("path", ["phase.jitters", "phase.fixed_pattern", "pair.fixed_pattern", "laser.fluctuates"])
def test_a_path_that_lacks_an_effect_is_found(path, everything):
    engine, x, w, counted = everything
    lacking = np.asarray(engine.replace(**{path: False}).matmul(jax.random.key(3), x, w))
    z = max(np.abs(z_of_means(lacking, counted)).max(), np.abs(z_of_variances(lacking, counted)).max())
    assert z > largest_z(16)
