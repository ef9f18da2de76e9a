"""All that `exalight scaling` finds out, as plain numbers: years, sensitivity, requirements, walls, comparison."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.progress import Progress
from experiments.scaling_comparison import comparison, conventional_rows, machine_rows
from experiments.scaling_model import Model, work_of
from experiments.scaling_what_if import what_if
from models.hardware import least_effort
from models.hardware.least_effort import Joint
from models.hardware.light_bound import Bound, light_bound
from models.hardware.projection import QUANTILES, YearProjection, project, sampled_figures
from models.hardware.requirements import Requirement, alone
from models.hardware.roadmap_file import FIRST_YEAR, LAST_YEAR, RoadmapFile
from models.hardware.sensitivity import VarianceShares, elasticities, shares
from models.hardware.walls import utilisation_grid, walls
from models.hardware.workloads import DENSE, attention_share

if TYPE_CHECKING:
    from experiments.scaling_config import ScalingConfig
    from experiments.scaling_request import ScalingRequest

YEARS = tuple(range(FIRST_YEAR, LAST_YEAR + 1))
PROBABILITIES = (0.5, 0.9)
STEPS = 7
_TERA, _EXA = 1e12, 1e18
_NAMES = tuple(f"p{round(100 * quantile):02d}" for quantile in QUANTILES)
_RELOAD = "panel.reload_time_s"
_RELOADS_S = np.logspace(-8, -1, 57)
_BATCHES = (1, 4, 16, 64, 256)
_RANGE = ("low", "median", "high", "unit", "tops_per_w_at_low", "tops_per_w_at_median", "tops_per_w_at_high")
# Streams of the seed, one for each use of random draws.
_PROJECTION, _SHARES = 0, 1


@dataclasses.dataclass(frozen=True)
class Results:
    """What was found out, ready to be written; rows as they stand in tables and `result.json`."""

    years: list[YearProjection]
    influence: VarianceShares
    sensitivity: list[dict[str, Any]]
    requirements: list[Requirement]
    joint: dict[float, Joint]
    path: list[Joint]
    walls: dict[str, Any]
    utilisation: list[dict[str, Any]]
    bound: Bound
    what_if: list[dict[str, Any]]
    conventional: list[dict[str, Any]]
    machines: list[dict[str, Any]]
    comparison: dict[str, Any]
    attention: dict[str, float]


def compute(request: "ScalingRequest", model: Model, progress: Progress) -> Results:
    """Compute everything; one step of `progress` for each of the `STEPS` parts."""
    config, system, roadmap = request.config, model.system, model.roadmap
    seed = jax.random.key(config.seed)
    years = projected(config, model, YEARS)
    progress.step(f"{config.samples} trajectories over {len(YEARS)} years")
    measure, target = system.log_ops_per_j, float(np.log(model.target_ops_per_j))
    influence = shares(measure, roadmap, model.year, jax.random.fold_in(seed, _SHARES))
    sensitivity = sensitivity_rows(request.roadmap_file, model, elasticities(measure, model.values), influence)
    progress.step("sensitivities")
    single = alone(measure, roadmap, model.year, target)
    progress.step("what each parameter would have to be")
    # The same draws as the projection, so that both speak of the same samples.
    asked = (measure, roadmap, model.year, jax.random.fold_in(seed, _PROJECTION), config.samples, target)
    joint = {probability: least_effort.together(*asked, probability) for probability in PROBABILITIES}
    progress.step("the joint change of least effort")
    found = least_effort.path(*asked) if joint[PROBABILITIES[0]].reached else []
    progress.step("the way there")
    blocked = walls(system, model.values, config.target_ops, model.request.tokens, model.request.batch)
    grid = utilisation(model)
    progress.step("walls")
    conventional = conventional_rows(YEARS)
    changes = what_if(request, model)
    progress.step("comparison, and what would change the answer")
    peaks = {int(one.year): _median(one.product_ops_per_j) / _TERA for one in years}
    return Results(
        years=years,
        influence=influence,
        sensitivity=sensitivity,
        requirements=single,
        joint=joint,
        path=found,
        walls=blocked,
        utilisation=grid,
        bound=light_bound(system, _digital_floor_j(request.roadmap_file)),
        what_if=changes,
        conventional=conventional,
        machines=machine_rows(),
        comparison=comparison(conventional, peaks),
        attention=attention(model),
    )


def projected(config: "ScalingConfig", model: Model, years: Sequence[int]) -> list[YearProjection]:
    """The years over the samples that the seed stands for: the same ones whatever else is asked."""
    key = jax.random.fold_in(jax.random.key(config.seed), _PROJECTION)
    return project(model.system, model.roadmap, key, years, config.samples, model.target_ops_per_j)


def year_row(one: YearProjection, power_w: float) -> dict[str, Any]:
    """One entry of `years`, as `result.json` has it; the breakdown sums to the power of the machine."""
    delivered, peak, product, facility = (
        dict(zip(_NAMES, values, strict=True))
        for values in (one.ops_per_j, one.peak_ops_per_j, one.product_ops_per_j, one.facility_ops_per_j)
    )
    return {
        "year": int(one.year),
        **{f"delivered_exaops_{name}": value * power_w / _EXA for name, value in delivered.items()},
        **{f"peak_exaops_{name}": value * power_w / _EXA for name, value in peak.items()},
        **{f"tops_per_w_{name}": value / _TERA for name, value in delivered.items()},
        **{f"peak_tops_per_w_{name}": value / _TERA for name, value in peak.items()},
        **{f"product_tops_per_w_{name}": value / _TERA for name, value in product.items()},
        **{f"facility_tops_per_w_{name}": value / _TERA for name, value in facility.items()},
        "energy_per_op_j_p50": 1.0 / delivered["p50"],
        "engines_p50": power_w / _median(one.engine_power_w),
        "busy_share_p50": _median(one.busy_share),
        "symbol_rate_hz_p50": _median(one.symbol_rate_hz),
        "laser_power_w_p50": _median(one.laser_power_w),
        "rate_limited_share": one.rate_limited_share,
        "overheated_share": one.overheated_share,
        "breakdown_w_p50": {part: share * power_w for part, share in one.power_share.items()},
        "probability_of_target": one.probability,
        "probability_error": one.probability_error,
    }


def sensitivity_rows(
    file: RoadmapFile, model: Model, slopes: Mapping[str, float], influence: VarianceShares
) -> list[dict[str, Any]]:
    """Parameters and shared causes by their share of the variance; ends of the tornado one parameter at a time."""
    ends = {
        path: tuple(model.roadmap.quantile(path, model.year, probability) for probability in (0.05, 0.95))
        for path in model.roadmap.paths
    }
    at_ends = _one_at_a_time(model, ends)
    at_median = float(model.system.figures(model.values).ops_per_j) / _TERA
    rows = []
    for cause in influence.causes:
        row: dict[str, Any] = {
            "name": cause.name,
            "kind": cause.kind,
            "elasticity": None,
            "share_first": cause.first,
            "share_total": cause.total,
            "share_first_error": cause.first_error,
            "share_total_error": cause.total_error,
        }
        there: dict[str, Any] = dict.fromkeys(_RANGE)
        if cause.kind == "parameter":
            low, high = ends[cause.name]
            row["elasticity"] = slopes[cause.name]
            there = {"low": low, "median": float(model.values[cause.name]), "high": high}
            there["unit"] = file.parameters[cause.name].row.unit
            there["tops_per_w_at_low"], there["tops_per_w_at_high"] = at_ends[cause.name]
            there["tops_per_w_at_median"] = at_median
        rows.append({**row, **there})
    return rows


def utilisation(model: Model) -> list[dict[str, Any]]:
    """Busy share and TOPS/W over reload time and batch, the rest at the median; empty where nothing is reloaded."""
    if model.request.model == DENSE:
        return []
    batches = sorted({*_BATCHES, model.request.batch})
    works = {batch: work_of(model.request, model.system.engine, batch) for batch in batches}
    reload_s = float(model.system.lit_engine(model.values).reload_time_s)
    times_s = sorted({*(float(one) for one in _RELOADS_S), reload_s})
    rows = utilisation_grid(model.system, model.values, times_s, works)
    return [{**row, "tokens": model.request.tokens, "median_reload_time_s": reload_s} for row in rows]


def attention(model: Model) -> dict[str, float]:
    """Products that stay digital: their share of the operations, and their energy for each delivered operation [J]."""
    figures = model.system.figures(model.values)
    supplied = float(model.system.lit_engine(model.values).system.power_supply_efficiency)
    return {
        "share_of_ops": attention_share(model.system.work),
        "energy_per_op_j": float(figures.energy_per_op_j["digital_products"]) / supplied,
        "whole_energy_per_op_j": 1.0 / float(figures.ops_per_j),
        "target_energy_per_op_j": 1.0 / model.target_ops_per_j,
    }


def _one_at_a_time(model: Model, ends: Mapping[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
    """Delivered TOPS/W with one parameter at each of its ends and the rest at the median, in one compiled call."""
    paths = list(ends)
    rows = [(one, value) for one in paths for value in ends[one]]
    middle = {path: np.full(len(rows), float(model.values[path]), np.float32) for path in model.roadmap.paths}
    for index, (moved, value) in enumerate(rows):
        middle[moved][index] = value
    figures = sampled_figures(model.system)({path: jnp.asarray(one) for path, one in middle.items()})
    found = np.asarray(figures.ops_per_j, np.float64).reshape(len(paths), -1) / _TERA
    return {path: tuple(float(one) for one in row) for path, row in zip(paths, found, strict=True)}


def _digital_floor_j(file: RoadmapFile) -> float:
    parameter = file.parameters.get("digital.mac_energy_j")
    return parameter.least if parameter is not None else 0.0


def _median(values: Sequence[float]) -> float:
    return values[QUANTILES.index(0.5)]
