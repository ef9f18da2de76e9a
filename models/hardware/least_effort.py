"""The joint change of least effort that gives a target a stated probability: what has to improve, and by how much.

    minimise    sum_i s_i^2                       s_i: steps of parameter i in units of its own spread, on the scale u
    subject to  P(measure >= target) >= p         over the roadmap's distribution, moved as a whole by s

The probability is that of one sample whose deviates are drawn once (common random numbers), so the constraint is
q(s) >= target with the (1 - p)-quantile q of that sample: the sample-average approximation of a chance constraint. The
nearest point of such a surface to the origin is the design point of structural reliability, and the step towards it,

    s <- (g.s + target - q(s)) / |g|^2 g,         g = grad q(s)

is that of Hasofer, Lind, Rackwitz and Fiessler (J. Eng. Mech. Div. ASCE 100 (1974) 111; Computers & Structures 9 (1978)
489; from memory, not verified). On a sum of energies, whose largest term changes on the way, it oscillates, and damped
it takes about three times the evaluations of sequential quadratic programming, which begins with that very step and
then learns the curvature (P.-L. Liu and A. Der Kiureghian, Structural Safety 9 (1991) 161, compare the two; from
memory). So SLSQP of SciPy does it, and a bisection along the steps sets the probability right.

A quantile of a sample jumps from one gradient to another. While the direction is sought it is replaced by the mean of
its neighbours in rank, up to 5 % of the sample on either side, whose gradient is the mean of theirs exactly: an
L-statistic (and the limit is the gradient of the quantile: L. J. Hong, Operations Research 57 (2009) 118; from memory).

Left out: a local minimum is not told from the global one (none other exists where the measure is concave in s, as the
logarithm of a sum of energies is); effort counts a spread of every parameter alike, whatever it costs to buy it.
"""

import contextlib
import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.optimize import minimize

from models.hardware.roadmap import Deviates, Roadmap
from models.hardware.sensitivity import Measure

# No parameter is moved by more spreads than this: so far no roadmap errs.
LIMIT = 12.0
# Share of the sample on either side of the quantile whose gradients count.
_WINDOW = 0.05
# Evaluations at most, and residual (see `Joint`) at which the direction is good enough.
_EVALUATIONS, _RESIDUAL = 60, 5e-3
# Excess of probability at which the last bisection stops.
_EXCESS = 1e-3


@dataclasses.dataclass(frozen=True)
class Joint:
    """A joint change of parameters, and what it achieves.

    Attributes:
        target_op_per_j: target [op/J].
        asked: probability that was asked for.
        reached: whether it is achieved.
        probability: P(measure >= target) of the moved sample; the best that was found where not reached.
        op_per_j: what the moved sample reaches with the probability `asked` [op/J]; 0 if nothing finite.
        effort: square root of the sum of squared steps [spreads].
        residual: distance to the nearest point of the problem linearised here, over the effort: 0 at a minimum.
            1e-2 changes the effort by about 1e-4. 1 where not reached.
        iterations: steps of the quadratic programming, without the last bisection.
        steps: by path, in units of `Roadmap.spread` of the year on the scale u, largest first.
        values, factors: by path in the same order, of the moved median, and over the median.
    """

    target_op_per_j: float
    asked: float
    reached: bool
    probability: float
    op_per_j: float
    effort: float
    residual: float
    iterations: int
    steps: dict[str, float]
    values: dict[str, float]
    factors: dict[str, float]


def together(
    measure: Measure, roadmap: Roadmap, year: float, key: Array, count: int, target_log: float, probability: float
) -> Joint:
    """The change of least effort with which `measure` reaches `target_log` with this probability in this year.

    `key` is a single typed PRNG key; the same key, the same answer. Zero steps where the roadmap needs no change. The
    achieved probability is never below the one asked for and at most half a point above it, unless one sample weighs
    more than that or many samples are alike. Where the target is out of reach within `LIMIT` spreads of every
    parameter, `reached` is False and the best point that was seen is returned. Bounds of parameters hold always.

    Compiles once for a measure (the function object), year, count and shape of the roadmap: other probabilities,
    targets and keys run the same program. Raises ValueError for a probability outside of (0, 1), no samples, or a
    target that is not finite.
    """
    problem = _problem(measure, roadmap, year, key, count, probability)
    origin = problem.at(np.zeros(len(roadmap.paths)), _finite(target_log))
    return problem.joint(problem.solve(target_log, origin, origin), target_log)


