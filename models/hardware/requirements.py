"""What a single parameter would have to be so that the rest of the roadmap, as it is, reaches a target."""

import dataclasses
import functools
import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.optimize import root_scalar
from scipy.special import ndtr

from models.hardware.roadmap import Roadmap
from models.hardware.sensitivity import Measure

# How far a parameter is moved to each side of its median: its distance from the floor (from 0 without one), and from
# the ceiling if there is one, shrinks or grows to a millionth or a million times.
DECADES = 6
# Points on each side, and how often the interval that holds the crossing is divided by as many again: intervals of
# 0.027, 5e-5 and 1e-7 on the scale u, where a percent of the distance from the floor is 0.01.
_POINTS, _ZOOMS = 512, 2
# A value this near to its bound is the bound to a reader; a gain of `ln` this small is none.
_AT_BOUND, _NO_GAIN = 1e-3, 1e-4
# Normal deviate beyond which a probability (1e-9) is called 0.
_TAIL = 6.0


@dataclasses.dataclass(frozen=True)
class Requirement:
    """What one parameter alone has to be, all others at their medians.

    Attributes:
        path: the parameter.
        median: its own median in that year.
        value: nearest value to the median, on the scale u, that reaches the target; None if none does. The median
            itself where that reaches it.
        factor: value over median.
        steps: distance of value and median in units of `Roadmap.spread`; None where the roadmap has no spread.
        probability: that the roadmap's own distribution lies as far from its median as `value`, or farther on the
            same side; 0.5 at the median, 0 below 1e-9 and where no value is enough.
        at_bound: the bound that `value` cannot be told from (0.1 %), or None.
        best_op_per_j: most that any value gives [op/J]; None where the target is reached.
        best_value: value nearest to the median that gives it, to 0.01 %.
    """

    path: str
    median: float
    value: float | None
    factor: float | None
    steps: float | None
    probability: float
    at_bound: Literal["floor", "ceiling"] | None
    best_op_per_j: float | None
    best_value: float | None


def alone(measure: Measure, roadmap: Roadmap, year: float, target_log: float) -> list[Requirement]:
    """For each parameter, in the order of the roadmap, the value with which `measure` is `target_log` at the median.

    A parameter is moved along its unbounded scale u (see `Roadmap`), up to `DECADES` decades either way, so bounds are
    approached and never passed. The measure may fall again (a symbol rate can be too high): all parameters are scanned
    at 512 points per side in one compiled call, and the crossing nearest to the median is divided twice more in 512
    points, until the interval is below the resolution of float32. The measure at `value` is the target to rounding, or
    more where the measure jumps. A peak narrower than 0.027 on the scale u can be missed. Points where the measure is
    not finite do not count as reaching anything.

    Compiles once for a measure (the function object) and the size of the roadmap, whatever target and year.
    """
    n = len(roadmap.paths)
    middle = np.array([roadmap.shift_at(i, year, 0.5) for i in range(n)], np.float32)
    reach = DECADES * math.log(10.0)
    sides = np.array([-1.0, 1.0])[None, :, None]
    low, high = np.zeros((n, 2, 1)), np.full((n, 2, 1), reach)
    points, found = _between(low, high), _measured(measure, roadmap, middle, sides * _between(low, high))
    scanned_points, scanned = points, found
    for _ in range(_ZOOMS):
        low, high = _crossing(low, points, found, target_log)
        points = _between(low, high)
        found = _measured(measure, roadmap, middle, sides * points)
    _, high = _crossing(low, points, found, target_log)
    # By side: the first point that reaches the target, or infinity where the first scan has none.
    distances = np.where(np.any(scanned >= target_log, axis=2), high[:, :, 0], np.inf)
    side = np.argmin(distances, axis=1)
    nearest = np.take_along_axis(distances, side[:, None], axis=1)[:, 0]
    start = _measured(measure, roadmap, middle, np.zeros_like(points))[:, 0, :1]
    nearest = np.where(start[:, 0] >= target_log, 0.0, nearest)
    moves = np.where(np.isfinite(nearest), np.where(side == 0, -nearest, nearest), np.nan)
    best, best_moves = _best(start, scanned, sides * scanned_points)
    return _requirements(roadmap, year, middle, moves, best, best_moves)


