"""What a projection depends on: elasticities at one point, and shares of the variance over a roadmap.

A measure is a function of the parameters' values, scalars by dotted path, that gives one logarithm, such as that of
delivered operations per joule. Ratios are what the projections are about, and their distribution has a heavy upper
tail: the variance of operations per joule themselves would be that of a few lucky samples, and its estimate would not
settle. A logarithm has light tails, is additive where parameters multiply, and does not care for units.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from models.hardware.roadmap import Deviates, Roadmap
from photonics.draws import check_key, stream
from photonics.stage import Scalar

Measure = Callable[[dict[str, Array]], Array]
"""Values (scalars) by dotted path to a natural logarithm (scalar). Pure JAX and hashable, as functions and methods are;
what is compiled belongs to the very object, so it should be kept between calls."""
Kind = Literal["parameter", "factor"]

# Standard errors of first and total index where the measure is a sum of normal causes: 0.011 and 0.008 for a cause of
# all the variance, 0.0036 and 0.0011 for one of a tenth of it; interactions and skew add to them. A bar of a figure
# does not show more.
_COUNT = 16_384


@dataclasses.dataclass(frozen=True)
class Cause:
    """Share of the variance of a measure that comes from one independent cause.

    Attributes:
        name: path of a parameter, or factor.NAME.
        kind: "parameter" for the deviates that are its own, "factor" for those that parameters share.
        first: index of first order, Var(E[f | cause]) / Var f: the part that knowing this cause alone would remove.
            An estimate without bounds: where it is small it may come out below 0, by its error.
        total: total index, E[Var(f | all other causes)] / Var f: the part that would remain if only this cause were
            unknown. What it exceeds `first` by comes from interactions, and each is counted in all its causes.
        first_error, total_error: their standard errors from sampling.
    """

    name: str
    kind: Kind
    first: float
    total: float
    first_error: float
    total_error: float


@dataclasses.dataclass(frozen=True)
class VarianceShares:
    """Where the variance of a measure comes from in one year.

    Attributes:
        year: the year.
        variance_nats2: variance of the measure, a natural logarithm [nat^2]; its root is the standard deviation of
            ln(operations per joule).
        variance_error_nats2: its standard error [nat^2].
        count: samples in each of the two sets.
        causes: every parameter and every factor, largest total first.
    """

    year: float
    variance_nats2: float
    variance_error_nats2: float
    count: int
    causes: tuple[Cause, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row of plain numbers and text for each cause, in their order, for a table or JSON."""
        return [dataclasses.asdict(cause) for cause in self.causes]


def elasticities(measure: Measure, values: Mapping[str, Scalar]) -> dict[str, float]:
    """Percent of change of exp(measure) for a percent of change of each value, all others as they are.

        e_i = d f(x_1 exp(s_1), ..., x_n exp(s_n)) / d s_i  at s = 0  =  d f / d ln x_i

    f is a logarithm, so e_i is the exponent that x_i has in exp(f) around `values`. A value of 0 has no logarithm; its
    elasticity is 0, since no factor moves it. Where f has a kink (the smaller of two times) this is the slope of the
    side that JAX chooses; what would matter on the other side shows in `shares` only.

    One gradient, not compiled: it is asked at one point, and compiling a whole machine's takes several times as long
    as running its operations one by one.

    Raises ValueError where the measure or its gradient is not finite.
    """
    points = {path: jnp.asarray(value, jnp.float32) for path, value in values.items()}

    def scaled(steps: dict[str, Array]) -> Array:
        return measure(points | {path: points[path] * jnp.exp(step) for path, step in steps.items()})

    level, slopes = jax.value_and_grad(scaled)({path: jnp.zeros(()) for path, value in points.items() if value != 0.0})
    if not np.isfinite(level):
        raise ValueError("the measure is not finite at these values, so it has no elasticities")
    found = {path: float(slopes.get(path, 0.0)) for path in points}
    wrong = [path for path, slope in found.items() if not np.isfinite(slope)]
    if wrong:
        raise ValueError(f"the measure has no finite elasticity of {', '.join(wrong)} at these values")
    return found


