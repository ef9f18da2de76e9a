"""The noise budget says what products show."""

import math

import jax
import jax.numpy as jnp
import pytest

from photonics import operands
from photonics.optical_transformer.photon_budget import electrons_per_path

STRONG = {"operating_point.laser_power_w": 2e-5, "receiver.capacitance_f": 2e-15, "adc.bits": 6}


@pytest.mark.parametrize("signs", ["rails", "passes"])
def test_the_budget_is_the_error_of_typical_operands(small, signs):
    engine = small({**STRONG, "panel.inputs": 256, "panel.outputs": 64, "encoding.signs": signs})
    vector = jnp.asarray(operands.typical(256), jnp.float32)
    # A maximum of 1 makes scales of 1, so that products are in the units of the budget.
    vector = jnp.clip(vector, -1.0, 1.0).at[-1].set(1.0)
    x = jnp.stack([jax.random.permutation(jax.random.key(seed), vector) for seed in range(256)])
    w = jnp.stack([jax.random.permutation(jax.random.key(1000 + seed), vector) for seed in range(64)], axis=1)
    panel = engine.load_panel(w)
    error = engine.matmul(jax.random.key(2), x, panel) - x @ w
    path = math.sqrt(float(sum(term.variance_electrons2 for term in engine.noise_budget())))
    found = float(jnp.sqrt(jnp.mean(error**2))) * float(electrons_per_path(engine))
    # 16 384 errors; the range of each output follows its weights, the budget has one.
    assert found == pytest.approx(path, rel=0.08)


def test_terms_come_and_go_with_their_causes(small):
    def origins(changes):
        return {term.origin for term in small(changes).noise_budget()}

    assert origins({}) == {
        "shot noise of the signal light",
        "ADC rounding",
        "ADC noise beyond rounding",
        "activation rounding",
        "weight rounding",
        "least transmission of weights",
    }
    assert "receiver" in origins({"receiver.capacitance_f": 1e-15})
    assert "random rounding" in origins({"quantiser.rounding": "random"})
    assert "least transmission of weights" not in origins({"quantiser.floor": 0.0})
    ideal = {"dac.ideal": True, "adc.ideal": True, "quantiser.ideal": True, "receiver.shot_noise": False}
    assert origins(ideal) == set()
