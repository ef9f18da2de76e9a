"""What an accuracy run leaves behind once all points are there: tables, figures, `result.json`, a summary."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.accuracy_request import EXPERIMENT, AccuracyRequest
from experiments.accuracy_results import (
    Evaluated,
    Judged,
    cost_summary,
    inputs_per_tile,
    iso_accuracy,
    layer_summary,
    plateau,
    rotation_saving,
)
from experiments.accuracy_settings import Setting
from experiments.digital_machines import digital_machines
from experiments.runs import RESULT_FILE
from experiments.tables import write_table

if TYPE_CHECKING:
    from experiments.evaluation import Task
    from experiments.measures import Measure
    from experiments.progress import Progress
    from photonics.work import Work


def write_output(
    request: AccuracyRequest, task: "Task", work: "Work", evaluated: Sequence[Evaluated], progress: "Progress"
) -> Path:
    """Write tables, figures drawn from them, and last `result.json`, whose path is returned; print a summary."""
    from experiments.accuracy_plot import draw
    from experiments.accuracy_summary import print_summary

    result = summarise(request, task, work, evaluated)
    write_tables(request.folder.path, result, evaluated, task)
    progress.note("drawing")
    draw(request.folder.path)
    path = request.folder.write_json(RESULT_FILE, result)
    print_summary(result)
    return path


def summarise(request: AccuracyRequest, task: "Task", work: "Work", evaluated: Sequence[Evaluated]) -> dict[str, Any]:
    """The content of `result.json`: SI units, energies per token of what was read (of an image: per patch)."""
    config, measure, document = request.config, task.measure, request.folder.document
    power_max_w = float(evaluated[0].engine.power_max_w)
    points = [
        _point(request, task, work, at_rotation.engine, point)
        for at_rotation in evaluated
        for point in at_rotation.points
    ]
    macs_per_token = work.macs / task.tokens
    return {
        "experiment": EXPERIMENT,
        "config": request.options,
        "seed": config.seed,
        **{name: dict(document[name]) for name in ("text", "data") if name in document},
        "model": {**document["model"], "parameters": request.checkpoint.config.parameters},
        "macs_per_token": macs_per_token,
        "inputs_per_tile": inputs_per_tile(work, evaluated[0].engine.inputs, config.digital),
        **_per_sample(task, {"macs_per_sample": work.macs}),
        "baseline": evaluated[0].points[0][1].baseline(),
        "points": points,
        "iso_accuracy": iso_accuracy(points, power_max_w, measure),
        "rotation_saving": rotation_saving(points, measure),
        "converter_floor": [
            {"rotate": at_rotation.rotate, **at_rotation.explanations[-1][1].summary()} for at_rotation in evaluated
        ],
        "plateau": [_plateau(at_rotation, measure) for at_rotation in evaluated],
        "source_power_max_w": power_max_w,
        "digital_machines": _machines(macs_per_token),
    }


def _point(
    request: AccuracyRequest,
    task: "Task",
    work: "Work",
    engine: Any,
    point: tuple[Setting, Judged, Mapping[str, np.ndarray]],
) -> dict[str, Any]:
    config, (setting, evaluation, layers) = request.config, point
    at_power = setting.apply(engine)
    products = {"digital": config.digital, "dynamic": config.dynamic}
    cost = at_power.cost(work, panels=config.panels, **products)
    reloaded = at_power.cost(work, panels=1, **products)
    assert setting.laser_power_w is not None, "points of the sweep have a power"
    return {
        "laser_power_w": setting.laser_power_w,
        "rotate": engine.rotates,
        "seed": config.seed,
        **evaluation.summary(),
        **cost_summary(cost, task.tokens),
        "energy_per_token_reloaded_j": float(reloaded.total_energy_j) / task.tokens,
        **_per_sample(task, {"energy_per_sample_j": float(cost.total_energy_j)}),
        **layer_summary(layers),
        "beyond_power_max": setting.laser_power_w > float(engine.power_max_w),
    }


def _per_sample(task: "Task", totals: Mapping[str, float]) -> dict[str, float]:
    """Totals over the samples of a task, per sample; nothing where there are only tokens."""
    return {} if task.samples is None else {name: total / task.samples for name, total in totals.items()}


def _plateau(at_rotation: Evaluated, measure: "Measure") -> dict[str, Any]:
    setting, evaluation, _ = at_rotation.points[-1]
    steps = [(s.removed or "", e.summary()[measure.key]) for s, e in at_rotation.explanations]
    level = evaluation.summary()[measure.key]
    explained = plateau(level, steps, measure)
    return {"rotate": at_rotation.rotate, "laser_power_w": setting.laser_power_w, **explained}


def _machines(macs_per_token: float) -> list[dict[str, Any]]:
    return [
        {
            "name": machine.name,
            "energy_per_op_j": machine.energy_per_op_j,
            "energy_per_token_j": machine.energy_j(macs_per_token),
            "scope": "rated chip power over peak rate, not at the wall",
            "kind": machine.kind,
            "source": machine.source,
        }
        for machine in digital_machines()
    ]


def write_tables(folder: Path, result: Mapping[str, Any], evaluated: Sequence[Evaluated], task: "Task") -> None:
    """Tables `points`, `energy`, `iso_accuracy`, `rotation`, `plateau`, `machines`, `layers` and that of the task."""
    points = result["points"]
    write_table(folder, "points", [{k: v for k, v in p.items() if k != "energy_breakdown_j"} for p in points])
    energy = [
        {**_key(point), "beyond_power_max": point["beyond_power_max"], "part": part, "energy_per_token_j": energy_j}
        for point in points
        for part, energy_j in point["energy_breakdown_j"].items()
    ]
    write_table(folder, "energy", energy)
    write_table(folder, "iso_accuracy", result["iso_accuracy"])
    write_table(folder, "rotation", result["rotation_saving"])
    causes = [
        {**_key(row), "cause": cause, task.measure.key: share}
        for row in result["plateau"]
        for cause, share in row["causes"].items()
    ]
    write_table(folder, "plateau", causes)
    write_table(folder, "machines", result["digital_machines"])
    by_power = [(e.rotate, s.laser_power_w, ev, layers) for e in evaluated for s, ev, layers in e.points]
    parts = [
        {"rotate": rotate, "laser_power_w": power_w, **row}
        for rotate, power_w, evaluation, _ in by_power
        for row in evaluation.by_part()
    ]
    write_table(folder, task.table, parts)
    layers_table = [
        {"rotate": rotate, "laser_power_w": power_w, **{name: layers[name][i] for name in layers}}
        for rotate, power_w, _, layers in by_power
        for i in range(len(layers["layer"]))
    ]
    write_table(folder, "layers", layers_table)


def _key(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"rotate": row["rotate"], "laser_power_w": row["laser_power_w"]}
