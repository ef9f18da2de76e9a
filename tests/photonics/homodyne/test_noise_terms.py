"""The noise budget: its variances against measured errors, and its light against the counted one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics import operands

# One effect at a time, strong enough to stand out, and the origin that it is booked under.
_EFFECTS = {
    "shot noise of the operands' light": {"pair.shot_noise": True, "operating_point.laser_power_w": 1e-6},
    "reset of the capacitor": {"integrator.noise": True, "integrator.channel_noise_factor": 0.0},
    "amplifier": {"integrator.noise": True, "integrator.channel_noise_factor": 1e6},
    "laser intensity": {"laser.fluctuates": True, "laser.rin_per_hz": 1e-12},
    "phase jitter": {"phase.jitters": True, "phase.jitter_rad": 0.5},
    "phase residuals": {"phase.fixed_pattern": True, "phase.residual_rad": 0.3},
    "gain residuals": {"pair.fixed_pattern": True, "pair.gain_residual": 0.1, "pair.imbalance_residual": 0.0},
    "imbalance of the photodiodes": {
        "pair.fixed_pattern": True,
        "pair.gain_residual": 0.0,
        "pair.imbalance_residual": 0.2,
    },
    "leak times leak": {"modulator.leaks": True, "modulator.extinction_ratio": 30.0},
    "settling of the modulators": {"modulator.settling": True, "modulator.bandwidth_hz": 3e9},
    "activation rounding": {"dac.ideal": False, "dac.bits": 4},
    "weight rounding": {"weight_dac.ideal": False, "weight_dac.bits": 4},
    "ADC rounding": {"adc.ideal": False, "adc.bits": 5, "adc.enob_loss": 0.0},
    "ADC noise beyond rounding": {"adc.ideal": False, "adc.bits": 8, "adc.enob_loss": 3.0},
}
_ROWS, _OUTPUTS, _TOKENS = 128, 256, 64


@pytest.mark.parametrize(("origin", "changes"), _EFFECTS.items(), ids=_EFFECTS)
def test_every_term_is_the_error_that_is_measured(origin, changes, bare):
    changes = {"array.integration": _ROWS, "array.columns": _OUTPUTS, "pair.dark_current_a": 0.0, **changes}
    engine = bare(changes)
    random = np.random.default_rng(3)
    # Typical operands in random order, so that the scales are those of the budget.
    vector = np.asarray(operands.typical(_ROWS), np.float32) / np.abs(operands.typical(_ROWS)).max()
    shrink = np.abs(operands.typical(_ROWS)).max()
    x = jnp.asarray(np.stack([random.permutation(vector) for _ in range(_TOKENS)]))
    w = jnp.asarray(np.stack([random.permutation(vector) for _ in range(_OUTPUTS)], axis=1))
    error = np.asarray(engine.matmul(jax.random.key(0), x, w) - x @ w)
    a2, b2 = (float(electrons) for electrons in engine.electrons_per_symbol())
    terms = {term.origin: term.variance_electrons2 for term in engine.noise_budget()}
    along = {"phase jitter": "phase residuals"}.get(origin)
    budget = terms[origin] + (terms.get(along, 0.0) if along else 0.0)
    # Products of operands scaled to their largest value are larger than those of the budget by 1 / shrink^2, and so are
    # errors but for those of the readout, of light that one operand gives alone, and of ranges set for typical drives.
    power = {"reset of the capacitor": 0, "amplifier": 0, "shot noise of the operands' light": 2}
    power |= {"activation rounding": 2, "weight rounding": 2, "ADC rounding": 2, "ADC noise beyond rounding": 2}
    expected = budget / (4 * a2 * b2) / shrink ** power.get(origin, 4)
    assert np.mean(error**2) == pytest.approx(expected, rel=0.3)


def test_light_ends_where_electrons_are_counted(homodyne):
    at, link = homodyne.operating_point, homodyne.link_budget()
    electrons = link[-1].power_w / at.symbol_rate_hz * float(homodyne.electrons_per_joule())
    assert electrons == pytest.approx(float(homodyne.electrons_per_symbol()[0]))


def test_repetitions_divide_only_what_is_random(homodyne):
    once, many = (
        {
            term.origin: term.variance_electrons2
            for term in homodyne.replace(**{"encoding.repetitions": r}).noise_budget()
        }
        for r in (1, 4)
    )
    assert many["reset of the capacitor"] == pytest.approx(once["reset of the capacitor"] / 4)
    assert many["leak times leak"] == pytest.approx(once["leak times leak"])
