"""What `exalight scaling` leaves behind: tables, figures drawn from them, samples, and `result.json`."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.runs import RESULT_FILE, plain
from experiments.scaling_model import Model
from experiments.scaling_results import PROBABILITIES, Results, year_row
from experiments.scaling_summary import print_summary
from experiments.tables import write_table
from models.hardware.least_effort import Joint
from models.hardware.requirements import Requirement

if TYPE_CHECKING:
    from experiments.scaling_request import ScalingRequest

_TERA = 1e12
# A parameter that starts so many times above or below the engine's own value is named.
_FAR = 1.5


def write_output(request: "ScalingRequest", model: Model, results: Results) -> Path:
    """Write tables, figures drawn from them, and last `result.json`, whose path is returned; print a summary."""
    folder = request.folder
    result = result_of(request, model, results)
    for name, rows in tables(model, results, result).items():
        if rows:
            write_table(folder.path, name, rows)
    if request.config.plot:
        from experiments.scaling_plot import draw

        draw(folder.path)
    path = folder.write_json(RESULT_FILE, plain(result))
    print_summary(result)
    return path


def result_of(request: "ScalingRequest", model: Model, results: Results) -> dict[str, Any]:
    """`result.json`; keys in SI units but for TOPS/W (1e12 operations per joule) and exaOPS (1e18 per second)."""
    config, need = request.config, request.need
    return {
        "experiment": request.folder.document["experiment"],
        "config": request.options,
        "seed": config.seed,
        "target": {
            "year": config.year,
            "ops_per_s": config.target_ops,
            "power_w": config.power_w,
            "tops_per_w": model.target_ops_per_j / _TERA,
            "energy_per_op_j": 1.0 / model.target_ops_per_j,
            "energy_per_mac_j": 2.0 / model.target_ops_per_j,
            **_verdict(model, results),
        },
        "accuracy": dataclasses.asdict(need),
        "held": dict(request.held),
        "engine_differs": _other_than_engine(request),
        "years": [year_row(one, config.power_w) for one in results.years],
        "sensitivity": results.sensitivity,
        "variance_nats2": results.influence.variance_nats2,
        "requirements": {
            "single": [_requirement(one, request) for one in results.requirements],
            "joint": [_joint(probability, results.joint[probability]) for probability in PROBABILITIES],
        },
        "path": [_path_point(one) for one in results.path],
        "walls": results.walls,
        "attention": results.attention,
        "bound": {
            **dataclasses.asdict(results.bound),
            "tops_per_w": results.bound.ops_per_j / _TERA,
            "forbids_target": results.bound.forbids(model.target_ops_per_j),
        },
        "what_if": results.what_if,
        "comparison": results.comparison,
    }


def tables(model: Model, results: Results, result: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Rows of the tables by name, those that figures are drawn from among them; empty ones are not written."""
    target = result["target"]
    years = [
        {
            **{key: value for key, value in row.items() if key != "breakdown_w_p50"},
            "target_tops_per_w": target["tops_per_w"],
            "target_year": target["year"],
        }
        for row in result["years"]
    ]
    chosen = next(one for one in results.years if one.year == model.year)
    # A way of no effort is none.
    way = result["path"] if any(one["reached"] and one["effort"] > 0 for one in result["path"]) else []
    return {
        "years": years,
        "breakdown": [
            {"year": row["year"], "part": part, "power_w": power_w}
            for row in result["years"]
            for part, power_w in row["breakdown_w_p50"].items()
        ],
        "conventional": results.conventional,
        "machines": results.machines,
        "sensitivity": results.sensitivity,
        "utilisation": results.utilisation,
        "requirements": result["requirements"]["single"],
        "path": [
            {
                "point": index,
                "target_tops_per_w": one["target_tops_per_w"],
                "effort": one["effort"],
                "path": path,
                **moved,
            }
            for index, one in enumerate(way)
            if one["reached"]
            for path, moved in one["parameters"].items()
        ],
        "what_if": results.what_if,
        "reload": result["walls"]["reload"],
        "samples": [
            {"tops_per_w": delivered / _TERA, "peak_tops_per_w": peak / _TERA}
            for delivered, peak in zip(chosen.samples, chosen.peak_samples, strict=True)
        ],
    }


def _verdict(model: Model, results: Results) -> dict[str, Any]:
    """Whether the target can be met: by physics, by all samples, by none."""
    reached = next(one for one in results.years if one.year == model.year).probability
    return {"probability": reached, "forbidden_by_physics": results.bound.forbids(model.target_ops_per_j)}


def _other_than_engine(request: "ScalingRequest") -> list[dict[str, Any]]:
    """Parameters whose start in the roadmap is far from what the engine's own file says; the roadmap's is used."""
    rows = []
    for path, parameter in request.roadmap_file.parameters.items():
        own = request.engine_file.values.get(path)
        if isinstance(own, float) and own > 0.0 and not 1.0 / _FAR < parameter.value / own < _FAR:
            rows.append({"path": path, "engine": own, "roadmap": parameter.value, "unit": parameter.row.unit})
    return rows


def _requirement(one: Requirement, request: "ScalingRequest") -> dict[str, Any]:
    return {
        "path": one.path,
        "unit": request.roadmap_file.parameters[one.path].row.unit,
        "median": one.median,
        "value": one.value,
        "factor": one.factor,
        "steps": one.steps,
        "probability": one.probability,
        "at_bound": one.at_bound,
        "best_value": one.best_value,
        "best_tops_per_w": None if one.best_op_per_j is None else one.best_op_per_j / _TERA,
    }


def _joint(probability: float, one: Joint) -> dict[str, Any]:
    return {"probability": probability, **_path_point(one)}


def _path_point(one: Joint) -> dict[str, Any]:
    return {
        "reached": one.reached,
        "target_tops_per_w": one.target_op_per_j / _TERA,
        "effort": one.effort,
        "achieved_probability": one.probability,
        "iterations": one.iterations,
        "parameters": {
            path: {"steps": steps, "value": one.values[path], "factor": one.factors[path]}
            for path, steps in one.steps.items()
        },
    }
