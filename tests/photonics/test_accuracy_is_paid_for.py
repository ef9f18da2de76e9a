"""Nothing that buys accuracy is free: what changes the noise changes the energy the other way, or stands in FREE.

Noise is the mean squared error of a product with the draws held fixed; a value that no noise depends on leaves it
exactly as it was. Energy is that of one vector, all parts of `power_budget` over the symbol rate: at equal power a
slower engine would look free, though it does less work. A price below a hundredth of what the same relative change of
the laser power costs is none: more light on the detector draws photocurrent, which is no payment for it.
"""

import itertools
from typing import get_args

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics import adc_energy, dac
from photonics.free_space import FreeSpaceEngine
from photonics.receiver import IntegratingReceiver
from photonics.stage import Scalar

# What buys accuracy without being paid for, and why that is so. An entry that is not needed fails the test.
FREE = {
    "modulator.transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "optics.transmission": "a property of the lenses; its loss is repaid by laser power, which is charged",
    "panel.transmission": "a property of the part; its loss is repaid by laser power, which is charged",
    "photodetector.quantum_efficiency": "a property of the part; only the photocurrent is charged",
    "operating_point.temperature_k": "cooling is not modelled; engines run at room temperature",
    "source.rin_per_hz": "a property of the part; bias far above threshold is not modelled",
    "modulator.extinction_ratio": "a property of the part; its floor even draws photocurrent",
    "panel.extinction_ratio": "a property of the part; its floor even draws photocurrent",
    "panel.element_residual": "bought with calibration before use, not with power",
    "panel.rail_residual": "bought with calibration before use, not with power",
    "optics.crosstalk_per_neighbour": "geometry of the detectors; light lost between them is not modelled",
    "optics.crosstalk_residual": "bought with calibration before use, not with power",
    "photodetector.dark_current_a": "a property of the part; less of it saves bias power too",
    "receiver.noise_factor": "a property of the part, fitted to a published one",
    "receiver.channel_noise_factor": "a property of the process",
    "receiver.input_capacitance_f": "wiring and transistor; less saves current too",
    "receiver.capacitance_f": "less noise and less reset energy with less of it, until the full well is reached",
    "receiver.bandwidth_hz": "noise and current grow with it where the previous symbol has settled",
    "receiver.output_swing_v": "what the supply leaves; a higher supply voltage is charged by itself",
    "operating_point.age_s": "calibrating more often costs time, which is not modelled",
    "source.mode_overlap": "geometry: modes that different sources share on a photodiode",
    "source.optical_span_hz": "a choice among lasers",
    "source.beam_quality": "a property of the part; less etendue saves receiver current too",
    "source.gain_residual": "bought with calibration before use, not with power",
    "source.drift_per_root_s": "a property of the part; thermal control is a fixed power of the system",
    "modulator.curvature": "bought with a table before use, not with power",
    "modulator.skew": "bought with a table before use, not with power",
    "modulator.bandwidth_hz": "a property of the part; its drive energy is a value of its own",
    "panel.curvature": "bought with a table before use, not with power",
    "panel.skew": "bought with a table before use, not with power",
    "optics.rail_leakage": "a property of the beam splitter",
    "optics.numerical_aperture": "a property of the lenses; smaller photodiodes save receiver current too",
    "photodetector.capacitance_f_per_m2": "a property of the part; transit time, its price, is not modelled",
    "photodetector.saturation_current_a": "a property of the part",
    "readout.pass_residual": "bought with matched parts, whose area is not modelled",
    "readout.gain_residual": "bought with calibration before use, not with power",
    "readout.offset_residual": "bought with calibration before use, not with power",
    "readout.drift_per_root_s": "a property of the part; thermal control is a fixed power of the system",
    "readout.crosstalk_per_neighbour": "bought with spacing and shields, whose area is not modelled",
    "readout.crosstalk_residual": "bought with calibration before use, not with power",
    "ranging.sigmas": "a gain: resolution against clipping",
    "ranging.percentile": "a gain: resolution against clipping",
    "ranging.margin": "a gain: resolution against clipping",
    "ranging.fraction": "a gain: resolution against clipping",
}