def path(
    measure: Measure,
    roadmap: Roadmap,
    year: float,
    key: Array,
    count: int,
    target_log: float,
    probability: float = 0.5,
    points: int = 9,
) -> list[Joint]:
    """Changes of least effort toward the target: what becomes possible with how much effort, as a figure shows it.

    Targets are evenly spaced in the logarithm from what the unmoved roadmap reaches with this probability (its median
    at 0.5; no steps) to `target_log`; each starts where the last one ended. The list ends early with a point that is
    not reached, and holds one point without steps if the roadmap reaches the target as it is. Errors as in `together`.
    """
    if points < 2:
        raise ValueError(f"points is {points}; it should be 2 or more")
    problem = _problem(measure, roadmap, year, key, count, probability)
    origin = last = problem.at(np.zeros(len(roadmap.paths)), _finite(target_log))
    if origin.quantile >= target_log or not math.isfinite(origin.quantile):
        return [problem.joint(problem.solve(target_log, origin, origin), target_log)]
    found = []
    for target in np.linspace(origin.quantile, target_log, points):
        solution = problem.solve(float(target), origin, last)
        found.append(problem.joint(solution, float(target)))
        if not found[-1].reached:
            break
        last = solution.point
    return found


@dataclasses.dataclass(frozen=True)
class _Point:
    """The sample moved by `steps` (n,).

    Attributes:
        steps: the move.
        quantile: of the sample.
        smooth: mean around the quantile.
        gradient: of `smooth` (n,).
        share: of the sample that reaches the target.
    """

    steps: np.ndarray
    quantile: float
    smooth: float
    gradient: np.ndarray
    share: float


@dataclasses.dataclass(frozen=True)
class _Solution:
    point: _Point
    iterations: int


