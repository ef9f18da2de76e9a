"""Conventional accelerators by year, what they draw at the wall, and the trend of their peak operations per joule.

    TOPS/W at the wall = dense peak / (rated chip power * wall power factor)

The factor is the power of a whole server over the sum of the rated powers of its chips: host, network, fans and power
supplies are in it, facility cooling is not. Peaks are those that the makers state; what a model gets is less, by the
utilisation. All numbers stand in `conventional_trend.toml`, each with its source and kind.
"""

import dataclasses
import functools
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.hardware.sourced_number import Number, check_keys, number, text
from photonics.schema import nearest

FILE = Path(__file__).with_suffix(".toml")
FORMATS = {"8-bit": "ops_8bit_per_s", "4-bit": "ops_4bit_per_s"}
"""Number formats by name, and where their peak stands."""
POPULATIONS = ("leading", "all")
_LEFT_OUT = "left_out_of_fit"


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """One conventional chip as its maker rates it.

    Attributes:
        key: name in the file.
        name: maker, product and generation.
        year: year of release.
        peak_ops_per_s: dense peak by number format, those that are published.
        tdp_w: rated power of the chip or card, not at the wall.
        memory_byte_per_s: bandwidth of its main memory, None if not published.
        left_out_of_fit: why it does not count in a trend, "" if it does.
    """

    key: str
    name: str
    year: Number
    peak_ops_per_s: Mapping[str, Number]
    tdp_w: Number
    memory_byte_per_s: Number | None = None
    left_out_of_fit: str = ""

    def wall_tops_per_w(self, number_format: str, wall_power_factor: float) -> float:
        """Dense peak over rated power times the factor, in 1e12 operations per joule; KeyError without that format."""
        return self.peak_ops_per_s[number_format].value / (self.tdp_w.value * wall_power_factor) / 1e12


@dataclasses.dataclass(frozen=True)
class Server:
    """What a whole system with `count` chips of one kind draws at the wall.

    Attributes:
        key, name: name in the file, and of the product.
        machine: key of its accelerator.
        scope: what the power is: rated, measured, what is left out.
        count: accelerators in it.
        power_w: power at the wall [W].
        factor: power over the sum of the chips' rated powers.
    """

    key: str
    name: str
    machine: str
    scope: str
    count: Number
    power_w: Number
    factor: float


@dataclasses.dataclass(frozen=True)
class PublishedTrend:
    """A trend of operations per joule from the literature.

    growth(t) = 2 ** (t / doubling time)
    """

    key: str
    name: str
    what: str
    doubling_time_years: Number

    def growth(self, years: float) -> float:
        """How many times more operations per joule after so many years."""
        return 2.0 ** (years / self.doubling_time_years.value)


@dataclasses.dataclass(frozen=True)
class ConventionalMachines:
    """Everything that `conventional_trend.toml` states.

    Attributes:
        accelerators, servers, published_trends: by key, in the order of the file.
        wall_power_factor: what every chip is charged, with its range.
        cmos_limit_ops_4bit_per_j: where 4-bit operations per joule in CMOS must end.
    """

    accelerators: Mapping[str, Accelerator]
    servers: Mapping[str, Server]
    wall_power_factor: Number
    published_trends: Mapping[str, PublishedTrend]
    cmos_limit_ops_4bit_per_j: Number

    def fitted(self, number_format: str, of: str = "leading") -> tuple[Accelerator, ...]:
        """The accelerators that a trend is fitted to, by year of release.

        "all": every one with that format that is not left out. "leading": of these the best of its year, if it beats
        all years before. ValueError for another format or population.
        """
        _one_of("format", number_format, FORMATS)
        _one_of("population", of, POPULATIONS)
        having = [one for one in self.accelerators.values() if number_format in one.peak_ops_per_s]
        counted = sorted((one for one in having if not one.left_out_of_fit), key=lambda one: one.year.value)
        return tuple(counted) if of == "all" else tuple(_leading(counted, number_format))


