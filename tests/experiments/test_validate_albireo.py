"""Albireo's published power table, from counts and powers of its components."""

import pytest

from experiments.validate_albireo import Component, components, power_w_by_part

# Table III of the paper, conservative preset [W], as CiMLoop's test of the machine quotes it, in steps of 0.01 W.
PUBLISHED_W = {"mrr": 7.52, "mzm": 3.45, "laser": 2.36, "tia": 0.14, "dac": 7.93, "adc": 1.31}


def test_parts_add_up_what_belongs_to_them():
    parts = (Component("a", "one", 2, 0.5), Component("b", "other", 1, 3.0), Component("c", "one", 10, 0.01))
    assert power_w_by_part(parts) == pytest.approx({"one": 1.1, "other": 3.0})


def test_powers_are_energies_times_rates():
    by_name = {one.name: one for one in components()}
    assert by_name["input_dac"].power_w == pytest.approx(26e-3)
    assert by_name["ring"].power_w == pytest.approx(3.1e-3)


@pytest.mark.parametrize("part", PUBLISHED_W)
def test_each_part_is_as_published(part):
    # Powers of one component have two or three digits, and published sums are rounded to 0.01 W.
    power_w = power_w_by_part(components())
    assert set(power_w) == set(PUBLISHED_W)
    assert power_w[part] == pytest.approx(PUBLISHED_W[part], rel=5e-3, abs=5.01e-3)