@dataclasses.dataclass(frozen=True)
class _Problem:
    """Everything but the target. `rank`: samples that may miss it; `width`: half the window of ranks."""

    measure: Measure
    roadmap: Roadmap
    year: float
    deviates: Deviates
    spread: Array
    probability: float
    rank: int
    width: float

    def at(self, steps: np.ndarray, target: float) -> _Point:
        quantile, smooth, gradient, share = _moved(
            self.measure,
            self.year,
            self.roadmap,
            self.deviates,
            self.spread,
            jnp.asarray(steps, jnp.float32),
            jnp.float32(target),
            self.rank,
            self.width,
        )
        return _Point(np.array(steps), float(quantile), float(smooth), np.asarray(gradient, np.float64), float(share))

    def reaches(self, point: _Point) -> bool:
        # Float32 of a share such as 0.9 may be below it.
        return point.share >= self.probability - 1e-6

    def solve(self, target: float, origin: _Point, start: _Point) -> _Solution:
        """The solution from `start`; `origin` is the point without steps."""
        if origin.quantile >= target:
            return _Solution(self.at(origin.steps, target), 0)
        farthest = self._farthest(origin, target)
        if not self.reaches(farthest):
            return _Solution(farthest, 0)
        solution = self._shortest(target, origin, start)
        if not self.reaches(solution.point):
            # From the side where the target is reached; and what is known to reach it if even that fails.
            nearer = self._settled(farthest, target)
            solution = self._shortest(target, origin, nearer)
            if not self.reaches(solution.point):
                return _Solution(nearer, solution.iterations)
        return solution

    def _shortest(self, target: float, origin: _Point, start: _Point) -> _Solution:
        """Sequential quadratic programming from `start`, in units that make effort and way to the target about 1."""
        scale = max(float(np.linalg.norm(_nearest(origin, target - origin.smooth))), 1e-3)
        way, seen, iterates = max(target - origin.smooth, 1e-3), [start], [start]

        def at(y: np.ndarray) -> _Point:
            if not np.array_equal(seen[-1].steps, scale * y):
                if len(seen) > _EVALUATIONS:
                    raise _EnoughError
                seen.append(self.at(scale * y, target))
            return seen[-1]

        def iterated(y: np.ndarray) -> None:
            iterates.append(at(y))
            if _residual(iterates[-1], target - iterates[-1].smooth) <= _RESIDUAL:
                raise _EnoughError

        with contextlib.suppress(_EnoughError):
            minimize(
                lambda y: (0.5 * float(y @ y), y),
                start.steps / scale,
                jac=True,
                method="SLSQP",
                bounds=[(-LIMIT / scale, LIMIT / scale)] * len(start.steps),
                constraints={
                    "type": "ineq",
                    # A sample without a finite measure is as far from the target as may be.
                    "fun": lambda y: max((at(y).smooth - target) / way, -1e3),
                    "jac": lambda y: at(y).gradient * scale / way,
                },
                callback=iterated,
                options={"maxiter": _EVALUATIONS, "ftol": 1e-6},
            )
        return _Solution(self._settled(iterates[-1], target), len(iterates) - 1)

    def _farthest(self, origin: _Point, target: float) -> _Point:
        """A point that reaches the target, or the best of all allowed: a corner if the measure is monotone."""
        corner = self.at(LIMIT * np.sign(origin.gradient), target)
        best = max(origin, corner, key=lambda one: one.quantile)
        if self.reaches(best):
            return best
        seen = [best]

        def loss(steps: np.ndarray) -> tuple[float, np.ndarray]:
            seen.append(self.at(steps, target))
            # Nothing finite: as bad as a factor of e^100.
            missing = target - seen[-1].smooth
            return missing if math.isfinite(missing) else 100.0, -seen[-1].gradient

        def enough(_: np.ndarray) -> None:
            if self.reaches(seen[-1]):
                raise StopIteration

        box = [(-LIMIT, LIMIT)] * len(best.steps)
        minimize(loss, best.steps, jac=True, method="L-BFGS-B", bounds=box, callback=enough, options={"maxiter": 20})
        return max(seen, key=lambda one: (self.reaches(one), one.quantile))

    def _settled(self, point: _Point, target: float) -> _Point:
        """Bisection along the steps: the shortest multiple of them that reaches the target, or the longest allowed."""
        largest = float(np.abs(point.steps).max())
        if largest == 0.0:
            return point
        slope = float(point.gradient @ point.steps)
        change = 2.0 * abs(point.quantile - target) / slope if slope > 0.0 else 0.1
        change = min(max(change, 1e-3), 0.1)
        most, factor = LIMIT / largest, 1.0
        good, bad = (point, None) if self.reaches(point) else (None, 1.0)
        high = 1.0
        while good is None or bad is None:
            factor = min(factor + change, most) if good is None else max(factor - change, 0.0)
            trial = self.at(factor * point.steps, target)
            if self.reaches(trial):
                good, high = trial, factor
            elif factor >= most:
                return trial
            else:
                bad = factor
            change *= 2.0
        while good.share > self.probability + _EXCESS and high - bad > 1e-6 * high:
            factor = 0.5 * (bad + high)
            trial = self.at(factor * point.steps, target)
            if self.reaches(trial):
                good, high = trial, factor
            else:
                bad = factor
        return good

    def joint(self, solution: _Solution, target: float) -> Joint:
        point, paths = solution.point, self.roadmap.paths
        median = {one: float(value) for one, value in self.roadmap.median(self.year).items()}
        moved = self.roadmap.moved(self.year, jnp.asarray(point.steps, jnp.float32))
        order = sorted(range(len(paths)), key=lambda i: -abs(point.steps[i]))
        effort, reached = float(np.linalg.norm(point.steps)), self.reaches(point)
        return Joint(
            target_op_per_j=math.exp(target),
            asked=self.probability,
            reached=reached,
            probability=point.share,
            op_per_j=math.exp(point.quantile),
            effort=effort,
            residual=1.0 if not reached else _residual(point, target - point.quantile) if effort else 0.0,
            iterations=solution.iterations,
            steps={paths[i]: float(point.steps[i]) for i in order},
            values={paths[i]: float(moved[paths[i]]) for i in order},
            factors={paths[i]: float(moved[paths[i]]) / median[paths[i]] for i in order},
        )


