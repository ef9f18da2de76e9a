"""Many instances and many runs in one call: the same as one by one, and spreads that belong where they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.many_engines import instance_keys, monte_carlo

_X = jax.random.normal(jax.random.key(1), (5, 24))
_W = jax.random.normal(jax.random.key(2), (24, 6))
_KEY = jax.random.key(3)


def test_each_instance_is_the_engine_that_its_key_builds(small):
    engine = small()
    found = monte_carlo(engine, _KEY, _X, _W, instances=3, runs=2)
    assert found.shape == (3, 2, 5, 6)
    quiet = engine.replace(
        **{"photodetector.shot_noise": False, "source.noise": "none", "adc.ideal": True, "receiver.noise_factor": 1.0}
    ).at(laser_power_w=1e6)
    for number, instance in enumerate(instance_keys(_KEY, 3)):
        alone = quiet.matmul(jax.random.key(0), _X, quiet.load_panel(_W, instance=instance))
        np.testing.assert_allclose(
            monte_carlo(quiet, _KEY, _X, _W, instances=3)[number, 0], alone, atol=2e-5 * float(jnp.abs(alone).max())
        )


def test_pattern_errors_differ_between_instances_and_noise_between_runs(bare):
    # Only pixels: all runs of one engine agree, engines do not. Their spread is that of the closed form.
    engine = bare({"panel.fixed_pattern": True, "panel.element_residual": 0.05})
    found = np.asarray(monte_carlo(engine, _KEY, _X, _W, instances=400, runs=2), np.float64)
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    expected = 0.05 * np.sqrt(np.square(np.asarray(_X)) @ np.square(np.asarray(_W)))
    # The deviation of 400 draws has a relative error of 1 / sqrt(2 * 400) = 3.5 %; 30 of them, 4.5 sigma.
    np.testing.assert_allclose(found[:, 0].std(axis=0), expected, rtol=4.5 * 0.036)
    # Only photons: engines differ by nothing but their noise.
    engine = bare({"photodetector.shot_noise": True, "operating_point.laser_power_w": 1e-6})
    found = np.asarray(monte_carlo(engine, _KEY, _X, _W, instances=20, runs=20), np.float64)
    assert len(np.unique(found[:, :, 0, 0])) == 400
    between, within = found.mean(axis=1).var(axis=0, ddof=1).mean(), found.var(axis=1, ddof=1).mean() / 20
    assert between == pytest.approx(within, rel=0.4)  # 30 outputs of 19 degrees of freedom each: 6 %, times 6


def test_it_repeats_with_its_key_and_refuses_nothing_to_do(small):
    engine = small()
    first, again, other = (
        monte_carlo(engine, jax.random.key(seed), _X, _W, instances=2, sample=_X) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    with pytest.raises(ValueError, match="at least one instance and one run, not 0 and 1"):
        monte_carlo(engine, _KEY, _X, _W, instances=0)


def test_adding_instances_does_not_change_the_first(small):
    few, many = (monte_carlo(small(), _KEY, _X, _W, instances=n) for n in (2, 5))
    np.testing.assert_allclose(few, many[:2], atol=1e-5)
