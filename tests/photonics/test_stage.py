"""What a stage is: frozen, keyword-only, a pytree whose physical values are leaves."""

import dataclasses

import jax
import pytest

from photonics.stage import OperatingPoint, Scalar, stage, static


@stage
class _Lamp:
    power_w: Scalar
    count: int = static(default=3)


def test_physical_values_are_leaves_and_static_ones_are_structure():
    leaves, structure = jax.tree.flatten(_Lamp(power_w=2.0, count=5))
    assert leaves == [2.0]
    assert structure != jax.tree.structure(_Lamp(power_w=2.0, count=6))
    assert jax.tree.map(lambda leaf: leaf + 1, _Lamp(power_w=2.0)) == _Lamp(power_w=3.0, count=3)


def test_a_stage_is_frozen_and_keyword_only():
    lamp = _Lamp(power_w=2.0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        lamp.power_w = 3.0  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(TypeError):
        _Lamp(2.0)  # pyright: ignore[reportCallIssue]


def test_gradients_have_the_form_of_the_stage():
    gradient = jax.grad(lambda lamp: lamp.count * lamp.power_w**2)(_Lamp(power_w=2.0))
    assert gradient == _Lamp(power_w=12.0)


def test_the_operating_point_has_four_leaves():
    point = OperatingPoint(laser_power_w=1e-3, symbol_rate_hz=1e9, temperature_k=300.0, age_s=60.0)
    assert jax.tree.leaves(point) == [1e-3, 1e9, 300.0, 60.0]