# Every effect strong enough to be felt in float32; the two variants hold all leaves but one between them.
_STRONG = {
    "operating_point.laser_power_w": 1e-4,
    "photodetector.dark_current_a": 1e-5,
    "source.rin_per_hz": 1e-12,
    "optics.crosstalk_residual": 0.01,
    "panel.element_residual": 0.03,
    "panel.rail_residual": 0.03,
    "adc.bits": 9,
}
_INTEGRATING = IntegratingReceiver(capacitance_f=5e-12, reset_v=1.0, amplifier_power_w=3e-4, output_swing_v=1.0)
# Everything that a calibrated machine does not show, each strong enough to be felt.
_RAW = {
    "source.beats": True,
    "source.gain_residual": 0.05,
    "operating_point.age_s": 1e4,
    "modulator.response": "curved",
    "modulator.curvature": 0.3,
    "modulator.skew": -0.2,
    "modulator.settling": True,
    "modulator.bandwidth_hz": 6e8,
    "panel.response": "curved",
    "panel.skew": 0.1,
    "optics.rail_leakage": 0.02,
    "photodetector.saturates": True,
    "photodetector.saturation_current_a": 1e-4,
    "receiver.filter": "one-pole",
    "receiver.bandwidth_hz": 6e8,
    "receiver.output_swing_v": 1e-3,
    "readout.saturates": True,
    "readout.pass_mismatch": True,
    "readout.pass_residual": 0.05,
    "readout.fixed_pattern": True,
    "readout.gain_residual": 0.05,
    "readout.offset_residual": 0.02,
    "readout.crosstalk": True,
    "readout.crosstalk_per_neighbour": 0.1,
    "readout.crosstalk_residual": 0.03,
}
_VARIANTS = {
    "transimpedance": _STRONG,
    "raw": {**_STRONG, **_RAW},
    "integrating": {**_STRONG, "receiver": _INTEGRATING, "source.noise": "common", "ranging.statistic": "percentile"},
}
_X = jax.random.normal(jax.random.key(1), (1500, 24))
_W = jax.random.normal(jax.random.key(2), (24, 8))


def _noise(engine: FreeSpaceEngine) -> jax.Array:
    return jnp.mean(jnp.square(engine.matmul(jax.random.key(0), _X, _W) - _X @ _W))


def _energy_j(engine: FreeSpaceEngine) -> Scalar:
    return sum(engine.power_budget().values()) / engine.operating_point.symbol_rate_hz


