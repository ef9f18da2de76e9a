"""Fair ratios on a shared machine: two functions in turn in one process, the median of the pairwise ratios."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import jax
import numpy as np


@dataclasses.dataclass(frozen=True)
class Times:
    """Times of two functions, pair by pair, shape (pairs,) each [s].

    Attributes:
        plain_s, optical_s: on the clock.
        plain_cpu_s, optical_cpu_s: of all threads of this process on its processors.
    """

    plain_s: np.ndarray
    optical_s: np.ndarray
    plain_cpu_s: np.ndarray
    optical_cpu_s: np.ndarray

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """From stored arrays of these names; others are passed over."""
        return cls(**{field.name: arrays[field.name] for field in dataclasses.fields(cls)})

    def ratio(self) -> tuple[float, float, float]:
        """Lower quartile, median and upper quartile of the pairwise ratios on the clock."""
        low, median, high = np.quantile(self.optical_s / self.plain_s, (0.25, 0.5, 0.75))
        return float(low), float(median), float(high)


def interleave(plain: Callable[[], Any], optical: Callable[[], Any], pairs: int) -> Times:
    """Run `plain` and `optical` in turn, `pairs` times after two warm-ups each; who is first changes from pair to pair.

    Whatever slows the machine for longer than one pair slows both, and their ratio stays.
    """
    for function in (plain, optical, plain, optical):
        jax.block_until_ready(function())
    measured: list[tuple[float, float, float, float]] = []
    for index in range(pairs):
        if index % 2:
            (optical_s, optical_cpu_s), (plain_s, plain_cpu_s) = _seconds(optical), _seconds(plain)
        else:
            (plain_s, plain_cpu_s), (optical_s, optical_cpu_s) = _seconds(plain), _seconds(optical)
        measured.append((plain_s, optical_s, plain_cpu_s, optical_cpu_s))
    return Times(*np.array(measured).T)


def _seconds(function: Callable[[], Any]) -> tuple[float, float]:
    start, cpu_start = time.perf_counter(), time.process_time()
    jax.block_until_ready(function())
    return time.perf_counter() - start, time.process_time() - cpu_start
