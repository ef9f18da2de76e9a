import dataclasses
import json
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtri

from models.hardware import sensitivity
from models.hardware.roadmap import Roadmap, load_roadmap
from models.hardware.sensitivity import Cause, VarianceShares, elasticities, shares

KEY = jax.random.key(11)
# Estimates are held to so many standard errors: 1e-4 of them would be further off by chance. Keys are fixed.
SIGMAS = 4.0
Z95 = float(ndtri(0.95))


def toy(slopes, loadings=None, factors=(), *, rates=None, paces=None, above=None) -> Roadmap:
    """Log-normal parameters a, b, ... with median 1 in 2024, spread `slopes` and trends as given."""
    n = len(slopes)
    loadings = np.zeros((n, len(factors))) if loadings is None else np.asarray(loadings, np.float64)
    zeros, ones = np.zeros(n), np.ones(n)
    columns = {
        "year": 2024.0 * ones,
        "typical": ones,
        "below": np.asarray(slopes),
        "above": np.asarray(slopes if above is None else above),
        "rate_per_year": zeros if rates is None else np.asarray(rates),
        "rate_below": zeros if paces is None else np.asarray(paces),
        "rate_above": zeros if paces is None else np.asarray(paces),
        "floor": zeros,
        "ceiling": np.inf * ones,
        "loadings": loadings,
        "own": np.sqrt(1.0 - (loadings**2).sum(axis=1)),
    }
    arrays = {field: jnp.asarray(column, jnp.float32) for field, column in columns.items()}
    return Roadmap(name="toy", paths=tuple("abcdefgh"[:n]), factors=tuple(factors), **arrays)


def powers(**exponents: float):
    """Logarithm of a product of powers."""

    def measure(values):
        return sum((p * jnp.log(values[path]) for path, p in exponents.items()), jnp.zeros(()))

    return measure


def by_name(found: VarianceShares) -> dict[str, Cause]:
    return {cause.name: cause for cause in found.causes}


def check(cause: Cause, first: float, total: float) -> None:
    assert abs(cause.first - first) <= SIGMAS * cause.first_error, (cause, first)
    assert abs(cause.total - total) <= SIGMAS * cause.total_error, (cause, total)


def test_elasticities_of_a_product_of_powers_are_its_exponents():
    values = {"a": 3e-15, "b": 2e9, "c": 0.7}
    found = elasticities(powers(a=-1.0, b=0.5, c=2.0), values)
    # A gradient in float32: a few roundings of 6e-8 each.
    assert found == pytest.approx({"a": -1.0, "b": 0.5, "c": 2.0}, rel=1e-6)
    assert all(type(one) is float for one in found.values())


def test_elasticities_of_a_sum_of_energies_are_its_shares_and_finite_differences():
    energies_j = {"adc": (5e-15, 1.0), "laser": (2e-15, -1.5), "memory": (1e-15, 1.0)}

    def measure(values):
        return -jnp.log(sum(1e-15 * values[path] ** power for path, (_, power) in energies_j.items()))

    values = {path: (energy_j / 1e-15) ** (1.0 / power) for path, (energy_j, power) in energies_j.items()}
    found = elasticities(measure, values)
    whole = sum(energy_j for energy_j, _ in energies_j.values())
    for path, (energy_j, power) in energies_j.items():
        assert found[path] == pytest.approx(-power * energy_j / whole, rel=1e-5)
        step = 0.05
        ends = [measure({**values, path: values[path] * math.exp(sign * step)}) for sign in (-1, 1)]
        # Central difference: its third derivative is below 1 (a logistic function of at most 1.5 s), times step^2 / 6;
        # and float32 leaves 2e-6 of a value of 32, twice, over 2 steps.
        difference = float(ends[1] - ends[0]) / (2.0 * step)
        assert abs(found[path] - difference) < step**2 / 6.0 + 4e-6 / (2.0 * step)


