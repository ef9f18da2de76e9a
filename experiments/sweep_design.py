"""Which combinations of values a sweep computes: all of them, or a sample drawn at random or from a Sobol sequence."""

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.errors import RequestError
from experiments.sweep_axes import Axis, Value
from experiments.sweep_config import DesignName, check_size

if TYPE_CHECKING:
    import numpy as np

Combination = dict[str, Value]
"""A value for every axis, by path."""

# Dimensions of the direction numbers that SciPy has.
_SOBOL_AXES = 21_201


def combinations(axes: Sequence[Axis], design: DesignName, points: int | None, seed: int) -> list[Combination]:
    """The combinations of a design in order, each once.

    A grid varies its last axis fastest. Random and Sobol designs draw `points` combinations from `seed`: a range is
    sampled continuously, in its logarithm if it is a logarithmic one, and its steps do not matter; of a list every
    value is as likely. The Sobol points (Owen-scrambled, `scipy.stats.qmc`) are the first ones of a sequence whose
    length is a power of two; numbers of points that are powers of two are spread best.
    """
    if design == "grid":
        return _grid(axes)
    if all(axis.range is None and len(axis.values()) == 1 for axis in axes):
        raise RequestError(f"--design {design} has nothing to draw: every --set has one value; give a list or a range")
    count = points or 0
    shares = _sobol(len(axes), count, seed) if design == "sobol" else _random(len(axes), count, seed)
    drawn = [{axis.path: _drawn(axis, float(share)) for axis, share in zip(axes, row, strict=True)} for row in shares]
    return list({tuple(one.items()): one for one in drawn}.values())


def _grid(axes: Sequence[Axis]) -> list[Combination]:
    values, count = [], 1
    for axis in axes:
        values.append(axis.values())
        count *= len(values[-1])
        check_size(count)
    paths = [axis.path for axis in axes]
    return [dict(zip(paths, chosen, strict=True)) for chosen in itertools.product(*values)]


def _random(dimensions: int, count: int, seed: int) -> "np.ndarray":
    import numpy as np

    return np.random.default_rng(seed).random((count, dimensions))


def _sobol(dimensions: int, count: int, seed: int) -> "np.ndarray":
    if dimensions > _SOBOL_AXES:
        raise RequestError(f"--design sobol has at most {_SOBOL_AXES} axes; use --design random")
    from scipy.stats import qmc

    sequence = qmc.Sobol(dimensions, scramble=True, rng=seed)
    return sequence.random_base2((count - 1).bit_length())[:count]


def _drawn(axis: Axis, share: float) -> Value:
    """The value at a share in [0, 1) of the way through an axis."""
    whole_range = axis.range
    if whole_range is None:
        values = axis.values()
        return values[int(share * len(values))]
    if whole_range.whole and whole_range.scale == "lin":
        # Every whole number is as likely; rounding would halve the share of the ends.
        return int(whole_range.low) + int(share * (whole_range.high - whole_range.low + 1))
    return whole_range.at(share)