def _leaves(engine: FreeSpaceEngine) -> dict[str, jax.Array]:
    return {".".join(part.name for part in path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(engine)}


@pytest.fixture(scope="module")
def noise(quickly):
    return quickly(_noise)


@pytest.fixture(scope="module")
def responses(small, noise, quickly):
    """By variant and leaf: change of noise per relative change of the leaf, by difference and gradient; of energy."""
    slopes, prices, table = quickly(jax.grad(_noise)), quickly(jax.grad(_energy_j)), {}
    for variant, changes in _VARIANTS.items():
        engine = jax.tree.map(jnp.float32, small(changes))
        slope, price = _leaves(slopes(engine)), _leaves(prices(engine))
        for path, value in _leaves(engine).items():
            above, below = (noise(engine.replace(**{path: value * factor})) for factor in (1.1, 0.9))
            table[variant, path] = float(above - below), float(slope[path] * value), float(price[path] * value)
    return table


def _unpaid(responses) -> set[str]:
    """Leaves that change the noise, and whose better value costs no more energy worth the name."""
    least = {variant: 0.01 * abs(responses[variant, "operating_point.laser_power_w"][2]) for variant in _VARIANTS}
    return {
        path
        for (variant, path), (felt, _, price) in responses.items()
        if felt != 0 and (felt * price >= 0 or abs(price) < least[variant])
    }


def test_nothing_that_buys_accuracy_is_free(responses, small, noise):
    # The fraction of the range is the only leaf that neither variant uses.
    engine = jax.tree.map(jnp.float32, small({**_STRONG, "ranging.statistic": "fraction"}))
    fraction = engine.ranging.fraction
    felt = noise(engine.replace(**{"ranging.fraction": fraction * 0.8})) != noise(engine)
    unpaid = _unpaid(responses) | ({"ranging.fraction"} if felt else set())
    assert unpaid == set(FREE)
    assert all(reason for reason in FREE.values())


def test_every_leaf_was_looked_at(responses, small):
    looked_at = {path for _, path in responses}
    assert {path for changes in _VARIANTS.values() for path in _leaves(small(changes))} == looked_at
    paid = {path for (_, path), (felt, _, _) in responses.items() if felt != 0} - set(FREE)
    assert {
        "operating_point.laser_power_w",
        "operating_point.symbol_rate_hz",
        "receiver.feedback_resistance_ohm",
        "receiver.transconductance_siemens",
        "source.wavelength_m",
        "adc.enob_loss",
    } == paid


def test_gradients_of_noise_tell_the_same(responses):
    # Ranges are calibrated, not learnt: `load_panel` stops their gradient.
    for (variant, path), (felt, slope, _) in responses.items():
        if not path.startswith("ranging."):
            assert (slope != 0) == (felt != 0), (variant, path)
        else:
            assert slope == 0


def test_gradients_of_energy_are_finite(responses):
    assert all(np.isfinite(price) for _, _, price in responses.values())


@pytest.mark.parametrize("stage", ["dac", "panel", "adc"])
def test_bits_are_paid_for(stage, small):
    # Static, so by finite differences. At these rates no more than 12 bits have been built.
    engines = [small({f"{stage}.bits": bits, "adc.enob_loss": 1.5 if stage == "adc" else 0.0}) for bits in range(4, 12)]
    powers = [float(sum(engine.power_budget().values())) for engine in engines]
    assert all(few < many for few, many in itertools.pairwise(powers))
    part = [float(engine.power_budget()[stage]) for engine in engines]
    assert all(few < many for few, many in itertools.pairwise(part))


@pytest.mark.parametrize("model", get_args(adc_energy.EnergyModel))
def test_effective_bits_are_paid_for_under_every_model(model, small):
    engines = [small({"adc.energy_model": model, "adc.bits": bits, "adc.enob_loss": 1.5}) for bits in range(3, 12)]
    powers = [float(engine.power_budget()["adc"]) for engine in engines]
    assert all(few <= many for few, many in itertools.pairwise(powers))
    # Below 4.4 effective bits the regression charges as if there were 4.4.
    assert all(few < many for few, many in itertools.pairwise(powers[3:]))
    price = jax.grad(lambda engine: engine.power_budget()["adc"])(jax.tree.map(jnp.float32, engines[5]))
    assert price.adc.enob_loss < 0 and all(np.isfinite(leaf) for leaf in jax.tree.leaves(price))


@pytest.mark.parametrize("model", get_args(dac.EnergyModel))
def test_drive_bits_are_paid_for_under_every_model(model, small):
    engines = [small({"dac.energy_model": model, "dac.bits": bits}) for bits in range(2, 13)]
    powers = [float(engine.power_budget()["dac"]) for engine in engines]
    assert all(few <= many for few, many in itertools.pairwise(powers))
    # A fixed part has 8 bits, all of them paid for by whoever uses fewer; none of the 11 comes with it.
    beyond = powers[7:] if model == "fixed" else powers[1:]
    assert all(few < many for few, many in itertools.pairwise(beyond))
    price = jax.grad(lambda engine: engine.power_budget()["dac"])(jax.tree.map(jnp.float32, engines[6]))
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(price))


def test_the_full_scale_of_an_output_costs_nothing_by_itself(catalogue):
    # Neither choice of range is charged, so neither may be in the price of anything.
    shared = catalogue.replace(**{"ranging.per": "tile", "ranging.statistic": "fraction"})
    assert shared.power_budget() == catalogue.power_budget()


def test_an_unpaid_leaf_is_found(small, responses):
    # The rule can fail: with the price of light taken away, laser power would be free.
    priceless = {
        key: (felt, slope, 0.0 if key[1] == "operating_point.laser_power_w" else price)
        for key, (felt, slope, price) in responses.items()
    }
    assert _unpaid(priceless) - _unpaid(responses) == {"operating_point.laser_power_w"}