def shares(measure: Measure, roadmap: Roadmap, year: float, key: Array, count: int = _COUNT) -> VarianceShares:
    """Sobol' indices of the measure with respect to the independent causes behind a roadmap.

    Parameters that load on a factor are correlated, and variance is not a sum over correlated inputs. What is
    independent are the deviates behind them: those of each parameter alone, and those of each factor (position and
    pace of one are one cause). Variance splits over these, and so the two kinds mean different things: a parameter
    has what would be left of its uncertainty if all factors were known, a factor what it does through all parameters
    that load on it, which may add up or cancel. How much of a factor belongs to which parameter has no answer in these
    indices; a parameter with a small share of its own may still matter through a large factor.

    Two independent sets of `count` samples, A and B, and for each cause the set A with this cause taken from B, A_i:

        V   = mean((f(A) - m)^2 + (f(B) - m)^2) / 2,  m the mean over both
        S_i = mean((f(B) - m) (f(A_i) - f(A))) / V          first order: Saltelli et al. 2010, table 2 (b)
        T_i = mean((f(A) - f(A_i))^2) / (2 V)               total: Jansen 1999; Saltelli et al. 2010, table 2 (f)

    sum S_i <= 1 <= sum T_i, with equality where f is a sum over causes; the Shapley effect of a cause lies between its
    S_i and T_i (Owen 2014). Standard errors are those of the ratio of two means, linearised: with p the summand of the
    numerator and v that of V, each is the standard deviation of (p - S v) / V over the samples, over sqrt(count); that
    m is an estimate changes them at order 1/count only. They hold for an estimate by itself: all share A and B.

    Sampling takes (parameters + factors + 2) count evaluations, compiled once for each measure and count, whatever the
    year. What does not enter the measure has indices of exactly 0, and so has everything where nothing is uncertain.

    Saltelli, Annoni, Azzini, Campolongo, Ratto, Tarantola, Variance based sensitivity analysis of model output, Comput.
    Phys. Commun. 181, 259 (2010). Jansen, Analysis of variance designs for model output, Comput. Phys. Commun. 117, 35
    (1999). Owen, Sobol' indices and Shapley value, SIAM/ASA J. Uncertain. Quantif. 2, 245 (2014). References from
    memory; the estimators are tested against cases with known indices.

    `key` is a single typed PRNG key. Raises ValueError where a sample has no finite measure, with their number, for
    fewer than 2 samples, and for a year that roadmaps do not speak of.
    """
    check_key(key, ())
    if count < 2:
        raise ValueError(f"count is {count}; it should be at least 2 samples")
    sets = roadmap.deviates(stream(key, 0), count), roadmap.deviates(stream(key, 1), count)
    causes = len(roadmap.paths) + len(roadmap.factors)
    # Both sets and all mixtures of them go through the same compiled functions, so that what has no effect gives
    # the same bits. One after the other, so that memory does not grow with the number of causes.
    taken = np.concatenate([np.zeros((1, causes), bool), np.ones((1, causes), bool), np.eye(causes, dtype=bool)])
    found = np.array([_measured(measure, roadmap, year, _mixed(*sets, one)) for one in taken], np.float64)
    wrong = int(np.sum(~np.isfinite(found)))
    if wrong:
        raise ValueError(f"{wrong} of {found.size} samples of {year:g} have no finite measure")
    return _indices(roadmap, year, found)


def _measured(measure: Measure, roadmap: Roadmap, year: float, deviates: Deviates) -> Array:
    """The measure of each sample (count,); infinite where it is not finite."""
    values = roadmap.trajectories(deviates, [year])
    return _measured_values(measure, {path: one[0] for path, one in values.items()})


@functools.partial(jax.jit, static_argnums=0)
def _measured_values(measure: Measure, values: dict[str, Array]) -> Array:
    return _marked(jax.vmap(measure)(values))


def _marked(value: Array) -> Array:
    """Infinite where it is not a number, so that it can be counted where NaNs end a program."""
    return jnp.where(jnp.isnan(value), jnp.inf, value)


@jax.jit
def _mixed(kept: Deviates, other: Deviates, taken: Array) -> Deviates:
    """`kept`, with the causes that are `taken` (parameters, then factors) from `other`."""
    parameters = kept.own.shape[0]
    return Deviates(
        jnp.where(taken[:parameters, None, None], other.own, kept.own),
        jnp.where(taken[parameters:, None, None], other.shared, kept.shared),
    )


class _Ratio(NamedTuple):
    value: float
    error: float


def _indices(roadmap: Roadmap, year: float, found: np.ndarray) -> VarianceShares:
    """Indices from the measure of A, of B, and of A with each cause from B (2 + causes, count), float64."""
    # Sums of float32 are exact in float64, so a measure that is the same everywhere has a variance of exactly 0.
    found = found - found[:2].mean()
    a, b, mixtures = found[0], found[1], found[2:]
    squares = (a**2 + b**2) / 2.0
    names = [*roadmap.paths, *(f"factor.{name}" for name in roadmap.factors)]
    causes = []
    for i, (name, mixture) in enumerate(zip(names, mixtures, strict=True)):
        first, total = _ratio(b * (mixture - a), squares), _ratio((a - mixture) ** 2 / 2.0, squares)
        kind: Kind = "parameter" if i < len(roadmap.paths) else "factor"
        causes.append(Cause(name, kind, first.value, total.value, first.error, total.error))
    return VarianceShares(
        year=float(year),
        variance_nats2=float(squares.mean()),
        variance_error_nats2=float(squares.std() / squares.size**0.5),
        count=squares.size,
        causes=tuple(sorted(causes, key=lambda cause: -cause.total)),
    )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> _Ratio:
    """Ratio of the means of two samples (count,) of the same draws, with its standard error; 0 over 0 is 0."""
    scale = float(denominator.mean())
    if scale == 0.0:
        return _Ratio(0.0, 0.0)
    value = float(numerator.mean()) / scale
    return _Ratio(value, float((numerator - value * denominator).std()) / (scale * denominator.size**0.5))
