"""Typical operands: normal vectors scaled to their largest value, for budgets and ranges without a sample.

Rotation makes real activations and weights nearly normal, so this describes a rotated engine well. Real layers have
structure: calibrate on a sample, and measure, where it matters.
"""

import functools
import math

import numpy as np
from scipy.special import ndtri


def mean_square(length: int) -> float:
    """Mean square of a normal vector of `length` values after division by its largest magnitude: 1 / (2 ln 2 length).

    The expected largest magnitude of n normal values is sqrt(2 ln 2n) to first order: Leadbetter, Lindgren, Rootzen,
    Extremes and Related Properties of Random Sequences and Processes (1983), section 1.5. Low in rms, by 13 % at
    n = 1024 and 22 % at n = 16, because the first order overestimates the peak.
    """
    return 1.0 / (2.0 * math.log(2.0 * max(length, 2)))


def mean_magnitude(length: int) -> float:
    """Mean magnitude of the same vector: sqrt(2/pi) times its rms."""
    return math.sqrt(mean_square(length) * 2.0 / math.pi)


@functools.cache
def typical(length: int) -> np.ndarray:
    """A vector (length,) with the values of such an operand in rising order: quantiles of a normal distribution.

    Its mean is 0 and its mean square that of `mean_square`. Averages over it stand for averages over operands.
    """
    quantiles = ndtri((np.arange(length) + 0.5) / length) if length > 1 else np.ones(1)
    return quantiles * math.sqrt(mean_square(length) / np.mean(np.square(quantiles)))