def test_a_value_of_zero_has_no_elasticity_even_where_the_slope_is_infinite():
    found = elasticities(lambda values: jnp.log(1.0 + jnp.sqrt(values["a"]) + values["b"]), {"a": 0.0, "b": 1.0})
    assert found["a"] == 0.0 and found["b"] == pytest.approx(0.5, rel=1e-6)


def test_elasticities_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="the measure is not finite"):
        elasticities(powers(a=1.0), {"a": 0.0})
    with jax.debug_nans(False), pytest.raises(ValueError, match="the measure is not finite"):
        elasticities(powers(a=1.0), {"a": -1.0})
    with pytest.raises(ValueError, match="no finite elasticity of b at"):
        elasticities(lambda values: values["a"] + jnp.sqrt(values["b"] - 1.0), {"a": 1.0, "b": 1.0})


def test_a_sum_of_causes_has_the_shares_of_slopes_and_loadings():
    """f = sum p_i s_i (sum_k L_ik F_k + own_i e_i): own (p_i s_i own_i)^2, of a factor (sum_i p_i s_i L_ik)^2."""
    slopes, exponents = np.array([0.5, 1.0, 0.3, 0.8]), np.array([-1.0, 0.5, 2.0, 0.0])
    loadings = np.array([[0.6, 0.0], [-0.5, 0.7], [0.3, 0.0], [0.4, -0.4]])
    roadmap = toy(slopes, loadings, ("process", "panel"))
    measure = powers(**dict(zip("abcd", exponents, strict=True)))
    found = shares(measure, roadmap, 2029, KEY, 4096)

    own = (exponents * slopes) ** 2 * (1.0 - (loadings**2).sum(axis=1))
    shared = ((exponents * slopes) @ loadings) ** 2
    parts = dict(zip(["a", "b", "c", "d", "factor.process", "factor.panel"], [*own, *shared], strict=True))
    variance = sum(parts.values())
    assert abs(found.variance_nats2 - variance) < SIGMAS * found.variance_error_nats2
    # Two normal sets: the variance of (z^2 + z'^2) / 2 is 1, known itself from 4096 draws to about 3 %.
    assert found.variance_error_nats2 == pytest.approx(variance / np.sqrt(4096), rel=0.15)
    causes = by_name(found)
    assert causes.keys() == parts.keys()
    for name, part in parts.items():
        check(causes[name], part / variance, part / variance)
        assert causes[name].kind == ("factor" if name.startswith("factor.") else "parameter")
    assert [cause.total for cause in found.causes] == sorted((cause.total for cause in found.causes), reverse=True)
    # What does not enter the measure has no share at all, not a small one.
    assert dataclasses.astuple(causes["d"])[2:] == (0.0, 0.0, 0.0, 0.0)


def test_the_largest_cause_is_seen_with_the_stated_error():
    """One normal cause makes all of V = 1: p - S v is b^2/2 - a b - a^2/2 (variance 2) of first, -a b (1) of total."""
    found = shares(powers(a=3.0), toy([0.4]), 2029, KEY).causes[0]
    assert found.first_error == pytest.approx(np.sqrt(2.0 / 16_384), rel=0.05)
    assert found.total_error == pytest.approx(np.sqrt(1.0 / 16_384), rel=0.05)
    check(found, 1.0, 1.0)


def test_standard_errors_are_the_scatter_over_keys():
    def measure(values):
        one, other = jnp.log(values["a"]), jnp.log(values["b"])
        return one + 0.5 * other + 0.7 * one * other

    count, repeats, roadmap = 512, 100, toy([1.0, 1.0])
    drawn = [by_name(shares(measure, roadmap, 2029, jax.random.key(i), count))["b"] for i in range(repeats)]
    for field in ("first", "total"):
        scatter = np.std([getattr(one, field) for one in drawn], ddof=1)
        stated = np.sqrt(np.mean([getattr(one, f"{field}_error") ** 2 for one in drawn]))
        # A standard deviation of 100 draws is known to 1 / sqrt(200) = 7 %.
        assert stated / scatter == pytest.approx(1.0, abs=SIGMAS / np.sqrt(2 * repeats))


