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

from photonics.engine import Engine
from photonics.receiver import IntegratingReceiver
from tests.photonics.agreement import largest_z, z_of_means, z_of_variances

_INTEGRATING = IntegratingReceiver(capacitance_f=2e-12, reset_v=1.0, amplifier_power_w=3e-4)
_SILENT = IntegratingReceiver(capacitance_f=0.0, reset_v=1.0, amplifier_power_w=3e-4)

# Every effect, off first. With 1e5 electrons per path all of them contribute alike; with 2 the counts are far from
# normal, and means and variances have to agree all the same.
_FACTORS: Mapping[str, tuple[Any, ...]] = {
    "light": ({"operating_point.laser_power_w": 7.5e-4}, {"operating_point.laser_power_w": 1.5e-8}),
    "shot": ({}, {"photodetector.shot_noise": True}),
    "dark": ({}, {"photodetector.dark_current_a": 1e-4}),
    "receiver": ({"receiver": _SILENT}, {"receiver": "transimpedance"}, {"receiver": _INTEGRATING}),
    "source": (
        {},
        {"source.noise": "independent", "source.rin_per_hz": 4e-13},
        {"source.noise": "common", "source.rin_per_hz": 4e-13},
    ),
    "modulator floor": ({}, {"modulator.extinction_ratio": 8.0}),
    "panel floor": ({}, {"panel.extinction_ratio": 8.0}),
    "crosstalk": (
        {},
        {"optics.crosstalk": True, "optics.crosstalk_per_neighbour": 0.05, "optics.crosstalk_residual": 0.01},
    ),
    "pattern": (
        {},
        {"panel.fixed_pattern": True, "panel.element_residual": 0.05},
        {"panel.fixed_pattern": True, "panel.rail_residual": 0.02},
    ),
    "converters": ({}, {"dac.ideal": False, "dac.bits": 5, "panel.ideal": False, "panel.bits": 5}),
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


def _engine(bare, catalogue, levels: Mapping[str, int]) -> tuple[Engine, int]:
    changes: dict[str, Any] = {}
    for name, level in levels.items():
        if name != "tiles":
            changes |= _FACTORS[name][level]
    if changes.get("receiver") == "transimpedance":
        changes["receiver"] = catalogue.receiver
    return bare(changes), _FACTORS["tiles"][levels.get("tiles", 0)]


def _operands(k: int, repeats: int = _REPEATS) -> tuple[jax.Array, jax.Array, jax.Array]:
    keys = jax.random.split(jax.random.key(k), 3)
    rows, w = jax.random.normal(keys[0], (_ROWS, k)), jax.random.normal(keys[1], (k, _OUTPUTS))
    return jnp.tile(rows, (repeats, 1)), w, jax.random.normal(keys[2], (50, k))


def _both(engine: Engine, k: int, other: Engine | None = None, repeats: int = _REPEATS):
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
    assert len(_CASES) < 20
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


_ALL_ON = {name: len(levels) - 1 for name, levels in _FACTORS.items() if name not in ("light", "tiles", "scale")}


def test_reference_and_fast_agree_with_all_effects_on(bare, catalogue):
    for source in (1, 2):
        engine, k = _engine(bare, catalogue, {**_ALL_ON, "light": 0, "source": source, "pattern": 1})
        assert _largest_z(*_both(engine, k)) < largest_z(2 * _COMPARISONS)


@pytest.mark.parametrize("effect", ["shot", "dark", "receiver", "source", "modulator floor", "crosstalk", "pattern"])
def test_the_comparison_fails_if_one_path_lacks_an_effect(effect, bare, catalogue):
    # Beside one other noise; under all effects together each alone is a small part.
    beside = {"receiver": 2, "light": 0} if effect == "shot" else {"shot": 1, "light": 0}
    whole, k = _engine(bare, catalogue, {**beside, effect: 1})
    lacking, _ = _engine(bare, catalogue, {**beside, effect: 0})
    assert _largest_z(*_both(whole, k, other=lacking)) > 2 * largest_z(_COMPARISONS)


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
