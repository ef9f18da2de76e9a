"""Nothing that buys accuracy on an optical-transformer engine is free, but for what stands in FREE."""

import jax
import numpy as np
import pytest

from tests.photonics.payments import error_of, felt, responses, unpaid

# What buys accuracy without being paid for, and why that is so. An entry that is not needed fails the test.
FREE = {
    "panel.transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "receiver.quantum_efficiency": "a property of the part; bias power is left out",
    "receiver.capacitance_f": "a property of the part; less of it saves energy elsewhere",
    "source.wavelength_m": "a choice among sources: longer waves have more photons to the joule",
    "operating_point.temperature_k": "cooling is not modelled; engines run at room temperature",
    "quantiser.floor": "a property of the part, its extinction",
    "ranging.margin": "a gain: resolution against clipping",
    "ranging.percentile": "a gain: resolution against clipping",
}
# Every effect strong enough to be felt in float32.
_STRONG = {
    "operating_point.laser_power_w": 1e-5,
    "receiver.capacitance_f": 1e-15,
    "quantiser.floor": 0.1,
    "adc.bits": 7,
}
_X, _W = jax.random.normal(jax.random.key(11), (600, 24)), jax.random.normal(jax.random.key(12), (24, 8))


@pytest.fixture(scope="module")
def table(small, quickly):
    return responses(small(_STRONG), error_of(_X, _W), quickly)


def test_nothing_that_buys_accuracy_is_free(table):
    assert unpaid(table, 0.01) == set(FREE)
    assert all(FREE.values())


def test_what_is_paid_for(table):
    assert felt(table) - set(FREE) == {
        "operating_point.laser_power_w",
        "operating_point.symbol_rate_hz",
        "adc.enob_loss",
    }


def test_gradients_of_noise_tell_the_same(table):
    for path, own in table.items():
        assert np.isfinite(own.slope) and np.isfinite(own.price)
        # Ranges are calibrated, not learnt: their gradient is stopped.
        assert (own.slope != 0) == (own.felt != 0) or path.startswith("ranging."), path


@pytest.mark.parametrize(
    ("path", "finer", "part"), [("adc.bits", 9, "adc"), ("dac.bits", 10, "dac"), ("quantiser.levels", 1024, None)]
)
def test_finer_steps_cost_something(small, path, finer, part):
    """Levels of weights are paid for where weights are loaded: a byte of each has more bits."""
    engine = small({"operating_point.laser_power_w": 1.0, "quantiser.floor": 0.0})
    better = engine.replace(**{path: finer})
    if part is None:
        assert better.weight_byte() > engine.weight_byte()
    else:
        assert float(better.power_budget()[part]) > float(engine.power_budget()[part])
