"""The memory tiers: leaves that the cost reads."""

import jax

from photonics.memory import Memory


def test_all_values_are_leaves(catalogue):
    leaves = jax.tree.leaves(catalogue.memory)
    assert len(leaves) == 4
    assert all(leaf > 0 for leaf in leaves)


def test_far_memory_is_dearer_than_near(catalogue):
    assert catalogue.memory.far_energy_j_per_byte > catalogue.memory.near_energy_j_per_byte


def test_every_value_is_paid_for(catalogue):
    # Energy of a panel write and of traffic must follow both tiers; `photonics.cost` has tests of its own.
    memory = Memory(near_energy_j_per_byte=1e-12, far_energy_j_per_byte=1e-11, output_byte=2.0, partial_byte=4.0)
    dear = Memory(near_energy_j_per_byte=2e-12, far_energy_j_per_byte=1e-11, output_byte=2.0, partial_byte=4.0)
    assert catalogue.panel.write_energy_j(1e6, 7, dear) > catalogue.panel.write_energy_j(1e6, 7, memory)
    part = {name: engine.power_budget()["memory"] for name, engine in _variants(catalogue, memory, dear).items()}
    assert part["dear"] == 2 * part["cheap"]


def _variants(engine, cheap, dear):
    return {"cheap": engine.replace(memory=cheap), "dear": engine.replace(memory=dear)}
