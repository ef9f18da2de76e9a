"""Rules on layer names, and the few structures that the engines of a stack come down to."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics import load_engine
from photonics.rules import as_arrays, assign, check_rules, engine_for

NAMES = ["embed", "layers/0/up", "layers/1/up", "layers/10/up", "head"]


@pytest.fixture(scope="module")
def engine():
    return load_engine("free-space-1024")


def test_the_first_rule_that_is_found_decides(engine):
    bright = engine.at(laser_power_w=0.1)
    rules = [("head", None), (r"layers/1/", bright), ("up$", engine)]
    assert [engine_for(name, rules) for name in NAMES] == [None, engine, bright, engine, None]
    assert engine_for("layers/1/up", rules[::-1]) is engine
    assert engine_for("head", []) is None


def test_a_rule_that_matches_nothing_is_refused_by_name():
    check_rules([("up", None), ("head|nothing", None)], NAMES)
    with pytest.raises(ValueError, match=r"rule 'lm_head' matches no layer; layers are embed, layers/0/up"):
        check_rules([("up", None), ("lm_head", None)], NAMES)
    with pytest.raises(ValueError, match=r"layers are none at all"):
        check_rules([(".*", None)], [])
    # A long list of layers is cut.
    many = [f"layers/{i}" for i in range(1000)]
    with pytest.raises(ValueError, match=r"layers/7, \.\.\.$"):
        check_rules([("head", None)], many)


@pytest.mark.parametrize("pattern", ["(", "[", "*", "(?P<x"])
def test_a_bad_regular_expression_is_refused(pattern):
    with pytest.raises(ValueError, match=f"rule {re.escape(repr(pattern))} is not a regular expression: "):
        check_rules([("up", None), (pattern, None)], NAMES)


def test_one_layer_keeps_its_engine(engine):
    assignment = assign([engine], stacked=False)
    assert (len(assignment.engines), assignment.digital, assignment.choice.tolist()) == (1, False, [0])
    assert jax.tree.structure(assignment.engines[0]) == jax.tree.structure(engine.replace(name=""))
    leaves = jax.tree.leaves(assignment.engines[0])
    assert all(isinstance(leaf, jax.Array) and leaf.dtype == jnp.float32 and leaf.shape == () for leaf in leaves)
    np.testing.assert_array_equal(leaves, np.asarray(jax.tree.leaves(engine), np.float32))


def test_engines_that_differ_in_values_share_a_structure(engine):
    powers_w = [0.01, 0.02, 0.04]
    assignment = assign([engine.at(laser_power_w=power_w) for power_w in powers_w], stacked=True)
    assert (len(assignment.engines), assignment.digital, assignment.choice.tolist()) == (1, False, [0, 0, 0])
    (stacked,) = assignment.engines
    np.testing.assert_array_equal(stacked.operating_point.laser_power_w, np.asarray(powers_w, np.float32))
    assert {leaf.shape for leaf in jax.tree.leaves(stacked)} == {(3,)}


def test_digital_layers_and_other_structures_are_told_apart(engine):
    coarse = engine.replace(**{"adc.bits": 6}).at(laser_power_w=0.05)
    assignment = assign([None, coarse, engine, coarse, None], stacked=True)
    assert assignment.digital and assignment.choice.dtype == np.int32
    assert assignment.choice.tolist() == [0, 1, 2, 1, 0]
    assert [group.adc.bits for group in assignment.engines] == [6, 10]
    # Layers that do not use a structure carry a copy of one that does: values that are sound, never read.
    np.testing.assert_array_equal(assignment.engines[0].operating_point.laser_power_w, np.full(5, np.float32(0.05)))
    np.testing.assert_array_equal(assignment.engines[1].operating_point.laser_power_w, np.full(5, np.float32(0.03)))
    without = assign([coarse, engine], stacked=True)
    assert not without.digital and without.choice.tolist() == [0, 1]


def test_values_become_arrays_and_structure_stays(engine):
    arrays = as_arrays(engine)
    assert (arrays.adc.bits, arrays.source.count, arrays.name) == (10, 1024, "")
    assert isinstance(arrays.panel.transmission, jax.Array)