@dataclasses.dataclass(frozen=True)
class Trend:
    """A straight line through log2 of TOPS/W at the wall against the year, by least squares, and its errors.

        log2 y = mean_log2 + slope (year - mean_year) + e,      e normal with standard deviation spread
        slope_error = spread / sqrt(Sxx)                        Sxx = sum of (year - mean_year)^2

    The spread is that of the residuals with count - 2 degrees of freedom, in doublings: 1 is a factor of 2. Errors of
    the published numbers are not modelled, and machines of one maker are not independent. Draper and Smith, Applied
    Regression Analysis, 1998, chapters 1 and 3.

    Attributes:
        number_format, of: what was fitted, see `ConventionalMachines.fitted`.
        machines: keys of the accelerators.
        mean_year, mean_log2: centre of the data; TOPS/W at the wall.
        slope, slope_error: doublings per year.
        spread: standard deviation of the residuals, in doublings.
        sum_of_squares: Sxx, in square years.
        wall_power_factor: what every chip was charged.
        kind: of everything that the line says of another year.
    """

    number_format: str
    of: str
    machines: tuple[str, ...]
    mean_year: float
    mean_log2: float
    slope: float
    slope_error: float
    spread: float
    sum_of_squares: float
    wall_power_factor: float
    kind: str = "projection"

    @property
    def count(self) -> int:
        """Accelerators fitted."""
        return len(self.machines)

    @property
    def doubling_time_years(self) -> float:
        """Years to twice the operations per joule, negative where they fall."""
        return 1.0 / self.slope

    def slope_quantile(self, quantile: float) -> float:
        """Doublings per year at a quantile of their distribution: Student's t around `slope`."""
        return float(self.slope + self._student(quantile) * self.slope_error)

    def project(self, year: ArrayLike, quantile: ArrayLike = 0.5) -> NDArray[np.float64]:
        """Peak TOPS/W at the wall of a machine released in `year`, at quantiles of the prediction.

            log2 y = mean_log2 + slope (year - mean_year) + t(quantile; count - 2) spread sqrt(1 + 1/count + d^2 / Sxx)

        with d = year - mean_year: the error of the line and the spread of a new machine about it. Both arguments
        broadcast; a scalar for scalars. The line is assumed to go on, and the wall power factor to be known: for
        another one multiply by `wall_power_factor` / other. ValueError unless 0 < quantile < 1.
        """
        away = np.asarray(year, dtype=np.float64) - self.mean_year
        error = self.spread * np.sqrt(1 + 1 / self.count + away**2 / self.sum_of_squares)
        return 2.0 ** (self.mean_log2 + self.slope * away + self._student(quantile) * error)

    def _student(self, quantile: ArrayLike) -> NDArray[np.float64]:
        from scipy.special import stdtrit  # takes as long as everything else here

        quantiles = np.asarray(quantile, dtype=np.float64)
        if not np.all((quantiles > 0) & (quantiles < 1)):
            raise ValueError(f"quantile is {quantile!r}; it should lie between 0 and 1")
        return stdtrit(self.count - 2, quantiles)


def fit_trend(number_format: str = "8-bit", of: str = "leading", machines: ConventionalMachines | None = None) -> Trend:
    """The trend of one format; ValueError for an unknown format or population, or fewer than 3 machines or 2 years.

    "leading" (the default) is what a new technology has to beat. It is a record, so its machines are selected for
    being high; "all" is the average product, and its spread is that between makers.
    """
    machines = machines or load_machines()
    chosen, factor = machines.fitted(number_format, of), machines.wall_power_factor.value
    years = np.array([one.year.value for one in chosen])
    if len(chosen) < 3 or np.ptp(years) == 0:
        raise ValueError(f"a trend of {number_format} ({of}) needs 3 machines of 2 years, not {len(chosen)}")
    logs = np.log2([one.wall_tops_per_w(number_format, factor) for one in chosen])
    away = years - years.mean()
    sum_of_squares = float(away @ away)
    slope = float(away @ logs) / sum_of_squares
    residuals = logs - logs.mean() - slope * away
    spread = float(np.sqrt(residuals @ residuals / (len(chosen) - 2)))
    return Trend(
        number_format=number_format,
        of=of,
        machines=tuple(one.key for one in chosen),
        mean_year=float(years.mean()),
        mean_log2=float(logs.mean()),
        slope=slope,
        slope_error=spread / sum_of_squares**0.5,
        spread=spread,
        sum_of_squares=sum_of_squares,
        wall_power_factor=factor,
    )