def test_a_product_of_deviations_is_all_interaction():
    """f = u_a u_b has no share of first order, and all of it in both totals; with u_a added it has some."""

    def product(values):
        return jnp.log(values["a"]) * jnp.log(values["b"])

    def both(values):
        return jnp.log(values["a"]) + 0.5 * product(values)

    roadmap = toy([1.0, 1.0])
    for cause in shares(product, roadmap, 2029, KEY, 8192).causes:
        check(cause, 0.0, 1.0)
    # V = 1 + 1/4.
    causes = by_name(shares(both, roadmap, 2029, KEY, 8192))
    check(causes["a"], 0.8, 1.0)
    check(causes["b"], 0.0, 0.2)
    assert causes["a"].total - causes["a"].first > 5.0 * causes["a"].first_error


def test_position_and_pace_are_one_cause_and_skewed_positions_count_whole():
    """u = s(z) z + r e^(p z') t: the variance of two half normals plus that of a log-normal, of one parameter."""
    below, above, rate, pace, years = 0.3, 0.9, 0.2, 0.5, 5.0
    roadmap = toy([below, 0.4], above=[above, 0.4], rates=[rate, 0.0], paces=[pace, 0.0])
    position = (below**2 + above**2) / 2.0 - (above - below) ** 2 / (2.0 * np.pi)
    moved = (rate * years) ** 2 * (np.exp(2.0 * pace**2) - np.exp(pace**2))
    found = shares(powers(a=1.0, b=1.0), roadmap, 2024.0 + years, KEY, 8192)
    variance = position + moved + 0.4**2
    assert abs(found.variance_nats2 - variance) < SIGMAS * found.variance_error_nats2
    causes = by_name(found)
    check(causes["a"], (position + moved) / variance, (position + moved) / variance)
    check(causes["b"], 0.4**2 / variance, 0.4**2 / variance)


def test_pace_that_a_factor_shares_interacts_with_its_own():
    """e^(p (L F + o e)) is a product: first order e^(p^2) (e^(p^2 L^2) - 1), total e^(2 p^2) (1 - e^(-p^2 L^2))."""
    pace, loading = 0.7, 0.6
    roadmap = toy([0.0], [[loading]], ("process",), rates=[0.2], paces=[pace])
    causes = by_name(shares(powers(a=1.0), roadmap, 2029, KEY, 8192))
    variance = np.exp(2.0 * pace**2) - np.exp(pace**2)
    for name, square in (("factor.process", loading**2), ("a", 1.0 - loading**2)):
        first = np.exp(pace**2) * np.expm1(pace**2 * square)
        total = -np.exp(2.0 * pace**2) * np.expm1(-(pace**2) * square)
        check(causes[name], first / variance, total / variance)


def test_a_parameter_that_is_all_factor_gives_its_share_to_the_factor():
    roadmap = toy([0.5, 0.5], [[1.0], [0.0]], ("process",))
    causes = by_name(shares(powers(a=1.0, b=1.0), roadmap, 2029, KEY, 4096))
    assert dataclasses.astuple(causes["a"])[2:] == (0.0, 0.0, 0.0, 0.0)
    check(causes["factor.process"], 0.5, 0.5)
    check(causes["b"], 0.5, 0.5)


def test_a_factor_whose_effects_cancel_has_no_share():
    roadmap = toy([0.5, 0.5], [[0.8], [0.8]], ("process",))
    causes = by_name(shares(powers(a=1.0, b=-1.0), roadmap, 2029, KEY, 4096))
    # To the rounding of float32, squared, over the variance.
    assert abs(causes["factor.process"].total) < 1e-12
    check(causes["a"], 0.5, 0.5)


def test_nothing_uncertain_has_shares_of_zero():
    found = shares(powers(a=1.0, b=3.0), toy([0.0, 0.0], rates=[0.1, -0.1]), 2029, KEY, 999)
    assert (found.variance_nats2, found.variance_error_nats2) == (0.0, 0.0)
    assert all(dataclasses.astuple(cause)[2:] == (0.0, 0.0, 0.0, 0.0) for cause in found.causes)
    assert [cause.name for cause in found.causes] == ["a", "b"]