def _problem(measure: Measure, roadmap: Roadmap, year: float, key: Array, count: int, probability: float) -> _Problem:
    if not 0.0 < probability < 1.0:
        raise ValueError(f"probability is {probability!r}; it should be in (0, 1)")
    if count < 1:
        raise ValueError(f"count is {count}; it should be 1 or more")
    rank = min(math.floor((1.0 - probability) * count + 1e-6), count - 1)
    # Never wider on one side than on the other, which would move the mean of the window off the quantile.
    width = float(max(1.0, min(_WINDOW * count, rank + 1, count - rank)))
    deviates, spread = roadmap.deviates(key, count), jnp.asarray(roadmap.spread(year), jnp.float32)
    return _Problem(measure, roadmap, year, deviates, spread, probability, rank, width)


def _finite(target_log: float) -> float:
    if not math.isfinite(target_log):
        raise ValueError(f"target_log is {target_log}; it should be finite")
    return target_log


class _EnoughError(Exception):
    """Ends a search from within: the point is good enough, or it took too long."""


def _residual(point: _Point, missing: float) -> float:
    """Distance to the nearest point of the linearised problem, over that of the point from the origin."""
    length = float(np.linalg.norm(point.steps))
    return float(np.linalg.norm(_nearest(point, missing) - point.steps)) / length if length else math.inf


def _nearest(point: _Point, missing: float) -> np.ndarray:
    """Shortest steps, none beyond `LIMIT`, where the measure linearised at `point` is higher than there by `missing`.

    s = clip(a g, -LIMIT, LIMIT), where a grows as parameters come to their limit. With all of them there the corner is
    returned: as far as the linearised measure goes.
    """
    gradient = point.gradient
    wanted = float(gradient @ point.steps) + missing
    if wanted <= 0.0:
        return np.zeros_like(gradient)
    limited = np.zeros(len(gradient), bool)
    while True:
        free = float(np.sum(gradient[~limited] ** 2))
        missing = wanted - LIMIT * float(np.sum(np.abs(gradient[limited])))
        if free <= 0.0:
            return LIMIT * np.sign(gradient)
        factor = missing / free
        beyond = ~limited & (np.abs(factor * gradient) > LIMIT)
        if not beyond.any():
            return np.where(limited, LIMIT * np.sign(gradient), factor * gradient)
        limited |= beyond


@functools.partial(jax.jit, static_argnums=(0, 1))
def _moved(
    measure: Measure,
    year: float,
    roadmap: Roadmap,
    deviates: Deviates,
    spread: Array,
    steps: Array,
    target: Array,
    rank: Array,
    width: Array,
) -> tuple[Array, Array, Array, Array]:
    """Quantile of the moved sample, mean around it, gradient of that by `steps` (n,), share that reaches the target.

    The quantile is the measure of the sample with `rank` others below it. The mean is weighted by
    1 - (distance in rank/width)^2. A measure that is not finite is a miss and adds no gradient; where the quantile is
    one, the mean is that of the lowest finite ones.
    """

    def values(moved: Array) -> dict[str, Array]:
        return {one: value[0] for one, value in roadmap.trajectories(deviates, [year], moved * spread).items()}

    sample, to_steps = jax.vjp(values, steps)
    found, to_sample = jax.vjp(jax.vmap(measure), sample)
    usable = jnp.isfinite(found)
    found = jnp.where(usable, found, -jnp.inf)
    order = jnp.argsort(found)
    center = jnp.clip(jnp.sum(~usable), rank, found.size - 1)
    distance = jnp.zeros(found.shape).at[order].set(jnp.arange(found.size, dtype=found.dtype)) - center
    weights = jnp.where(usable, jnp.maximum(1.0 - (distance / width) ** 2, 0.0), 0.0)
    weights /= jnp.maximum(jnp.sum(weights), 1e-6)
    (per_sample,) = to_sample(weights)
    # 0 times an infinite slope of a sample outside of the window is no number.
    kept = jax.tree.map(lambda one: jnp.where(jnp.isfinite(one), one, 0.0), per_sample)
    (gradient,) = to_steps(kept)
    # Distances from one of them are small numbers: their mean keeps the digits of float32.
    middle = found[order[center]]
    smooth = middle + jnp.sum(weights * jnp.where(weights > 0.0, found - middle, 0.0))
    return found[order[rank]], jnp.where(jnp.isfinite(middle), smooth, -jnp.inf), gradient, jnp.mean(found >= target)
