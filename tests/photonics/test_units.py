"""Constants and decibels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import constants

from photonics import units


def test_constants_are_those_of_si_2019():
    assert constants.h == units.PLANCK_J_S
    assert constants.c == units.LIGHT_SPEED_M_PER_S
    assert constants.e == units.ELEMENTARY_CHARGE_C
    assert constants.k == units.BOLTZMANN_J_PER_K


@pytest.mark.parametrize(("value_db", "ratio"), [(0, 1), (10, 10), (-20, 0.01), (3.0103, 2)])
def test_decibels_of_power(value_db, ratio):
    assert units.ratio_from_db(value_db) == pytest.approx(ratio, rel=1e-6)


@given(st.floats(-200, 200))
def test_decibels_there_and_back(value_db):
    assert units.db_from_ratio(units.ratio_from_db(value_db)) == pytest.approx(value_db, abs=1e-9)
