"""Technology over the years, as samples: trajectories of every parameter of a roadmap in one compiled call."""

import functools
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.optimize import root_scalar
from scipy.special import ndtr, ndtri

from models.hardware.roadmap_file import FIRST_YEAR, LAST_YEAR, Parameter, RoadmapFile, read_roadmap_file
from photonics.draws import check_key, standard_normal
from photonics.schema import nearest
from photonics.stage import stage, static

# The normal deviate of the quantile of 95 %.
_Z95 = float(ndtri(0.95))
_LN2 = math.log(2.0)


class Deviates(NamedTuple):
    """Standard normal deviates of a sample of trajectories; the last axes are (position and pace, count).

    Attributes:
        own: of each parameter alone (n, 2, count).
        shared: of each factor (factors, 2, count).
    """

    own: Array
    shared: Array


@stage
class Roadmap:
    """Distributions of n parameters over the years, correlated through shared factors.

    A parameter x with floor f and ceiling c (c may be infinite) is a straight line in time on an unbounded scale:

        u(x) = ln (x - f) / (1 - (x - f)/(c - f))        the logarithm above f; the logit between f and c
        u_t  = u(typical) + s(z) z + r(z') (t - t0),     r(z') = r e^(s'(z') z'),   r = +-ln 2 / time
        z    = sum_k L_k F_k + sqrt(1 - sum_k L_k^2) e

    z and z' are standard normal: one pair for each parameter and sample, the same in all years, so a sample is a
    trajectory. s is one slope below the median and another above it, so that the quantiles of 5, 50 and 95 % in the
    year t0 are exactly those of the file (two half normals joined at the median: asymmetric, and continuous in value
    but not in density). Doubling and halving times have the same law on their logarithm. F_k are the factors that
    parameters share; z and z' have factors of their own (where a technology stands says nothing of its pace), with the
    same loadings, and a higher z' is always a higher value later. The correlation of z of two parameters is the
    product of their loadings, summed over factors: positive semidefinite whatever they are.

    Close to a floor or a ceiling a trend slows down: each halving time halves what is left above the floor.

    Left out: trends that change their sign or their pace on the way, steps (a new technology that replaces an old
    one), correlation of pace and position.

    Attributes:
        name: name of the roadmap.
        paths: parameters, in the order of all arrays.
        factors: names of the factors.
        year: t0, year of the three quantiles (n,).
        typical: quantile of 50 % in that year (n,); moving it moves the other quantiles with it on the scale u.
        below, above: slope s where z is negative and where it is not (n,).
        rate_per_year: r, the typical trend on the scale u, 0 for none (n,) [1/year].
        rate_below, rate_above: slope s' where z' is negative and where it is not (n,).
        floor, ceiling: f and c (n,).
        loadings: L (n, factors).
        own: what the factors leave to the parameter itself, sqrt(1 - sum L^2) (n,).
    """

    name: str = static()
    paths: tuple[str, ...] = static()
    factors: tuple[str, ...] = static()
    year: Array
    typical: Array
    below: Array
    above: Array
    rate_per_year: Array
    rate_below: Array
    rate_above: Array
    floor: Array
    ceiling: Array
    loadings: Array
    own: Array

    def sample(self, key: Array, years: Sequence[float] | np.ndarray, count: int) -> dict[str, Array]:
        """Values (years, count) by path, float32, from one compiled call; `key` is a single typed PRNG key.

        A draw belongs to the key, the name of its parameter or factor, and its column: it is the same whatever else
        the roadmap holds, and more samples continue fewer. Differentiable with respect to every array of the roadmap.
        Raises ValueError for a year that roadmaps do not speak of.
        """
        return self.trajectories(self.deviates(key, count), years)

    def deviates(self, key: Array, count: int) -> "Deviates":
        """The standard normal deviates behind `sample`: independent of each other, and of year and distribution."""
        check_key(key, ())
        return Deviates(_draws(key, self.paths, count), _draws(key, _factor_places(self.factors), count))

    def trajectories(
        self, deviates: "Deviates", years: Sequence[float] | np.ndarray, shift: Array | None = None
    ) -> dict[str, Array]:
        """Values (years, count) by path of given deviates: `sample` from `deviates` with its key.

        `shift` (n,), if given, moves each parameter by so much on the scale u in all years, bounds kept. Differentiable
        with respect to it and to the deviates. Raises ValueError for a year that roadmaps do not speak of.
        """
        moved = jnp.zeros(len(self.paths)) if shift is None else shift
        return _trajectories(self, deviates, jnp.asarray(_checked(years), jnp.float32), moved)

    def median(self, year: float) -> dict[str, Array]:
        """Quantile of 50 % by path, float32: the point at which sensitivities and requirements are asked.

        Differentiable with respect to `typical`. The typical start moved along the typical trend is not quite there:
        where laws are skewed the two differ, by up to 22 % in the default roadmap.
        """
        return self.moved(year, jnp.zeros(len(self.paths)))

    def moved(self, year: float, steps: Array) -> dict[str, Array]:
        """`median` with each parameter moved by `steps` (n,) of its `spread` on the scale u: bounds hold.

        Differentiable with respect to `steps` and `typical`; everything else must be concrete.
        """
        middle = np.array([self.shift_at(i, year, 0.5) for i in range(len(self.paths))])
        shift = jnp.asarray(middle, jnp.float32) + steps * jnp.asarray(self.spread(year), jnp.float32)
        return dict(zip(self.paths, self.values_at(shift), strict=True))

    def spread(self, year: float) -> np.ndarray:
        """Half the distance of the quantiles of 5 and 95 % over 1.645, on the scale u (n,): a standard deviation."""
        ends = [(self.shift_at(i, year, 0.05), self.shift_at(i, year, 0.95)) for i in range(len(self.paths))]
        return np.array([(high - low) / (2.0 * _Z95) for low, high in ends])

    def quantile(self, path: str, year: float, probability: float) -> float:
        """Value that `path` stays below with this probability in this year.

        Exact where position or trend is certain and in the base year; elsewhere the distribution function is the
        integral over the trend's deviate (400 Gauss-Legendre points on each half, right to 1e-4 of the spread or
        better), and is inverted. Concrete numbers only, float64. Raises ValueError for an unknown path, another year,
        or a probability outside of (0, 1).
        """
        if path not in self.paths:
            raise ValueError(f"roadmap {self.name} has no {path!r}; the nearest is {nearest(path, self.paths)!r}")
        if not 0.0 < probability < 1.0:
            raise ValueError(f"probability is {probability!r}; it should be in (0, 1)")
        i = self.paths.index(path)
        typical, floor, ceiling = (float(one[i]) for one in (self.typical, self.floor, self.ceiling))
        gain = _gain(self.shift_at(i, year, probability), (typical - floor) / (ceiling - floor), math.exp)
        return float(np.clip(floor + (typical - floor) * gain, floor, ceiling))

    def values_at(self, shift: Array) -> Array:
        """Values (n, ...) at a distance `shift` (n, ...) from the typical one on the scale u; exactly that at 0."""
        typical, floor, ceiling = (
            jnp.asarray(one).reshape(-1, *(1,) * (shift.ndim - 1)) for one in (self.typical, self.floor, self.ceiling)
        )
        gain = _gain(shift, (typical - floor) / (ceiling - floor), jnp.exp)
        # Not floor + (typical - floor) gain, which rounds at gain 1; what rounding still adds is cut off.
        return jnp.clip(typical * gain + floor * (1.0 - gain), floor, ceiling)

    def shift_at(self, i: int, year: float, probability: float) -> float:
        """Quantile of u_t - u(typical) of the parameter with this index."""
        (checked,) = _checked([year])
        years, rate = float(checked) - float(self.year[i]), float(self.rate_per_year[i])
        base = (float(self.below[i]), float(self.above[i]))
        pace = (float(self.rate_below[i]), float(self.rate_above[i]))
        z = float(ndtri(probability))
        if not any(base):
            z = z if years >= 0.0 else -z
            return rate * years * math.exp(_two_piece(z, pace))
        if not any(pace) or rate * years == 0.0:
            return _two_piece(z, base) + rate * years
        nodes, weights = _half_normal_rule()
        drift = rate * years * np.exp(np.where(nodes < 0.0, *pace) * nodes)

        def excess(shift: float) -> float:
            distance = shift - drift
            slope = np.where(distance < 0.0, *(max(one, 1e-12) for one in base))
            return float(weights @ ndtr(distance / slope)) - probability

        reach = 9.0 * max(base)
        return float(root_scalar(excess, bracket=(drift.min() - reach, drift.max() + reach), xtol=1e-12).root)


