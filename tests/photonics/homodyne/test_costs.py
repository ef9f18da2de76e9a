"""What is counted for a product, and that all of it is charged."""

import dataclasses
import math

import pytest

from photonics.work import Contraction, Work

_ONE = Contraction(name="", batch=1, m=10, k=50, n=20, weights=True)


def test_counts_by_hand(small):
    # 4 x 8 units, sums of 32: two tiles of 25 symbols, three groups of columns, three groups of vectors (10 in 4s).
    tally = small().count(_ONE)
    assert tally.tiles == 2 * 3
    assert tally.busy_passes == 3 * 50 * 3
    assert tally.drives == 10 * 50 * 3 and tally.weight_drives == 3 * 50 * 20
    assert tally.conversions == 10 * 20 * 2 and tally.partial_sums == 10 * 20
    assert tally.macs == _ONE.macs and tally.weight_reads == tally.weight_drives and tally.weights == 1000


def test_steps_of_a_decoder_do_not_stand_side_by_side(small):
    # Ten executions of one vector each: ten groups, each with all the weights.
    step = dataclasses.replace(_ONE, m=1, count=10)
    tally = small().count(step)
    assert tally.weight_drives == 10 * 50 * 20 and tally.busy_passes == 10 * 50 * 3
    assert tally.weights == 10 * 50 * 20 and tally.drives == 10 * 50 * 3


def test_attention_costs_what_weights_cost_that_are_near(small):
    engine = small({"memory.far_energy_j_per_byte": 0.0})
    scores = Work((dataclasses.replace(_ONE, name="scores", weights=False),))
    streamed, same = engine.cost(scores, dynamic=["scores"]), engine.cost(Work((_ONE,)))
    assert streamed.optical_macs == _ONE.macs and streamed.panel_loads == 0
    assert streamed.total_energy_j == pytest.approx(same.total_energy_j)


def test_a_full_array_is_charged_for_its_parts(homodyne):
    # At 10 Gbaud: 128 + 128 modulators and DACs, 128^2 integrators, one conversion for 1024 symbols of a unit.
    power, rate = homodyne.power_budget(), 1e10
    # A million vectors do not fill the last group of 128 rows.
    rel = 128 / 1e6
    assert power["dac"] == pytest.approx(128 * rate * homodyne.dac.reference_energy_j, rel=rel)
    assert power["weight_dac"] == pytest.approx(128 * rate * homodyne.weight_dac.reference_energy_j, rel=rel)
    held = 256 * homodyne.modulator.bias_power_w
    assert power["modulator"] == pytest.approx(held + 256 * rate * homodyne.modulator.symbol_energy_j, rel=rel)
    converted = float(homodyne.adc.conversion_energy_j(homodyne.conversion_rate_hz()))
    assert power["adc"] == pytest.approx(128 * 128 * rate / 1024 * converted, rel=rel)
    readouts = 128 * 128 * rate / 1024 * homodyne.integrator.readout_energy_j(homodyne.diodes_f())
    assert power["integrator"] == pytest.approx(128**2 * homodyne.integrator.amplifier_power_w + readouts, rel=rel)
    assert homodyne.conversion_rate_hz() == pytest.approx(8 * rate / 1024)


def test_phases_that_are_held_are_charged(homodyne):
    held = homodyne.replace(**{"phase.unit_power_w": 1e-2})
    assert held.power_budget()["phase"] == pytest.approx(163.84)
    assert math.isclose(float(homodyne.power_budget()["phase"]), 0.0)
