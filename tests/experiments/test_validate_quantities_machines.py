"""Quantities of single machines: golden vectors are met, wrong constants noticed; widths scale as they should."""

import copy

import pytest

import photonics
from experiments import validate_quantities_machines as machines
from experiments.errors import RequestError


@pytest.mark.parametrize("vectors", ["aoc-one-hot", "aoc-random", "aoc-random-as-shipped"])
def test_the_twin_meets_its_golden_vectors(vectors):
    assert machines.golden_difference(vectors=vectors) < 1e-5


def test_a_wrong_constant_is_noticed(monkeypatch):
    document = copy.deepcopy(machines._golden("aoc-golden.json"))
    document["constants"]["led_plus"][2] *= 1.001
    monkeypatch.setattr(machines, "_golden", lambda name: document)
    assert machines.golden_difference(vectors="aoc-random") > 1e-5


def test_a_wrong_value_of_the_quantiser_is_counted(monkeypatch):
    assert machines.golden_mismatches(arithmetic="reference") == 0.0
    document = copy.deepcopy(machines._golden("ot-quantiser-golden.json"))
    document["cases"][0]["y"][0] += 1e-3
    monkeypatch.setattr(machines, "_golden", lambda name: document)
    assert machines.golden_mismatches(arithmetic="reference") == 1.0


def test_wider_layers_cost_less_per_product():
    engine = photonics.load_engine("optical-transformers")
    narrow, wide = (machines.width_energy_per_mac(engine, width=width, part="adc") for width in (1024, 4096))
    assert narrow == pytest.approx(4 * wide)
    assert machines.width_exponent(engine, narrow=1024, wide=4096, part="adc") == pytest.approx(-1.0)
    every = machines.width_advantage(engine, width=4096, part=None, digital_j_per_mac=3e-13)
    alone = machines.width_advantage(engine, width=4096, part="adc", digital_j_per_mac=3e-13)
    assert 1 < every < alone
    halved = [machines.photon_energy_at_width(engine, width=w, photons_per_dot_product=1e3) for w in (512, 1024)]
    assert halved[0] == pytest.approx(2 * halved[1])


def test_unknown_parts_are_refused():
    engine = photonics.load_engine("optical-transformers")
    with pytest.raises(RequestError, match="there is no part 'adcs'"):
        machines.width_energy_per_mac(engine, width=64, part="adcs")