def load_roadmap(name_or_path: str | Path = "default") -> Roadmap:
    """A roadmap by name or file; errors as in `read_roadmap_file`."""
    return build_roadmap(read_roadmap_file(name_or_path))


def build_roadmap(file: RoadmapFile) -> Roadmap:
    """The roadmap of a checked file, float32."""
    parameters, factors = tuple(file.parameters.values()), tuple(file.factors)
    loadings = np.array([[one.loadings.get(factor, 0.0) for factor in factors] for one in parameters])
    loadings = loadings.reshape(len(parameters), len(factors))
    slopes = np.array([_slopes(one) for one in parameters])
    paces = np.array([_pace(one) for one in parameters])
    columns = {
        "year": [one.year for one in parameters],
        "typical": [one.value for one in parameters],
        "below": slopes[:, 0],
        "above": slopes[:, 1],
        "rate_per_year": paces[:, 0],
        "rate_below": paces[:, 1],
        "rate_above": paces[:, 2],
        "floor": [one.least for one in parameters],
        "ceiling": [one.most for one in parameters],
        "loadings": loadings,
        "own": np.sqrt(np.maximum(1.0 - (loadings**2).sum(axis=1), 0.0)),
    }
    arrays = {field: jnp.asarray(np.asarray(column, np.float32)) for field, column in columns.items()}
    return Roadmap(name=file.name, paths=tuple(file.parameters), factors=factors, **arrays)


