"""A hundred million draws of `photonics.draws` against the law and the independence that they should have.

    python -m benchmarks.randomness [MILLIONS]

Prints one table for `docs/randomness.md`. Each key gives 1024 rows of 1024 columns; keys come from one seed by
folding in their number, as tiles, layers and calls do in the engine. A statistic in standard errors should stay
below 5, a probability between 1e-4 and 1 - 1e-4; exit status 1 if one does not. Some minutes for the default.
"""

import platform
import sys
from collections import Counter
from collections.abc import Iterator

import jax
import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import chi2, kstwobign, norm

from photonics.draws import _inverse_normal, _words, stream

ROWS = COLUMNS = 1024
CELLS = 4096
SIGMAS = (3.0, 4.0, 4.5, 5.0, 5.5)
LAGS = (1, 2, 3, 4, 8, 16, 64, 256)
_SEED = 850


@jax.jit
def chunk(number: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Words and draws (rows, columns) of key `number`."""
    seeds = jax.random.bits(stream(jax.random.key(_SEED), number), (2,), np.uint32)[None]
    words = _words(seeds, ROWS, COLUMNS)[0]
    return words, _inverse_normal(words)


class Battery:
    """Running sums of all statistics; `add` one chunk after the other, then read `lines`."""

    def __init__(self) -> None:
        self.draws = 0
        self.powers = np.zeros(5)
        self.cells = np.zeros(CELLS, np.int64)
        self.tails: Counter[float] = Counter()
        self.largest = 0.0
        self.products: dict[str, float] = {}
        self.pairs: Counter[str] = Counter()
        self.squares: dict[str, np.ndarray] = {}
        self.bits = np.zeros(32, np.int64)
        self.before: np.ndarray | None = None
        self.words_before: np.ndarray | None = None
        self._edges = ndtri(np.arange(1, CELLS) / CELLS)

    def add(self, words: np.ndarray, draws: np.ndarray) -> None:
        """Count one chunk of words uint32 and draws, (rows, columns)."""
        z = draws.astype(np.float64)
        self.draws += z.size
        self.powers += [np.sum(z**power) for power in range(5)]
        self.cells += np.bincount(np.searchsorted(self._edges, z.ravel()), minlength=CELLS)
        magnitude = np.abs(z)
        for sigma in SIGMAS:
            self.tails[sigma] += int(np.sum(magnitude > sigma))
        self.largest = max(self.largest, float(magnitude.max()))
        for name, early, late in _neighbours(z, self.before):
            self._correlate(name, early, late)
            self._correlate(f"{name}, squares", (early**2 - 1) / np.sqrt(2), (late**2 - 1) / np.sqrt(2))
        for name, early, late in _neighbours(words >> np.uint32(26), self.words_before):
            if "lag" not in name or name.endswith("lag 1"):
                cells = early.astype(np.int64) * 64 + late
                self.squares[name] = self.squares.get(name, 0) + np.bincount(cells.ravel(), minlength=4096)
        self.bits += [np.count_nonzero(words & np.uint32(1 << bit)) for bit in range(32)]
        self.before, self.words_before = z, words >> np.uint32(26)

    def _correlate(self, name: str, early: np.ndarray, late: np.ndarray) -> None:
        self.products[name] = self.products.get(name, 0.0) + float(np.vdot(early, late))
        self.pairs[name] += early.size

    def lines(self) -> Iterator[tuple[str, str, str, float | None, float | None]]:
        """(what, measured, expected, standard errors or None, probability or None) of every statistic."""
        n = self.draws
        for power, mean, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
            measured = self.powers[power] / n
            yield (
                f"mean of z^{power}",
                f"{measured:+.6f}",
                f"{mean:.0f}",
                (measured - mean) / np.sqrt(variance / n),
                None,
            )
        distance = np.abs(np.cumsum(self.cells)[:-1] / n - np.arange(1, CELLS) / CELLS).max()
        expected = f"below {kstwobign.isf(0.05) / np.sqrt(n):.1e} in 95 %"
        yield "Kolmogorov-Smirnov", f"{distance:.1e}", expected, None, float(kstwobign.sf(distance * np.sqrt(n)))
        yield _chi_square(f"{CELLS} cells of equal probability", self.cells)
        for sigma in SIGMAS:
            mean = n * 2 * ndtr(-sigma)
            z = (self.tails[sigma] - mean) / np.sqrt(mean)
            yield f"draws beyond {sigma} sigma", f"{self.tails[sigma]}", f"{mean:.1f}", z, None
        yield "largest draw", f"{self.largest:.3f}", "6.3 at most", None, None
        for name, total in self.products.items():
            z = total / np.sqrt(self.pairs[name])
            yield f"correlation {name}", f"{total / self.pairs[name]:+.1e}", "0", z, None
        for name, cells in self.squares.items():
            yield _chi_square(f"64 x 64 pairs of words {name}", cells)
        worst = np.abs(self.bits - n / 2).max() / np.sqrt(n / 4)
        probability = 1 - (1 - 2 * norm.sf(worst)) ** 32
        yield "least fair of 32 bits", f"{worst:.2f} standard errors", "below 3.1 in 95 %", None, float(probability)


def _neighbours(values: np.ndarray, before: np.ndarray | None) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for lag in LAGS:
        yield f"of columns, lag {lag}", values[:, :-lag], values[:, lag:]
        yield f"of rows, lag {lag}", values[:-lag], values[lag:]
    yield "of diagonals", values[:-1, :-1], values[1:, 1:]
    yield "of counter-diagonals", values[:-1, 1:], values[1:, :-1]
    if before is not None:
        yield "of keys that follow each other", before, values


def _chi_square(name: str, counts: np.ndarray) -> tuple[str, str, str, None, float]:
    expected = counts.sum() / counts.size
    statistic = float(np.sum((counts - expected) ** 2) / expected)
    return name, f"chi2 = {statistic:.0f}", f"{counts.size - 1}", None, float(chi2.sf(statistic, counts.size - 1))


def main() -> int:
    """Run the battery and print the table; 1 if a statistic is out of bounds."""
    millions = float(sys.argv[1]) if len(sys.argv) > 1 else 100.0
    chunks = max(2, round(millions * 1e6 / (ROWS * COLUMNS)))
    battery = Battery()
    for number in range(chunks):
        words, draws = chunk(np.uint32(number))
        battery.add(np.asarray(words), np.asarray(draws))
    versions = f"Python {platform.python_version()}, jax {jax.__version__}, numpy {np.__version__}"
    print(f"{battery.draws} draws of {chunks} keys, {versions}, {jax.default_backend()}\n")
    print("| statistic | measured | expected | standard errors | probability |\n|---|---|---|---|---|")
    out_of_bounds = 0
    for name, measured, expected, z, probability in battery.lines():
        shown = f"{'' if z is None else f'{z:+.2f}'} | {'' if probability is None else f'{probability:.3f}'}"
        print(f"| {name} | {measured} | {expected} | {shown} |")
        out_of_bounds += z is not None and abs(z) > 5
        out_of_bounds += probability is not None and not 1e-4 < probability < 1 - 1e-4
    return int(out_of_bounds > 0)


if __name__ == "__main__":
    sys.exit(main())
