"""The noise budget against what products show, origin by origin and encoding by encoding."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics import load_engine, operands
from photonics.free_space import FreeSpaceEngine
from photonics.noise_budget import noise_budget, typical_signal_electrons
from tests.photonics.family_engines import FREE_SPACE

SIZE = 256


@pytest.fixture(scope="module")
def engine():
    return load_engine("free-space-1024")


# Origins -------------------------------------------------------------------------------------------------------


def typical(seed: int, shape: tuple[int, int]) -> jax.Array:
    """Vectors along the last axis: normal, one value of each 1 and none larger, mean square as in `operands`."""
    draw = np.random.default_rng(seed)
    n = shape[1]
    square = (operands.mean_square(n) * n - 1) / (n - 1)
    values = np.clip(math.sqrt(square) * draw.standard_normal(shape), -1, 1)
    np.put_along_axis(values, draw.integers(0, n, (shape[0], 1)), draw.choice([-1.0, 1.0], (shape[0], 1)), axis=1)
    return jnp.asarray(values, jnp.float32)


@pytest.fixture(scope="module")
def operands_of_a_full_tile():
    x, w = typical(1, (512, SIZE)), typical(2, (SIZE, SIZE)).T
    return x, w, np.asarray(x, np.float64) @ np.asarray(w, np.float64)


def quiet(**changes) -> FreeSpaceEngine:
    sizes = {"source.count": SIZE, "panel.outputs": SIZE, "encoding.rotate": False}
    return load_engine("ideal").at(laser_power_w=1e-4).replace(**{**sizes, **changes})


@jax.jit
def product_and_scale(engine: FreeSpaceEngine, x: jax.Array, w: jax.Array) -> tuple[jax.Array, jax.Array]:
    panel = engine.load_panel(w)
    return engine.matmul(jax.random.key(5), x, panel), panel.scale[0]


def measured_electrons2(engine: FreeSpaceEngine, full_tile) -> float:
    x, w, exact = full_tile
    y, scale = (np.asarray(value, np.float64) for value in product_and_scale(engine, x, w))
    # The scale is 1 unless pre-distortion spends a part of the range.
    return float(np.mean(((y - exact) / scale) ** 2)) * float(engine.gain_electrons()) ** 2


SHOT = {"photodetector.shot_noise": True}
FLOORS = {"modulator.extinction_ratio": 30.0, "panel.extinction_ratio": 20.0}
RIN = {"source.rin_per_hz": 1e-10, **FLOORS}
PIXELS, NEIGHBOURS = {"panel.fixed_pattern": True, **FLOORS}, {"optics.crosstalk": True}
ADC = {"adc.ideal": False, "adc.bits": 8, "adc.enob_loss": 0.0}
# The origin that is switched on, with which others, and how close the measured variance comes. 131,072 products put
# 0.4 % on a variance; the operands have 1 % of chance in their mean square, and its square in RIN and crosstalk. What
# 512 tokens share leaves sqrt(2/512) = 6 %, what 256 outputs share 9 %.
ORIGINS = {
    "shot noise of the signal light": (SHOT, 0.04),
    "shot noise of the extinction floors": (
        {**SHOT, "modulator.extinction_ratio": 3.0, "panel.extinction_ratio": 3.0},
        0.04,
    ),
    "shot noise of the dark current": ({**SHOT, "photodetector.dark_current_a": 1e-4}, 0.04),
    "receiver": ({"receiver.capacitance_f": 1e-12}, 0.02),
    "source intensity": ({**RIN, "source.noise": "independent"}, 0.08),
    "activation rounding": ({"dac.ideal": False, "dac.bits": 6}, 0.04),
    "weight rounding": ({"panel.ideal": False, "panel.bits": 6}, 0.04),
    "pixel residuals": ({**PIXELS, "panel.element_residual": 0.05}, 0.06),
    "rail imbalance": ({**PIXELS, "panel.rail_residual": 0.05}, 0.3),
    # First order in the residual: 3 % of second order.
    "crosstalk residual": (
        {**NEIGHBOURS, "optics.crosstalk_per_neighbour": 0.01, "optics.crosstalk_residual": 0.01},
        0.08,
    ),
    "ADC rounding": (ADC, 0.04),
    "ADC noise beyond rounding": ({**ADC, "adc.enob_loss": 2.0}, 0.04),
}


def test_every_origin_is_tested(engine):
    assert {term.origin for term in noise_budget(engine)} == set(ORIGINS)


@pytest.mark.parametrize("origin", ORIGINS)
def test_each_origin_has_the_variance_that_products_show(origin, operands_of_a_full_tile):
    changes, tolerance = ORIGINS[origin]
    engine = quiet(**changes)
    terms = {term.origin: term.variance_electrons2 for term in noise_budget(engine)}
    assert measured_electrons2(engine, operands_of_a_full_tile) == pytest.approx(sum(terms.values()), rel=tolerance)
    # The one that is meant makes most of it, or at least half where another has to come along.
    assert terms[origin] >= 0.5 * sum(terms.values())
    others = {name for name, variance in terms.items() if variance and name != origin}
    assert others <= {"shot noise of the signal light", "ADC rounding"}


def test_a_common_laser(operands_of_a_full_tile):
    engine = quiet(**RIN, **{"source.noise": "common"})
    (term,) = (term for term in noise_budget(engine) if term.variance_electrons2)
    # One draw per pass moves all outputs: 512 tokens and 256 columns leave 11 %, three of these are allowed.
    assert measured_electrons2(engine, operands_of_a_full_tile) == pytest.approx(term.variance_electrons2, rel=0.33)


@pytest.mark.parametrize("statistic", ["sigmas", "percentile", "fraction"])
def test_the_range_of_the_converter(statistic, operands_of_a_full_tile):
    engine = quiet(**ADC, **{"ranging.statistic": statistic})
    (term,) = (term for term in noise_budget(engine) if term.variance_electrons2)
    assert term.origin == "ADC rounding"
    assert measured_electrons2(engine, operands_of_a_full_tile) == pytest.approx(term.variance_electrons2, rel=0.04)


def test_the_whole_budget_of_the_catalogue_engine(operands_of_a_full_tile, engine):
    # Everything at once, at a power where no origin makes more than half; crosstalk spends some per cent of the signal.
    whole = engine.replace(**{"source.count": SIZE, "panel.outputs": SIZE, "encoding.rotate": False})
    whole = whole.at(laser_power_w=2e-2)
    terms = noise_budget(whole)
    total = sum(term.variance_electrons2 for term in terms)
    assert terms[0].share < 0.5
    assert measured_electrons2(whole, operands_of_a_full_tile) == pytest.approx(total, rel=0.1)
    wrong = sum(term.variance_electrons2 for term in noise_budget(whole.at(laser_power_w=3e-2)))
    assert wrong / total > 1.3  # the comparison can fail


@pytest.mark.parametrize("name", FREE_SPACE)
def test_shares_sum_to_one_in_order(name):
    terms = load_engine(name).noise_budget()
    variances = [term.variance_electrons2 for term in terms]
    if name == "ideal":
        assert terms == []
    else:
        assert variances == sorted(variances, reverse=True) and min(variances) > 0
        assert sum(term.share for term in terms) == pytest.approx(1, rel=1e-12)
        assert all(term.share == pytest.approx(term.variance_electrons2 / sum(variances)) for term in terms)


def test_the_typical_signal(operands_of_a_full_tile):
    engine = quiet()
    signal = math.sqrt(np.mean(operands_of_a_full_tile[2] ** 2)) * float(engine.gain_electrons())
    assert typical_signal_electrons(engine) == pytest.approx(signal, rel=0.02)


def test_budgets_follow_the_operating_point(engine):
    def variances(power_w):
        return {term.origin: term.variance_electrons2 for term in engine.at(laser_power_w=power_w).noise_budget()}

    dim, bright = variances(1e-2), variances(4e-2)
    # Shot noise in proportion to light, static errors and converters to its square, the receiver not at all.
    for origin in ("receiver", "shot noise of the dark current"):
        assert bright[origin] == pytest.approx(dim[origin])
    for origin in ("shot noise of the signal light", "shot noise of the extinction floors"):
        assert bright[origin] == pytest.approx(4 * dim[origin])
    for origin in set(dim) - {"receiver"} - {name for name in dim if name.startswith("shot")}:
        assert bright[origin] == pytest.approx(16 * dim[origin]), origin


# Encodings -------------------------------------------------------------------------------------------------------

ENCODINGS = {
    "passes, rails": {},
    "converter per pass": {"encoding.conversion": "pass"},
    "offset weights": {"encoding.weight_sign": "offset"},
    "offset weights, converter per pass": {"encoding.weight_sign": "offset", "encoding.conversion": "pass"},
    "offset activations": {"encoding.activation_sign": "offset"},
    "offset both": {"encoding.weight_sign": "offset", "encoding.activation_sign": "offset"},
    "digits of activations": {"encoding.activation_slices": 2},
    "digits of weights": {"encoding.weight_slices": 3},
    "digits of both, offset": {
        "encoding.activation_slices": 2,
        "encoding.weight_slices": 2,
        "encoding.weight_sign": "offset",
        "encoding.activation_sign": "offset",
    },
    "repetitions": {"encoding.repetitions": 5},
}
# What changes from symbol to symbol; static errors are the same in two runs.
MOVING = {
    "shot noise of the signal light",
    "shot noise of the extinction floors",
    "shot noise of the dark current",
    "receiver",
    "source intensity",
    "beats between sources",
    "ADC rounding",
    "ADC noise beyond rounding",
}
COUNTED = {
    "photodetector.shot_noise": True,
    "photodetector.dark_current_a": 5e-7,
    "modulator.extinction_ratio": 10.0,
    "panel.extinction_ratio": 10.0,
    "receiver.capacitance_f": 3e-14,
}
# Converter noise of 1.1 steps, so that rounding errors of two runs have nothing in common.
CONVERTED = {"adc.ideal": False, "adc.bits": 8, "adc.enob_loss": 2.0}
FLUCTUATING = {
    "source.noise": "independent",
    "source.rin_per_hz": 1e-11,
    "modulator.extinction_ratio": 10.0,
    "panel.extinction_ratio": 10.0,
}
BEATING = {**FLUCTUATING, "source.noise": "none", "source.beats": True, "source.mode_overlap": 1.0}
# What moves, and how close the variance of 2 x 2048 tokens on 128 outputs comes. Operands of 128 values have 2 % of
# chance in their products; sources and beats move outputs in step, which leaves sqrt(2 / 2048) = 3 % for each token.
EFFECTS = {
    "detection": (COUNTED, 0.04),
    # So little light that electrons of the dark current and of the receiver are most of it.
    "electronics": ({**COUNTED, "operating_point.laser_power_w": 1e-6}, 0.04),
    "converter": (CONVERTED, 0.05),
    "sources": (FLUCTUATING, 0.12),
    "beats": (BEATING, 0.06),
}


@jax.jit
def two_runs(engine: FreeSpaceEngine, x: jax.Array, w: jax.Array) -> jax.Array:
    panel = engine.load_panel(w)
    return engine.matmul(jax.random.key(5), x, panel) - engine.matmul(jax.random.key(6), x, panel)


# Each pair compiles for seconds: the default and what differs most from it at once, the others with the slow tests.
AT_ONCE = (next(iter(ENCODINGS)), "digits of both, offset")
_PAIRS = [
    pytest.param(effect, encoding, marks=() if effect == "converter" or encoding in AT_ONCE else pytest.mark.slow)
    for effect in EFFECTS
    for encoding in ENCODINGS
]


@pytest.mark.parametrize(("effect", "encoding"), _PAIRS)
def test_what_moves_has_the_variance_that_products_show(effect, encoding):
    changes, tolerance = EFFECTS[effect]
    size = {"source.count": 128, "panel.outputs": 128, "dac.ideal": False, "panel.ideal": False}
    engine = quiet(**{**size, **changes, **ENCODINGS[encoding]})
    x, w = typical(1, (2048, 128)), typical(2, (128, 128)).T
    difference = np.asarray(two_runs(engine, x, w), np.float64)
    measured = np.mean(difference**2) / 2 * float(engine.gain_electrons()) ** 2
    terms = {term.origin: term.variance_electrons2 for term in noise_budget(engine) if term.origin in MOVING}
    assert measured == pytest.approx(sum(terms.values()), rel=tolerance)
    # No part that is meant is so small that the tolerance would hide it.
    electronic = [terms.pop(origin) for origin in ("receiver", "shot noise of the dark current") if origin in terms]
    if effect == "detection":
        assert len(terms) == 2 and sum(terms.values()) > 0.4 * sum(electronic)
    if effect == "electronics":
        assert len(electronic) == 2 and min(electronic) > 0.2 * (sum(electronic) + sum(terms.values()))
