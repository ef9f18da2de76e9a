"""Two paths, one law: the photon-by-photon reference against the closed form of the fast path.

Both compute the same rows many times; means and variances of every output agree within what so many draws allow.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import ks_2samp

from photonics.free_space import FreeSpaceEngine
from photonics.receiver import IntegratingReceiver
from tests.photonics.agreement import largest_z, z_of_means, z_of_variances

_INTEGRATING = IntegratingReceiver(capacitance_f=2e-12, reset_v=1.0, amplifier_power_w=3e-4, output_swing_v=1.0)
# Not quite without capacitance, or there would be no swing to clip.
_SILENT = IntegratingReceiver(capacitance_f=1e-30, reset_v=1.0, amplifier_power_w=3e-4, output_swing_v=1.0)
# Largest signal of a receiver that saturates: about the rms of the products below at full light [electrons].
_LIMIT_ELECTRONS = 1e5

_BENT = {"modulator.curvature": 0.6, "modulator.skew": -0.2, "panel.curvature": 0.2, "panel.skew": 0.1}
_FIVE_BITS = {"dac.ideal": False, "dac.bits": 5, "panel.ideal": False, "panel.bits": 5}
_SLICED = {"encoding.weight_slices": 2}

# Every effect, off first. With 1e5 electrons per path all of them contribute alike; with 2 the counts are far from
# normal, and means and variances have to agree all the same.
_FACTORS: Mapping[str, tuple[Any, ...]] = {
    "light": ({"operating_point.laser_power_w": 7.5e-4}, {"operating_point.laser_power_w": 1.5e-8}),
    "shot": ({}, {"photodetector.shot_noise": True}),
    "dark": ({}, {"photodetector.dark_current_a": 1e-4}),
    "encoding": (
        {},
        {"encoding.conversion": "pass"},
        {"encoding.weight_sign": "offset"},
        {"encoding.weight_sign": "offset", "encoding.conversion": "pass"},
        {"encoding.activation_sign": "offset"},
        {"encoding.weight_sign": "offset", "encoding.activation_sign": "offset"},
    ),
    "repetitions": ({}, {"encoding.repetitions": 3}),
    "response": (
        {},
        {"modulator.response": "curved", "panel.response": "curved", **_BENT},
        {"modulator.response": "compensated", "panel.response": "compensated", **_BENT},
    ),
    "settling": ({}, {"modulator.settling": True, "modulator.bandwidth_hz": 3e8}),
    "one by one": (
        {},
        {"photodetector.saturates": True, "photodetector.saturation_current_a": 2e-4},
        {"readout.saturates": True},
        {"source.beats": True, "source.mode_overlap": 0.5},
        {"readout.pass_mismatch": True, "readout.pass_residual": 0.05},
    ),
    "readout": (
        {},
        {"readout.crosstalk": True, "readout.crosstalk_per_neighbour": 0.1, "readout.crosstalk_residual": 0.03},
        {"readout.fixed_pattern": True, "readout.gain_residual": 0.05, "readout.offset_residual": 0.02},
    ),
    "age": ({}, {"operating_point.age_s": 1e4, "source.drift_per_root_s": 3e-4}),
    "receiver": (
        {"receiver": _SILENT},
        {"receiver": "transimpedance"},
        {"receiver": _INTEGRATING},
        {"receiver": "transimpedance", "receiver.filter": "one-pole", "receiver.bandwidth_hz": 3e8},
    ),
    "source": (
        {},
        {"source.noise": "independent", "source.rin_per_hz": 4e-13},
        {"source.noise": "common", "source.rin_per_hz": 4e-13},
    ),
    "modulator floor": ({}, {"modulator.extinction_ratio": 8.0}),
    "panel floor": ({}, {"panel.extinction_ratio": 8.0}),
    "crosstalk": (
        {},
        {
            "optics.crosstalk": True,
            "optics.crosstalk_per_neighbour": 0.05,
            "optics.crosstalk_residual": 0.01,
            "optics.rail_leakage": 0.02,
        },
    ),
    "pattern": (
        {},
        {"panel.fixed_pattern": True, "panel.element_residual": 0.05},
        {"panel.fixed_pattern": True, "panel.rail_residual": 0.02},
        {"panel.fixed_pattern": True, "source.gain_residual": 0.1},
    ),
    "converters": ({}, _FIVE_BITS, {**_FIVE_BITS, "encoding.activation_slices": 2}, {**_FIVE_BITS, **_SLICED}),
    "rotation": ({"encoding.rotate": False}, {"encoding.rotate": True}),
    "scale": ({}, {"encoding.activation_scale": "static"}),
    "tiles": (24, 48),
}
_ROWS, _REPEATS, _OUTPUTS = 3, 2000, 6


def _pairwise(factors: Mapping[str, tuple[Any, ...]]) -> Iterator[dict[str, int]]:
    """Levels of all factors in few rows, so that every pair of levels of two factors occurs; greedy, not random."""
    names = list(factors)
    random = np.random.default_rng(4)

    def pairs(row: tuple[int, ...]) -> set[tuple[int, int, int, int]]:
        return {(i, j, row[i], row[j]) for i, j in itertools.combinations(range(len(names)), 2)}

    sizes = [len(factors[name]) for name in names]
    left = {
        (i, j, a, b)
        for i, j in itertools.combinations(range(len(names)), 2)
        for a, b in itertools.product(range(sizes[i]), range(sizes[j]))
    }
    while left:
        rows = [tuple(int(level) for level in random.integers(sizes)) for _ in range(200)]
        best = max(rows, key=lambda row: len(pairs(row) & left))
        if pairs(best) & left:
            left -= pairs(best)
            yield dict(zip(names, best, strict=True))


def _engine(bare, catalogue, levels: Mapping[str, int]) -> tuple[FreeSpaceEngine, int]:
    changes: dict[str, Any] = {"receiver": _SILENT}
    # Receivers first: what a later entry says about one belongs to the one that is chosen.
    for name in sorted(levels, key=lambda name: name != "receiver"):
        if name != "tiles":
            changes |= _FACTORS[name][levels[name]]
    if changes.get("receiver") == "transimpedance":
        changes["receiver"] = catalogue.receiver
    engine = bare(changes)
    if engine.readout.saturates:
        swing_v = _LIMIT_ELECTRONS / float(engine.receiver.limit_electrons(engine.operating_point))
        engine = engine.replace(**{"receiver.output_swing_v": float(engine.receiver.output_swing_v) * swing_v})
    return engine, _FACTORS["tiles"][levels.get("tiles", 0)]


def _operands(k: int, repeats: int = _REPEATS) -> tuple[jax.Array, jax.Array, jax.Array]:
    keys = jax.random.split(jax.random.key(k), 3)
    rows, w = jax.random.normal(keys[0], (_ROWS, k)), jax.random.normal(keys[1], (k, _OUTPUTS))
    return jnp.tile(rows, (repeats, 1)), w, jax.random.normal(keys[2], (50, k))


def _both(engine: FreeSpaceEngine, k: int, other: FreeSpaceEngine | None = None, repeats: int = _REPEATS):
    """Outputs (repeats, rows, outputs) of the fast path of `engine` and of the reference path of `other` or itself."""
    x, w, sample = _operands(k, repeats)
    fast = engine.matmul(jax.random.key(11), x, engine.load_panel(w, sample=sample, instance=3))
    counted = (other or engine).matmul_reference(jax.random.key(12), x, w, sample=sample, instance=3)
    shape = (repeats, _ROWS, _OUTPUTS)
    return np.asarray(fast, np.float64).reshape(shape), np.asarray(counted, np.float64).reshape(shape)


def _largest_z(fast: np.ndarray, counted: np.ndarray) -> float:
    """Largest |z| of means and variances over all outputs; deterministic outputs only have to be equal."""
    size = np.abs(fast).max()
    # Both compute in float32 what enters here: some 1e-6 of the largest output.
    means = np.abs(z_of_means(fast, counted, rounding=3e-6 * size)).max()
    if max(fast.std(axis=0).max(), counted.std(axis=0).max()) < 1e-5 * size:
        return float(means)
    return float(max(means, np.abs(z_of_variances(fast, counted)).max()))


# Single operations are shared by all these engines, whose compiled programs would all be different.
pytestmark = pytest.mark.usefixtures("uncompiled")

_COMPARISONS = 2 * _ROWS * _OUTPUTS
_CASES = list(_pairwise(_FACTORS))


def test_the_cases_hold_every_pair():
    assert len(_CASES) < 50
    for first, second in itertools.combinations(_FACTORS, 2):
        seen = {(case[first], case[second]) for case in _CASES}
        assert len(seen) == len(_FACTORS[first]) * len(_FACTORS[second])


@pytest.mark.parametrize("levels", _CASES, ids=lambda levels: "".join(map(str, levels.values())))
def test_reference_and_fast_agree_over_pairs_of_effects(levels, bare, catalogue):
    engine, k = _engine(bare, catalogue, levels)
    assert _largest_z(*_both(engine, k)) < largest_z(_COMPARISONS * len(_CASES))


@pytest.mark.slow
@pytest.mark.parametrize("shot", [0, 1])
@pytest.mark.parametrize("receiver", [0, 1, 2])
@pytest.mark.parametrize("source", [0, 1, 2])
def test_reference_and_fast_agree_over_the_full_grid(shot, receiver, source, bare, catalogue):
    varied = ["light", "dark", "modulator floor", "panel floor", "crosstalk", "pattern", "tiles"]
    grid = list(itertools.product(*(range(len(_FACTORS[name])) for name in varied)))
    limit = largest_z(_COMPARISONS * len(grid) * 18)
    for levels in grid:
        named = {"shot": shot, "receiver": receiver, "source": source, **dict(zip(varied, levels, strict=True))}
        engine, k = _engine(bare, catalogue, named)
        assert _largest_z(*_both(engine, k, repeats=1000)) < limit, named


_ALL_ON = {name: 1 for name in _FACTORS if name not in ("light", "tiles", "scale", "repetitions")}


@pytest.mark.parametrize("encoding", range(len(_FACTORS["encoding"])))
def test_reference_and_fast_agree_with_all_effects_on(encoding, bare, catalogue):
    for source in (1, 2):
        engine, k = _engine(bare, catalogue, {**_ALL_ON, "light": 0, "source": source, "encoding": encoding})
        assert _largest_z(*_both(engine, k)) < largest_z(2 * _COMPARISONS * len(_FACTORS["encoding"]))


_LACKING = [
    (effect, level)
    for effect, levels in _FACTORS.items()
    for level in range(1, len(levels))
    if effect not in ("light", "tiles", "scale", "rotation", "converters", "encoding", "age", "repetitions")
]


@pytest.mark.parametrize(("effect", "level"), _LACKING)
def test_the_comparison_fails_if_one_path_lacks_an_effect(effect, level, bare, catalogue):
    # Beside one other noise; under all effects together each alone is a small part. A table compensates to less than
    # a code, which only few codes show.
    beside = {"receiver": 2, "light": 0} if effect == "shot" else {"shot": 1, "light": 0}
    beside |= {"converters": 1} if effect == "response" else {}
    whole, k = _engine(bare, catalogue, {**beside, effect: level})
    lacking, _ = _engine(bare, catalogue, {**beside, effect: 0})
    assert _largest_z(*_both(whole, k, other=lacking)) > 2 * largest_z(_COMPARISONS)


def test_repetitions_divide_the_variance(bare, catalogue):
    engine, k = _engine(bare, catalogue, {"shot": 1, "receiver": 2, "light": 0})
    once, _ = _both(engine, k)
    often, _ = _both(engine.replace(**{"encoding.repetitions": 4}), k)
    # Variances of 2,000 normal draws each: a relative deviation of sqrt(2 / 2000) per output and side.
    ratios = once.var(axis=0) / often.var(axis=0) / 4
    assert abs(np.log(ratios)).max() < largest_z(ratios.size) * np.sqrt(2 * 2 / _REPEATS)


@pytest.mark.parametrize("levels", range(len(_FACTORS["encoding"])))
@pytest.mark.parametrize("digits", [{}, {"encoding.activation_slices": 2, "encoding.weight_slices": 2}])
def test_every_encoding_agrees_after_the_converter(levels, digits, bare, catalogue):
    changes = {
        "photodetector.shot_noise": True,
        "photodetector.dark_current_a": 1e-6,
        "modulator.extinction_ratio": 100.0,
        "panel.extinction_ratio": 50.0,
        "adc.ideal": False,
        "adc.bits": 9,
        "adc.enob_loss": 1.0,
        **_FIVE_BITS,
        **digits,
        **_FACTORS["encoding"][levels],
    }
    engine = bare({**changes, "operating_point.laser_power_w": 7.5e-6})
    assert _largest_z(*_both(engine, 24)) < largest_z(_COMPARISONS * 12)


def test_independent_and_common_sources_are_told_apart(bare, catalogue):
    independent, k = _engine(bare, catalogue, {"light": 0, "source": 1})
    common, _ = _engine(bare, catalogue, {"light": 0, "source": 2})
    assert _largest_z(*_both(independent, k, other=common)) > 2 * largest_z(_COMPARISONS)


@pytest.mark.parametrize("bits", [6, 8, 10])
@pytest.mark.parametrize("electrons", [20.0, 200.0, 1e5])
def test_reference_and_fast_agree_after_the_converter(electrons, bits, bare):
    # Light per conversion, both passes and rails: from 20 electrons up a normal law stands for the counts even after
    # rounding.
    changes = {
        "photodetector.shot_noise": True,
        "modulator.extinction_ratio": 100.0,
        "panel.extinction_ratio": 50.0,
        "adc.ideal": False,
        "adc.bits": bits,
        "adc.enob_loss": 1.0,
        "ranging.sigmas": 6.0,
        "encoding.rotate": True,
    }
    engine = bare({**changes, "operating_point.laser_power_w": 1e-6})
    x, w, sample = _operands(24)
    detected = float(engine.detected_electrons(x, engine.load_panel(w, sample=sample))) / x.shape[0] / _OUTPUTS
    engine = engine.at(laser_power_w=1e-6 * electrons / detected)
    assert _largest_z(*_both(engine, 24)) < largest_z(_COMPARISONS * 9)


def test_few_electrons_are_no_gaussian(bare):
    # What the fast path leaves out, and that the reference has it: at two electrons the laws differ.
    engine = bare({"photodetector.shot_noise": True, "operating_point.laser_power_w": 1e-9})
    fast, counted = _both(engine, 24)
    assert _largest_z(fast, counted) < largest_z(_COMPARISONS)
    assert float(np.asarray(ks_2samp(fast[:, 0, 0], counted[:, 0, 0]))[1]) < 1e-9


def test_counts_are_whole_electrons(bare):
    engine = bare({"photodetector.shot_noise": True, "operating_point.laser_power_w": 1e-8})
    x, w, _ = _operands(24, 50)
    y = np.asarray(engine.matmul_reference(jax.random.key(0), x, w), np.float64)
    unit = np.abs(np.asarray(x)).max(axis=1, keepdims=True) * np.abs(np.asarray(w)).max(axis=0)
    electrons = y / unit * float(engine.gain_electrons())
    np.testing.assert_allclose(electrons, np.round(electrons), atol=1e-3)
    assert len(np.unique(np.round(electrons))) > 3


def test_the_reference_repeats_with_its_key_and_has_the_type_of_x(bare):
    engine = bare({"photodetector.shot_noise": True, "operating_point.laser_power_w": 1e-6})
    x, w, _ = _operands(24, 1)
    first, again, other = (engine.matmul_reference(jax.random.key(seed), x, w) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.mean(np.asarray(first) == np.asarray(other)) < 0.2
    assert engine.matmul_reference(jax.random.key(0), x.astype(jnp.bfloat16), w).dtype == jnp.bfloat16
