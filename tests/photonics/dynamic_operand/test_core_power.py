"""Powers of modulators, routers and buffers by hand, in milliwatts as published."""

import pytest


def test_routers_and_modulators_of_the_published_machine(dota):
    # 1440 modulators of 450 fJ at 5 GHz, two routers of 0.275 mW each.
    parts = dota.parts
    assert parts.routers_power_w(dota.core) == pytest.approx(1440 * 0.55e-3)
    assert 1440 * parts.modulator_energy_j * 5e9 + parts.routers_power_w(dota.core) == pytest.approx(4.032)


def test_buffers_of_the_published_machine(dota):
    # Global 315.2512; a local one for each tile and one for the activations; 8 + 2 + 8 small ones.
    expected_w = (315.2512 + 5 * 0.172725 + 18 * 0.0154) * 1e-3
    assert dota.parts.buffers_power_w(dota.core) == pytest.approx(expected_w, rel=1e-6)


def test_buffers_follow_the_tiles(dota):
    large = dota.replace(**{"core.tiles": 8})
    expected_w = (2 * 315.2512 + 9 * 0.172725 + (16 + 2 + 16) * 0.0154) * 1e-3
    assert large.parts.buffers_power_w(large.core) == pytest.approx(expected_w, rel=1e-6)


def test_adders_of_the_published_machine(dota):
    # 0.2 mW over 4.39 for each of 576.
    assert 576 * 5e9 * dota.parts.adder_energy_j == pytest.approx(576 * 0.2e-3 / 4.39, rel=1e-6)
