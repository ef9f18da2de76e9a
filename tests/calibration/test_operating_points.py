"""Laser powers and fabricated engines of the steps of a training."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calibration.operating_points import OperatingPoints

KEYS = jax.random.split(jax.random.key(0), 400)


def test_one_power_for_all_steps_by_default():
    assert float(OperatingPoints(0.01).power_w(KEYS[0], jnp.asarray(3))) == pytest.approx(0.01, rel=1e-6)


def test_a_curriculum_comes_down_evenly_in_the_logarithm():
    points = OperatingPoints(0.01, start=100.0, ramp_steps=10)
    found = [float(points.power_w(KEYS[0], jnp.asarray(step))) for step in (0, 5, 10, 50)]
    assert found == pytest.approx([1.0, 0.1, 0.01, 0.01], rel=1e-5)


def test_powers_fill_the_spread():
    found = np.log(jax.vmap(lambda key: OperatingPoints(0.01, spread=0.7).power_w(key, jnp.asarray(0)))(KEYS) / 0.01)
    assert np.all(np.abs(found) <= 0.7 + 1e-5)
    # Uniform: deviation 0.7 / sqrt(3) of a mean of 400, five of which it will not miss by.
    assert abs(found.mean()) < 5 * 0.7 / math.sqrt(3 * 400)
    assert found.std() == pytest.approx(0.7 / math.sqrt(3), rel=0.15)


def test_machines_are_new_or_one_or_among_a_few():
    def machines(count):
        keys = [OperatingPoints(0.01, machines=count).machine_key(key) for key in KEYS[:60]]
        return {tuple(np.asarray(jax.random.key_data(key))) for key in keys if key is not None}

    assert len(machines(0)) == 60 and len(machines(1)) == 0
    # That one of 3 is missed by 60 draws has a chance below 1e-9.
    assert len(machines(3)) == 3


@pytest.mark.parametrize("wrong", [{"laser_power_w": 0.0}, {"start": 0.0}, {"spread": -1.0}, {"machines": -1}])
def test_what_is_no_distribution_is_refused(wrong):
    with pytest.raises(ValueError, match=r"above 0|below 0"):
        OperatingPoints(**{"laser_power_w": 0.01, **wrong})
