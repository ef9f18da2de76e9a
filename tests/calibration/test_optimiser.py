"""Schedules at points known by hand, and groups with rates of their own."""

import jax.numpy as jnp
import pytest

from calibration.optimiser import Optimiser

TREE = {"low_rank": {"x": jnp.ones(3)}, "ranges": {"x": jnp.ones(2)}}


def rates(schedule, steps):
    found = Optimiser(1.0, 0.1, 20, warmup_steps=4, schedule=schedule).rate(1.0)
    return [float(found(step)) for step in steps]


def test_schedules():
    # Warm-up ends at step 4, and 16 steps are left; a tenth remains at the end.
    assert rates("cosine", (0, 2, 4, 12, 20, 99)) == pytest.approx([0.2, 0.6, 1.0, 0.55, 0.1, 0.1], rel=1e-5)
    assert rates("linear", (0, 4, 12, 20)) == pytest.approx([0.2, 1.0, 0.55, 0.1], rel=1e-5)
    assert rates("constant", (0, 4, 19)) == pytest.approx([0.2, 1.0, 1.0], rel=1e-5)


def test_groups_have_their_own_rates_and_the_gradient_is_clipped():
    transformation = Optimiser(1.0, 0.1, 20, schedule="constant").transformation()
    gradients = {"low_rank": {"x": jnp.full(3, 1e3)}, "ranges": {"x": jnp.full(2, 1e3)}}
    updates, _ = transformation.update(gradients, transformation.init(TREE), TREE)
    # Adam's first step is its learning rate, whatever the size of the gradient.
    assert updates["low_rank"]["x"] == pytest.approx(-1.0, rel=1e-4)
    assert updates["ranges"]["x"] == pytest.approx(-0.1, rel=1e-4)


def test_only_weights_decay():
    transformation = Optimiser(1.0, 0.1, 20, schedule="constant", weight_decay=0.5).transformation()
    # Far below Adam's epsilon of 1e-8, so that nothing but decay moves.
    faint = {"low_rank": {"x": jnp.full(3, 1e-15)}, "ranges": {"x": jnp.full(2, 1e-15)}}
    updates, _ = transformation.update(faint, transformation.init(TREE), TREE)
    assert updates["low_rank"]["x"] == pytest.approx(-0.5, rel=1e-5)
    assert updates["ranges"]["x"] == pytest.approx(0.0, abs=1e-7)
