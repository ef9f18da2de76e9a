"""Budgets of the residue engine; nothing that buys accuracy is free, or stands in FREE with a reason."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.catalogue import load_engine
from photonics.cost import cost
from photonics.residue.budget import phase_budget
from photonics.residue.redundancy import decoding_operations
from photonics.work import Contraction, Work

# What lowers the noise of a phase without being paid for, and why that is so. An entry that is not needed fails.
FREE = {
    "operating_point.temperature_k": "cooling is not modelled; engines run at room temperature",
    "operating_point.age_s": "calibrating more often costs time, which is not modelled",
    "source.wavelength_m": "a choice of platform: photons of less energy, more of them for each watt",
    "core.coupling_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "core.segment_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "core.segment_error_rad": "bought with calibration and with the resolution of what holds the segments",
    "readout.local_share": "a choice: shot noise and receivers against light of the signal",
    "readout.hybrid_transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "readout.quantum_efficiency": "a property of the part; only the photocurrent is charged",
    "readout.offset_residual_rad": "bought with calibration before use, not with power",
    "readout.drift_rad_per_root_s": "thermal control is a fixed power of the system",
    "receiver.capacitance_f": "less noise and less reset energy with less of it, until the full well is reached",
}
_WORK = Work((Contraction(name="", batch=1, m=10, k=300, n=200, count=1, weights=True),))


@pytest.fixture(scope="module")
def engine():
    return load_engine("residue-2024")


def _noise(engine):
    """Variance of a phase with its offset and the noise of the converter [levels^2 of the largest modulus]."""
    largest = engine.encoding.all_moduli()[0]
    offset = engine.readout.offset_variance(engine.operating_point)
    return engine.level_variance(largest) + (largest / 2 / math.pi) ** 2 * offset


def _energy_j(engine):
    return sum(engine.power_budget().values()) / engine.operating_point.symbol_rate_hz


def _leaves(engine):
    return {".".join(part.name for part in path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(engine)}


def test_nothing_that_buys_accuracy_is_free(engine):
    # Old enough to drift, dim enough for receivers to count, a converter with noise of its own.
    strong = {"operating_point.age_s": 1e3, "operating_point.laser_power_w": 1e-3, "adc.bits": 7, "adc.enob_loss": 0.5}
    leaves = jax.tree.map(jnp.float32, engine.replace(**strong))
    values, felt, price = _leaves(leaves), _leaves(jax.grad(_noise)(leaves)), _leaves(jax.grad(_energy_j)(leaves))
    assert all(np.isfinite(slope) for slope in (*felt.values(), *price.values()))
    # Joules for each unit of variance that they take away. The photocurrent of more light on the detectors, here a
    # twentieth of the price of making that light, is no payment for it.
    paid = {path: -float(price[path] / felt[path]) for path in values if felt[path] != 0}
    unpaid = {path for path, each_j in paid.items() if each_j < 0.1 * paid["operating_point.laser_power_w"]}
    assert unpaid == set(FREE)
    assert set(paid) - unpaid == {
        "operating_point.laser_power_w",
        "operating_point.symbol_rate_hz",
        "adc.enob_loss",
    }


@pytest.mark.parametrize(
    "series",
    [
        [{"encoding.redundant_moduli": r} for r in range(3)],
        [{"encoding.moduli": n, "dac.bits": 4} for n in (2, 3, 4)],
        [{"encoding.residue_bits": b, "adc.bits": 8, "encoding.moduli": 4} for b in (6, 7)],
        [{"adc.bits": b} for b in (6, 7, 8)],
        [{"dac.bits": b} for b in (4, 5, 6)],
        [{"readout.conversions": n} for n in (1, 2)],
        [{"encoding.erases": e} for e in (False, True)],
        [{"core.inputs": h} for h in (32, 64, 128)],
    ],
)
def test_structure_is_paid_for(series, engine):
    energies = [float(_energy_j(engine.replace(**changes))) for changes in series]
    assert all(few < many for few, many in itertools.pairwise(energies))


def test_counts_of_a_product(engine):
    # 300 inputs are three tiles, 200 outputs two; four moduli.
    tally = engine.count(_WORK.contractions[0])
    assert tally.tiles == 6 and tally.busy_passes == 60 and tally.longest_passes == 10
    assert tally.drives == 10 * 300 * 2 * 4
    assert tally.conversions == 10 * 200 * 3 * 4
    assert tally.partial_sums == 10 * 200 * 2 and tally.outputs == 2000
    assert tally.digital_ops == 10 * (300 * 6 + 200 * (3 * (decoding_operations(4, 0) + 2) + 2))
    assert (
        engine.replace(**{"readout.conversions": 2}).count(_WORK.contractions[0]).conversions == 2 * tally.conversions
    )
    redundant = engine.replace(**{"encoding.redundant_moduli": 2}).count(_WORK.contractions[0])
    assert redundant.conversions == tally.conversions * 6 / 4 and redundant.drives == tally.drives * 6 / 4
    assert redundant.digital_ops > 5 * tally.digital_ops


def test_parts_of_the_energy_sum_to_the_whole_and_are_those_of_the_stages(engine):
    whole = cost(engine, _WORK)
    assert sum(whole.energy_j.values()) == pytest.approx(whole.total_energy_j)
    adc_j = engine.adc.conversion_energy_j(engine.operating_point.symbol_rate_hz)
    assert whole.energy_j["adc"] == pytest.approx(24_000 * float(adc_j))
    assert whole.energy_j["dac"] == pytest.approx(24_000 * float(engine.dac.conversion_energy_j(6)))
    # Each product switches six segments in four cores.
    assert whole.energy_j["modulator"] == pytest.approx(10 * 300 * 200 * 24 * 1e-15)
    assert whole.energy_j["laser"] == pytest.approx(whole.time_s * 6 * 4 * 1e-2 / 0.2)
    assert whole.launched_energy_j == pytest.approx(whole.time_s * 6 * 4 * 1e-2)
    assert engine.standing_power_w()["receiver"] == pytest.approx(
        2 * 4 * 128 * float(engine.receiver.power_w(engine.operating_point, 0.0))
    )


def test_reloads_write_the_segments_of_all_cores(engine):
    loads = cost(engine, _WORK, panels=2)
    assert loads.panel_loads == 6 and loads.load_time_s == pytest.approx(6 * 2e-6)
    segments = 4 * 128 * 128 * 6
    assert float(engine.load_energy_j()) == pytest.approx(
        segments * float(engine.dac.conversion_energy_j(6))
        + 128 * 128 * (6 / 8 * engine.memory.near_energy_j_per_byte + 4 * engine.digital.op_energy_j)
    )


def test_the_link_budget_ends_with_the_light_that_is_counted(engine):
    steps = engine.link_budget()
    assert sum(step.loss_db for step in steps) == pytest.approx(10 * math.log10(steps[0].power_w / steps[-1].power_w))
    at, (signal, _) = engine.operating_point, engine.electrons_per_path()
    electrons = steps[-1].power_w / at.symbol_rate_hz * engine.electrons_per_joule()
    assert electrons == pytest.approx(float(signal))


def test_the_phase_budget_is_the_law(engine):
    noisy = engine.replace(**{"adc.enob_loss": 0.3}).at(age_s=1e3)
    assert sum(phase_budget(noisy).values()) == pytest.approx(float(_noise(noisy)), rel=1e-5)


def _measured(engine) -> tuple[float, float]:
    """Mean square error and signal of eight tiles of the engine's fan-in."""
    x = jax.random.normal(jax.random.key(1), (400, 8 * engine.inputs))
    w = jax.random.normal(jax.random.key(2), (8 * engine.inputs, 32))
    exact = x @ w
    y = engine.matmul(jax.random.key(3), x, w)
    return float(jnp.mean(jnp.square(y - exact))), float(jnp.mean(jnp.square(exact)))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"core.segment_error_rad": 6e-4},
        {"core.segment_error_rad": 6e-4, "encoding.erases": False},
        {"core.segment_error_rad": 8e-4, "encoding.redundant_moduli": 2},
    ],
    ids=["rounding", "erased", "kept", "corrected"],
)
def test_the_noise_budget_is_that_of_results(changes, engine):
    one = engine.replace(**{"core.outputs": 32, "readout.fixed_pattern": False, **changes})
    error, signal = _measured(one)
    terms = one.noise_budget()
    told = sum(term.variance_electrons2 for term in terms) / one.typical_signal_electrons() ** 2
    # Typical operands have a mean square that is 20 % low (their largest value is taken to first order), which counts
    # twice where wrong results, of a size of their own, are compared with products: 2 dB, and 1 for the draws.
    assert abs(10 * math.log10(told / (error / signal))) < 3.0
    assert sum(term.share for term in terms) == pytest.approx(1.0)
    assert [term.variance_electrons2 for term in terms] == sorted((t.variance_electrons2 for t in terms), reverse=True)


def test_all_cores_together_are_as_fast_as_one(engine):
    assert engine.passes == 1
    assert engine.macs_per_s() == engine.replace(**{"encoding.redundant_moduli": 2}).macs_per_s() == 1e9 * 128 * 128