@jax.jit
def _trajectories(roadmap: Roadmap, deviates: Deviates, years: Array, shift: Array) -> dict[str, Array]:
    mixed = roadmap.own[:, None, None] * deviates.own
    # One by one: XLA on CPUs (jaxlib 0.10.2) sums a broadcast product over a middle axis wrongly if it is large.
    for k in range(len(roadmap.factors)):
        mixed += roadmap.loadings[:, k, None, None] * deviates.shared[k]
    z, pace = mixed[:, 0], mixed[:, 1]
    position = _slope(z, roadmap.below, roadmap.above) * z + shift[:, None]
    rate_per_year = roadmap.rate_per_year[:, None] * jnp.exp(
        _slope(pace, roadmap.rate_below, roadmap.rate_above) * pace
    )
    since = years[None, :] - roadmap.year[:, None]
    values = roadmap.values_at(position[:, None, :] + rate_per_year[:, None, :] * since[:, :, None])
    return dict(zip(roadmap.paths, values, strict=True))


@functools.partial(jax.jit, static_argnames=("names", "count"))
def _draws(key: Array, names: tuple[str, ...], count: int) -> Array:
    """Deviates (names, 2, count): position and pace of whatever has these names, each from a stream of its own."""
    if not names:
        return jnp.zeros((0, 2, count))
    places = jnp.asarray(np.array([zlib.crc32(name.encode()) for name in names], np.uint32))
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, places)
    return standard_normal(keys, (len(names), 2, count))


def _factor_places(factors: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"factor.{name}" for name in factors)


def _slope(z: Array, below: Array, above: Array) -> Array:
    return jnp.where(z < 0.0, below[:, None], above[:, None])


def _gain(shift: Any, share: Any, exp: Callable[[Any], Any]) -> Any:
    """Factor on x - f for a step `shift` of u, where x - f is this share of c - f (0 without a ceiling)."""
    return 1.0 / (share + (1.0 - share) * exp(-shift))


def _two_piece(z: float, slopes: tuple[float, float]) -> float:
    return z * (slopes[0] if z < 0.0 else slopes[1])


def _slopes(parameter: Parameter) -> tuple[float, float]:
    """Slopes below and above the median on the scale u, from the three quantiles."""

    def u(value: float) -> float:
        excess = value - parameter.least
        room = 1.0 if math.isinf(parameter.most) else (parameter.most - value) / (parameter.most - parameter.least)
        return math.log(excess) - math.log(room)

    return (u(parameter.value) - u(parameter.low)) / _Z95, (u(parameter.high) - u(parameter.value)) / _Z95


def _pace(parameter: Parameter) -> tuple[float, float, float]:
    """Typical rate [1/year] and the slopes of the logarithm of its size below and above the median of z'.

    A low halving time is a lower value later, so it belongs to negative z'; a low doubling time to positive ones.
    """
    trend = parameter.trend
    if trend is None:
        return 0.0, 0.0, 0.0
    low, high = (math.log(trend.value / trend.low) / _Z95, math.log(trend.high / trend.value) / _Z95)
    return (_LN2 / trend.value, high, low) if trend.grows else (-_LN2 / trend.value, -low, -high)


@functools.cache
def _half_normal_rule() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the mean over a standard normal deviate, each half on its own."""
    points, weights = np.polynomial.legendre.leggauss(400)
    nodes, halved = 4.0 * (points + 1.0), 4.0 * weights * np.exp(-0.5 * (4.0 * (points + 1.0)) ** 2)
    both = np.concatenate([halved, halved])
    return np.concatenate([-nodes, nodes]), both / both.sum()


def _checked(years: Sequence[float] | np.ndarray) -> np.ndarray:
    checked = np.asarray(years, np.float64)
    if checked.ndim != 1 or not np.all((checked >= FIRST_YEAR) & (checked <= LAST_YEAR)):
        raise ValueError(f"years are {years!r}; they should be a list of years from {FIRST_YEAR} to {LAST_YEAR}")
    return checked
