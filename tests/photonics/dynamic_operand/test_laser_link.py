"""The light of one core: losses, the published rule, and what reaches a unit."""

import math

import pytest

# Losses of the paper's component table [dB]: modulator, two routers, four splitters of the tree; splitter, phase
# shifter and coupler of a unit.
_LOSS_DB = 1.2 + 2 * 0.93 + 4 * 0.1 + 0.1 + 0.33 + 0.33


def test_losses_add_up_in_decibels(dota):
    assert pytest.approx(4.22) == _LOSS_DB
    assert -10 * math.log10(dota.link.transmission(dota.core)) == pytest.approx(_LOSS_DB)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_the_published_rule_by_hand(bits, dota):
    # -25 dBm of sensitivity, the losses, 144 units, a factor of 2 for each bit.
    expected_w = 10 ** ((-25 + _LOSS_DB + 10 * math.log10(144)) / 10) * 1e-3 * 2**bits
    assert dota.required_laser_power_w(bits) == pytest.approx(expected_w, rel=1e-6)


def test_the_operating_point_is_what_the_rule_asks_for(dota, dota_8bit):
    for engine in (dota, dota_8bit):
        assert engine.operating_point.laser_power_w == pytest.approx(engine.required_laser_power_w(), rel=1e-6)
    assert dota_8bit.required_laser_power_w() == pytest.approx(16 * dota.required_laser_power_w())


def test_the_wall_pays_for_the_light_of_every_core(dota):
    assert dota.link.wall_power_w(0.01, dota.core) == pytest.approx(8 * 0.01 / 0.2)


def test_what_the_rule_asks_for_is_the_sensitivity_times_the_levels(dota):
    # Both operands and all wavelengths together on one unit.
    one_w = dota.link.operand_power_w(dota.required_laser_power_w(4), dota.core)
    assert 2 * 12 * one_w == pytest.approx(16 * 10**-2.5 * 1e-3, rel=1e-6)


def test_the_link_budget_ends_at_one_operand_on_one_unit(dota):
    steps = dota.link_budget()
    laser_w = dota.operating_point.laser_power_w
    assert steps[0].power_w == laser_w
    expected_w = 12 * dota.link.operand_power_w(laser_w, dota.core)
    assert steps[-1].power_w == pytest.approx(expected_w)
    # Half of the light for each operand, 144 units, and the losses.
    lost_db = sum(step.loss_db for step in steps)
    assert lost_db == pytest.approx(10 * math.log10(2 * 144) + _LOSS_DB)


def test_a_photon_at_1550_nm(dota):
    assert dota.link.photon_energy_j() == pytest.approx(1.2816e-19, rel=1e-4)
