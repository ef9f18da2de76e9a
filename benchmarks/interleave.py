"""Fair ratios on a shared machine: two functions in turn in one process, the median of the pairwise ratios."""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Time of one function over that of another.

    Attributes:
        median, low, high: of the ratios, pair by pair; low and high are the quartiles.
        plain_s: median time of the function that is compared with [s].
        other_s: median time of the other [s].
    """

    median: float
    low: float
    high: float
    plain_s: float
    other_s: float

    def __str__(self) -> str:
        spread = f"({self.low:.2f} to {self.high:.2f})"
        return f"{self.median:5.2f} {spread:>15}   {self.plain_s * 1e3:8.2f} ms   {self.other_s * 1e3:8.2f} ms"


def interleave(plain: Callable[[], Any], other: Callable[[], Any], pairs: int) -> Ratio:
    """Run `plain` and `other` in turn, `pairs` times after one warm-up each (which compiles)."""
    for function in (plain, other):
        jax.block_until_ready(function())
    times = [(_seconds(plain), _seconds(other)) for _ in range(pairs)]
    ratios = [other_s / plain_s for plain_s, other_s in times]
    low, median, high = statistics.quantiles(ratios, n=4)
    return Ratio(
        median, low, high, statistics.median(pair[0] for pair in times), statistics.median(pair[1] for pair in times)
    )


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start
