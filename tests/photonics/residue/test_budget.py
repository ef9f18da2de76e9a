"""Budgets of the residue engine: counts, energies, light, phases, and the noise of results."""

import math

import jax
import jax.numpy as jnp
import pytest

from photonics.cost import cost
from photonics.residue.budget import phase_budget
from photonics.residue.redundancy import decoding_operations
from photonics.work import Contraction, Work

_WORK = Work((Contraction(name="", batch=1, m=10, k=300, n=200, count=1, weights=True),))


def test_counts_of_a_product(full):
    # 300 inputs are three tiles, 200 outputs two; four moduli.
    tally = full.count(_WORK.contractions[0])
    assert tally.tiles == 6 and tally.busy_passes == 60 and tally.longest_passes == 10
    assert tally.drives == 10 * 300 * 2 * 4
    assert tally.conversions == 10 * 200 * 3 * 4
    assert tally.partial_sums == 10 * 200 * 2 and tally.outputs == 2000
    assert tally.digital_ops == 10 * (300 * 6 + 200 * (3 * (decoding_operations(4, 0) + 2) + 2))
    assert full.replace(**{"readout.conversions": 2}).count(_WORK.contractions[0]).conversions == 2 * tally.conversions
    redundant = full.replace(**{"encoding.redundant_moduli": 2}).count(_WORK.contractions[0])
    assert redundant.conversions == tally.conversions * 6 / 4 and redundant.drives == tally.drives * 6 / 4
    assert redundant.digital_ops > 5 * tally.digital_ops


def test_parts_of_the_energy_are_those_of_the_stages(full):
    whole = cost(full, _WORK)
    adc_j = full.adc.conversion_energy_j(full.operating_point.symbol_rate_hz)
    assert whole.energy_j["adc"] == pytest.approx(24_000 * float(adc_j))
    assert whole.energy_j["dac"] == pytest.approx(24_000 * float(full.dac.conversion_energy_j(6)))
    # Each product switches six segments in four cores.
    assert whole.energy_j["modulator"] == pytest.approx(10 * 300 * 200 * 24 * full.core.segment_energy_j)
    assert whole.energy_j["laser"] == pytest.approx(whole.time_s * 6 * 4 * 1e-2 / 0.2)
    assert whole.launched_energy_j == pytest.approx(whole.time_s * 6 * 4 * 1e-2)
    assert full.standing_power_w()["receiver"] == pytest.approx(
        2 * 4 * 128 * float(full.receiver.power_w(full.operating_point, 0.0))
    )


def test_reloads_write_the_segments_of_all_cores(full):
    loads = cost(full, _WORK, panels=2)
    assert loads.panel_loads == 6 and loads.load_time_s == pytest.approx(6 * 2e-6)
    segments = 4 * 128 * 128 * 6
    assert float(full.load_energy_j()) == pytest.approx(
        segments * float(full.dac.conversion_energy_j(6))
        + 128 * 128 * (6 / 8 * full.memory.near_energy_j_per_byte + 4 * full.digital.op_energy_j)
    )


def test_the_link_budget_ends_with_the_light_that_is_counted(full):
    steps = full.link_budget()
    at, (signal, _) = full.operating_point, full.electrons_per_path()
    electrons = steps[-1].power_w / at.symbol_rate_hz * full.electrons_per_joule()
    assert electrons == pytest.approx(float(signal))


def test_the_phase_budget_is_the_law(full, phase_noise):
    noisy = full.replace(**{"adc.enob_loss": 0.3}).at(age_s=1e3)
    assert sum(phase_budget(noisy).values()) == pytest.approx(float(phase_noise(noisy)), rel=1e-5)


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
def test_the_noise_budget_is_that_of_results(changes, full):
    one = full.replace(**{"core.outputs": 32, "readout.fixed_pattern": False, **changes})
    error, signal = _measured(one)
    terms = one.noise_budget()
    told = sum(term.variance_electrons2 for term in terms) / one.typical_signal_electrons() ** 2
    # Typical operands have a mean square that is 20 % low (their largest value is taken to first order), which counts
    # twice where wrong results, of a size of their own, are compared with products: 2 dB, and 1 for the draws.
    assert abs(10 * math.log10(told / (error / signal))) < 3.0


def test_all_cores_together_are_as_fast_as_one(full):
    assert full.passes == 1
    assert full.macs_per_s() == full.replace(**{"encoding.redundant_moduli": 2}).macs_per_s() == 1e9 * 128 * 128