@functools.partial(jax.jit, static_argnums=0)
def _compiled(measure: Measure, roadmap: Roadmap, middle: Array, moves: Array) -> Array:
    """Measure (n, points) with parameter i moved by moves[i] (points,) from the median; -inf where it has none."""

    def one(i: Array, move: Array) -> Array:
        values = roadmap.values_at(middle.at[i].add(move))
        found = measure(dict(zip(roadmap.paths, values, strict=True)))
        return jnp.where(jnp.isfinite(found), found, -jnp.inf)

    return jax.vmap(jax.vmap(one, in_axes=(None, 0)))(jnp.arange(len(roadmap.paths)), moves)


def _measured(measure: Measure, roadmap: Roadmap, middle: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """The same for moves (n, 2, points)."""
    flat = jnp.asarray(moves.reshape(len(moves), -1), jnp.float32)
    return np.asarray(_compiled(measure, roadmap, jnp.asarray(middle), flat)).reshape(moves.shape)


def _between(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Points of (n, 2, 1) intervals without the lower end (n, 2, points)."""
    return low + (high - low) * np.arange(1, _POINTS + 1) / _POINTS


def _crossing(
    low: np.ndarray, points: np.ndarray, found: np.ndarray, target_log: float
) -> tuple[np.ndarray, np.ndarray]:
    """The interval (n, 2, 1) up to the first point that reaches the target; the first interval where none does."""
    first = np.argmax(found >= target_log, axis=2)[:, :, None]
    before = np.concatenate([low, points[:, :, :-1]], axis=2)
    return np.take_along_axis(before, first, axis=2), np.take_along_axis(points, first, axis=2)


def _best(start: np.ndarray, scanned: np.ndarray, moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Most that the scan found (n,), and the move nearest to the median that gives it."""
    n = len(start)
    every = np.concatenate([start, scanned.reshape(n, -1)], axis=1)
    places = np.concatenate([np.zeros((n, 1)), moves.reshape(n, -1)], axis=1)
    best = every.max(axis=1)
    far = np.where(every >= best[:, None] - _NO_GAIN, np.abs(places), np.inf)
    return best, places[np.arange(n), np.argmin(far, axis=1)]


def _requirements(
    roadmap: Roadmap, year: float, middle: np.ndarray, moves: np.ndarray, best: np.ndarray, best_moves: np.ndarray
) -> list[Requirement]:
    medians, values, best_values = (
        np.asarray(roadmap.values_at(jnp.asarray(middle + np.asarray(one, np.float32))), np.float64)
        for one in (np.zeros_like(middle), np.nan_to_num(moves), best_moves)
    )
    spread, requirements = roadmap.spread(year), []
    for i, path in enumerate(roadmap.paths):
        reached, median, value = bool(np.isfinite(moves[i])), float(medians[i]), float(values[i])
        requirements.append(
            Requirement(
                path=path,
                median=median,
                value=value if reached else None,
                factor=value / median if reached else None,
                steps=float(moves[i] / spread[i]) + 0.0 if reached and spread[i] > 0.0 else None,
                probability=_beyond(roadmap, path, year, value, float(moves[i])) if reached else 0.0,
                at_bound=_bound(value, float(roadmap.floor[i]), float(roadmap.ceiling[i])) if reached else None,
                best_op_per_j=None if reached or not np.isfinite(best[i]) else math.exp(float(best[i])),
                best_value=None if reached or not np.isfinite(best[i]) else float(best_values[i]),
            )
        )
    return requirements


def _bound(value: float, floor: float, ceiling: float) -> Literal["floor", "ceiling"] | None:
    if floor > 0.0 and value - floor <= _AT_BOUND * floor:
        return "floor"
    return "ceiling" if ceiling - value <= _AT_BOUND * ceiling < math.inf else None


def _beyond(roadmap: Roadmap, path: str, year: float, value: float, move: float) -> float:
    """Probability of a value as far from the median, by inverting the roadmap's quantiles."""
    if move == 0.0:
        return 0.5

    def excess(z: float) -> float:
        # With the same sign on either side: z > 0 is towards `value`.
        return math.copysign(1.0, move) * math.log(
            roadmap.quantile(path, year, float(ndtr(math.copysign(z, move)))) / value
        )

    if excess(_TAIL) < 0.0 or excess(0.0) >= 0.0:
        # Beyond the tail; or so near to the median that it is it.
        return 0.0 if excess(_TAIL) < 0.0 else 0.5
    return float(ndtr(-root_scalar(excess, bracket=(0.0, _TAIL), xtol=1e-5).root))