def test_the_same_key_gives_the_same_shares_and_another_key_others():
    measure, roadmap = powers(a=1.0, b=-1.0), toy([0.5, 0.2], [[0.3], [0.1]], ("process",))
    one, again, other = (shares(measure, roadmap, 2029, key, 256) for key in (KEY, KEY, jax.random.key(12)))
    assert one == again
    assert all(one.first != another.first for one, another in zip(one.causes, other.causes, strict=True))


def test_everything_is_compiled_once_for_all_years_and_roadmaps_of_a_kind():
    measure, roadmap = powers(a=1.0, b=-1.0), toy([0.5, 0.2], rates=[0.1, -0.1])
    compiled: list[Any] = [sensitivity._measured_values, sensitivity._mixed]

    def ask(roadmap, year, key):
        shares(measure, roadmap, year, key, 128)
        return [one._cache_size() for one in compiled]

    before = ask(roadmap, 2029, KEY)
    assert ask(dataclasses.replace(roadmap, below=roadmap.below * 2.0), 2031, jax.random.key(5)) == before


def test_measures_that_are_not_finite_are_counted_and_refused():
    """Not a number where b is above its 95 % quantile: in 5 % of the samples of A, and of each mixture."""

    def measure(values):
        return values["a"] + jnp.sqrt(math.exp(0.5 * Z95) - values["b"])

    with pytest.raises(ValueError, match=r"\d+ of 4096 samples of 2029 have no finite measure") as refused:
        shares(measure, toy([0.5, 0.5]), 2029, KEY, 1024)
    # Two sets of 1024, each seen twice: binomial.
    count = int(str(refused.value).split()[0])
    assert abs(count / 2.0 - 2048 * 0.05) < SIGMAS * np.sqrt(2048 * 0.05 * 0.95)
    with pytest.raises(ValueError, match="192 of 192 samples"):
        shares(lambda values: -jnp.log(0.0 * values["a"]), toy([0.5]), 2029, KEY, 64)


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(ValueError, match="from 2024 to 2032"):
        shares(powers(a=1.0), toy([0.5]), 2040, KEY, 8)
    with pytest.raises(ValueError, match="count is 1"):
        shares(powers(a=1.0), toy([0.5]), 2029, KEY, 1)
    with pytest.raises(TypeError, match="key"):
        shares(powers(a=1.0), toy([0.5]), 2029, 0, 8)  # pyright: ignore[reportArgumentType]


def test_rows_of_the_default_roadmap_are_plain_and_the_shares_add_up():
    """Energies that add: a few per cent of interaction, so first order sums to a little less than 1, totals to more."""
    roadmap = load_roadmap()

    def measure(values):
        far, near = values["memory.far_energy_j_per_byte"], values["memory.near_energy_j_per_byte"]
        converters = 100.0 * values["adc.walden_fom_j"] + values["dac.reference_energy_j"]
        energy_j = converters / 100.0 + far / 1e3 + near / 1e2 + values["digital.op_energy_j"] / 10.0
        return -jnp.log(energy_j / values["system.power_supply_efficiency"])

    found = shares(measure, roadmap, 2029, KEY, 4096)
    rows = found.rows()
    assert json.loads(json.dumps(rows)) == rows and len(rows) == len(roadmap.paths) + len(roadmap.factors)
    assert list(rows[0]) == ["name", "kind", "first", "total", "first_error", "total_error"]
    assert {row["name"] for row in rows if row["kind"] == "factor"} == {f"factor.{name}" for name in roadmap.factors}
    first, total = (sum(row[field] for row in rows) for field in ("first", "total"))
    # Errors of estimates that share two sets add at most linearly.
    first_error, total_error = (sum(row[f"{field}_error"] for row in rows) for field in ("first", "total"))
    assert 0.8 < first < 1.0 + SIGMAS * first_error and 1.0 - SIGMAS * total_error < total < 1.2
    assert {row["name"] for row in rows if row["total"] == 0.0} >= {"panel.reload_time_s", "factor.panel_technology"}
