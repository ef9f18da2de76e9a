"""How far apart two samples of noise are, in standard errors: the ruler of the tests that compare laws."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import kstest

# Chance that a right comparison fails for one draw of keys. Keys are fixed, so a test that passes keeps passing.
FALSE_ALARM = 1e-5


def largest_z(comparisons: int) -> float:
    """What the largest of so many |z| stays below but for `FALSE_ALARM`: 4.4 for one, 5.5 for a thousand."""
    return float(-ndtri(FALSE_ALARM / 2 / comparisons))


def z_of_means(a: np.ndarray, b: np.ndarray | float, rounding: float = 0.0) -> np.ndarray:
    """Difference of means over axis 0 in standard errors; `b` another sample or the mean that there should be.

    `rounding` is an error that both sides are allowed on top [same unit], for what float32 does to a sum.
    """
    a = np.asarray(a, np.float64)
    squared, other = np.var(a, axis=0, ddof=1) / len(a) + rounding**2, b
    if np.ndim(b) == a.ndim:
        b = np.asarray(b, np.float64)
        squared, other = squared + np.var(b, axis=0, ddof=1) / len(b), np.mean(b, axis=0)
    return (np.mean(a, axis=0) - other) / np.sqrt(squared)


def z_of_variances(a: np.ndarray, b: np.ndarray | float) -> np.ndarray:
    """Log ratio of variances over axis 0 in standard errors, sqrt((kurtosis - 1) / n) each; `b` as in `z_of_means`."""
    log_a, error_a = _log_variance(a)
    log_b, error_b = _log_variance(b) if np.ndim(b) == np.ndim(a) else (np.log(b), np.zeros(()))
    return (log_a - log_b) / np.sqrt(error_a + error_b)


def _log_variance(sample: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    sample = np.asarray(sample, np.float64)
    centred = sample - np.mean(sample, axis=0)
    variance = np.mean(centred**2, axis=0)
    kurtosis = np.mean(centred**4, axis=0) / variance**2
    return np.log(variance), (kurtosis - 1.0) / len(sample)


def assert_normal(sample: np.ndarray, least: float = 1e-4) -> None:
    """The sample, all of it, may come from N(0, 1) by the Kolmogorov-Smirnov test."""
    assert kstest(np.asarray(sample, np.float64).ravel(), "norm")[1] > least


def assert_uncorrelated(a: ArrayLike, b: ArrayLike) -> None:
    """Correlation of two samples of equal shape within five standard errors, 5 / sqrt(n)."""
    a, b = np.ravel(a), np.ravel(b)
    assert a.size == b.size
    assert abs(np.corrcoef(a, b)[0, 1]) < 5.0 / np.sqrt(a.size)