def project(
    year: ArrayLike, quantile: ArrayLike = 0.5, number_format: str = "8-bit", of: str = "leading"
) -> NDArray[np.float64]:
    """Peak TOPS/W at the wall of conventional accelerators in `year`: `Trend.project` of the trend in the file."""
    return _file_trend(number_format, of).project(year, quantile)


@functools.cache
def _file_trend(number_format: str, of: str) -> Trend:
    return fit_trend(number_format, of)


def load_machines(path: Path = FILE) -> ConventionalMachines:
    """The file read and checked; ValueError with file, key and value for everything that is not as it should be."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        check_keys("", document, ("machine", "server", "wall_power", "published_trend", "cmos_limit"))
        accelerators = {key: _accelerator(key, table) for key, table in _tables(document, "machine")}
        return ConventionalMachines(
            accelerators=accelerators,
            servers={key: _server(key, table, accelerators) for key, table in _tables(document, "server")},
            wall_power_factor=_lone_number(document, "wall_power", "factor"),
            published_trends={key: _published(key, table) for key, table in _tables(document, "published_trend")},
            cmos_limit_ops_4bit_per_j=_lone_number(document, "cmos_limit", "ops_4bit_per_j"),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _leading(by_year: list[Accelerator], number_format: str) -> Iterator[Accelerator]:
    best = 0.0
    for year in sorted({one.year.value for one in by_year}):
        rates = {one.wall_tops_per_w(number_format, 1.0): one for one in by_year if one.year.value == year}
        if max(rates) > best:
            best = max(rates)
            yield rates[best]


def _one_of(what: str, name: str, known: Mapping[str, str] | tuple[str, ...]) -> None:
    if name not in known:
        raise ValueError(f"{what} {name!r} is not known; the nearest is {nearest(name, known)!r} ({', '.join(known)})")


def _accelerator(key: str, table: Any) -> Accelerator:
    where = f"machine.{key}"
    check_keys(where, table, ("name", "year", "tdp_w"), ("memory_byte_per_s", _LEFT_OUT, *FORMATS.values()))
    peaks = {name: number(table, where, field) for name, field in FORMATS.items() if field in table}
    if not peaks:
        raise ValueError(f"{where} lacks a peak; it should have {' or '.join(FORMATS.values())}")
    memory = number(table, where, "memory_byte_per_s") if "memory_byte_per_s" in table else None
    return Accelerator(
        key=key,
        name=text(table, where, "name"),
        year=number(table, where, "year"),
        peak_ops_per_s=peaks,
        tdp_w=number(table, where, "tdp_w"),
        memory_byte_per_s=memory,
        left_out_of_fit=text(table, where, _LEFT_OUT) if _LEFT_OUT in table else "",
    )


def _server(key: str, table: Any, accelerators: Mapping[str, Accelerator]) -> Server:
    where = f"server.{key}"
    check_keys(where, table, ("name", "machine", "scope", "count", "power_w"))
    machine = text(table, where, "machine")
    if machine not in accelerators:
        raise ValueError(f"{where}.machine is {machine!r}; the nearest machine is {nearest(machine, accelerators)!r}")
    count, power_w = number(table, where, "count"), number(table, where, "power_w")
    factor = power_w.value / (count.value * accelerators[machine].tdp_w.value)
    return Server(key, text(table, where, "name"), machine, text(table, where, "scope"), count, power_w, factor)


def _published(key: str, table: Any) -> PublishedTrend:
    where = f"published_trend.{key}"
    check_keys(where, table, ("name", "what", "doubling_time_years"))
    doubling = number(table, where, "doubling_time_years")
    return PublishedTrend(key, text(table, where, "name"), text(table, where, "what"), doubling)


def _tables(document: dict[str, Any], group: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(document[group], dict):
        raise ValueError(f"{group} is {document[group]!r}; it should hold tables such as [{group}.name]")
    yield from document[group].items()


def _lone_number(document: Mapping[str, Any], group: str, key: str) -> Number:
    check_keys(group, document[group], (key,))
    return number(document[group], group, key)
