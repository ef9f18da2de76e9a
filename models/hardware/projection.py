"""A workload on machines of coming years: quantiles over the trajectories of a roadmap."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax import Array

from models.hardware.optical_system import Figures, OpticalSystem
from models.hardware.roadmap import Roadmap

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# The parts of the power are averaged over this share of the samples, those nearest in rank to the median.
_MIDDLE = 0.1


@dataclasses.dataclass(frozen=True)
class YearProjection:
    """One year over all samples. Quantiles are in the order of `QUANTILES`, each figure sorted by itself.

    Attributes:
        year: the year.
        ops_per_j: delivered operations per joule at the wall.
        peak_ops_per_j: the same of engines that never wait, a symbol counted as a whole product.
        product_ops_per_j: of engines that never wait, with all passes of a product: what compares with other machines.
        facility_ops_per_j: delivered, over all that the building draws.
        engine_power_w: power per engine during the workload [W].
        busy_share: share of time in which vectors are shown.
        symbol_rate_hz: symbols per second [Hz].
        laser_power_w: optical power of one source [W].
        power_share: share of the machine's power by part, mean over the tenth of the samples around the median.
        rate_limited_share: share of samples whose sources are too weak for the rate that was sampled.
        probability: share of samples that reach the target.
        probability_error: its standard error (Wilson, J. Am. Stat. Assoc. 22, 209 (1927)).
        overheated_share: share of samples whose panels take up more light than the engine says that they bear; nothing
            is slowed by it.
        samples: operations per joule of every sample, in their order.
        peak_samples: peak operations per joule alike.
    """

    year: float
    ops_per_j: tuple[float, ...]
    peak_ops_per_j: tuple[float, ...]
    product_ops_per_j: tuple[float, ...]
    facility_ops_per_j: tuple[float, ...]
    engine_power_w: tuple[float, ...]
    busy_share: tuple[float, ...]
    symbol_rate_hz: tuple[float, ...]
    laser_power_w: tuple[float, ...]
    power_share: Mapping[str, float]
    rate_limited_share: float
    probability: float
    probability_error: float
    overheated_share: float
    samples: np.ndarray
    peak_samples: np.ndarray


def project(
    system: OpticalSystem,
    roadmap: Roadmap,
    key: Array,
    years: Sequence[float],
    count: int,
    target_ops_per_j: float,
) -> list[YearProjection]:
    """Quantiles for each year over `count` trajectories, the same ones in all years.

    Compiled once, all samples of a year in one call. Raises ValueError if any figure is not finite.
    """
    deviates, figures = roadmap.deviates(key, count), sampled_figures(system)
    heat_max_w = float(system.engine.panel.absorbed_power_max_w)
    rows = []
    for year in years:
        values = {path: one[0] for path, one in roadmap.trajectories(deviates, [year]).items()}
        found = jax.tree.map(np.asarray, figures(values))
        rows.append(_year(year, found, target_ops_per_j, system.engine.passes, heat_max_w))
    return rows


def sampled_figures(system: OpticalSystem) -> Callable[[Mapping[str, Array]], Figures]:
    """`OpticalSystem.figures` of many samples at once: arrays (count,) by path to figures of arrays (count,)."""
    return jax.jit(jax.vmap(system.figures))


def _year(
    year: float, figures: Figures, target_ops_per_j: float, passes: int, absorbed_power_max_w: float
) -> YearProjection:
    ops = np.asarray(figures.ops_per_j, np.float64)
    wrong = ~np.all([np.isfinite(one) for one in jax.tree.leaves(figures)], axis=0) | (ops <= 0.0)
    if wrong.any():
        raise ValueError(f"{int(wrong.sum())} of {ops.size} samples of {year:g} have figures that are no numbers")
    half = max(round(_MIDDLE * ops.size), 1) / 2
    middle = np.argsort(ops)[math.ceil(ops.size / 2 - half) : math.ceil(ops.size / 2 + half)]
    # Energy of an operation by part times operations per joule is the share of the power.
    shares = {part: float(np.mean((one * ops)[middle])) for part, one in figures.energy_per_op_j.items()}
    whole = sum(shares.values())
    reached = float(np.mean(ops >= target_ops_per_j))
    return YearProjection(
        year=year,
        ops_per_j=_quantiles(ops),
        peak_ops_per_j=_quantiles(figures.peak_ops_per_j),
        product_ops_per_j=_quantiles(np.asarray(figures.peak_ops_per_j, np.float64) / passes),
        facility_ops_per_j=_quantiles(ops / figures.power_usage_effectiveness),
        engine_power_w=_quantiles(figures.engine_power_w),
        busy_share=_quantiles(figures.busy_share),
        symbol_rate_hz=_quantiles(figures.symbol_rate_hz),
        laser_power_w=_quantiles(figures.laser_power_w),
        power_share={part: one / whole for part, one in shares.items()},
        rate_limited_share=float(np.mean(figures.rate_limited, dtype=np.float64)),
        probability=reached,
        probability_error=_wilson_error(reached, ops.size),
        overheated_share=float(np.mean(figures.absorbed_power_w > absorbed_power_max_w)),
        samples=ops,
        peak_samples=np.asarray(figures.peak_ops_per_j, np.float64),
    )


def _wilson_error(share: float, count: int) -> float:
    """Half the width of Wilson's interval of one standard error: above 0 even where none or all of them count."""
    return (share * (1.0 - share) / count + 1.0 / (4.0 * count**2)) ** 0.5 / (1.0 + 1.0 / count)


def _quantiles(samples: Any) -> tuple[float, ...]:
    return tuple(float(one) for one in np.quantile(np.asarray(samples, np.float64), QUANTILES))
