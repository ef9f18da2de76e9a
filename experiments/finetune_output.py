"""What a fine-tuning run leaves behind: tables, `result.json`, figures, and the words on standard output."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.finetune_recovery import recovery, saving
from experiments.finetune_request import EXPERIMENT, FinetuneRequest
from experiments.runs import RESULT_FILE
from experiments.sweep_progress import duration
from experiments.tables import write_table
from experiments.words import engineering, output_console, plain_table

if TYPE_CHECKING:
    from rich.console import Console

    from experiments.finetune_data import FinetuneData
    from experiments.finetune_training import Course
    from experiments.progress import Progress
    from photonics.engine import Engine
    from photonics.work import Work


def write_output(
    request: FinetuneRequest,
    engine: "Engine",
    work: "Work",
    tokens: int,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    course: "Course",
    data: "FinetuneData",
    layers: Sequence[Mapping[str, Any]],
    progress: "Progress",
) -> Path:
    """Write tables, figures and last `result.json`, whose path is returned; print the summary."""
    config = request.config
    result = {
        "experiment": EXPERIMENT,
        "config": request.options,
        "seed": config.seed,
        "model": {**request.folder.document["model"], "parameters": request.checkpoint.config.parameters},
        "data": data.facts(config.context),
        "before": before,
        "after": after,
        "recovery": _recovery(before, after),
        "energy_saving": _saving(engine, work, tokens, before, after, config.digital),
        "curve": course.curve,
        "layers": layers,
        "seconds": course.seconds,
        "tokens": course.done * config.tokens_per_step,
    }
    folder = request.folder.path
    write_table(folder, "points", [row for arm in ("before", "after") for row in _rows(arm, result[arm]["optical"])])
    if course.curve:
        write_table(folder, "curve", course.curve)
    if layers:
        write_table(folder, "layers", layers)
    if config.plot:
        progress.note("drawing")
        from experiments.finetune_plot import draw

        draw(folder)
    path = request.folder.write_json(RESULT_FILE, result)
    print_summary(output_console(), result, folder)
    return path


def _rows(arm: str, powers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"arm": arm, **{key: value for key, value in row.items() if key != "runs"}} for row in powers]


def _recovery(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """At the laser power of the training: share of the divergence that is gone, and of the gap in loss."""
    first, last = before["optical"][0], after["optical"][0]
    of_kl = recovery(*([run["kl_nats"] for run in one["runs"]] for one in (first, last)))
    digital = before["digital"]["loss_nats"]
    gap = first["loss_nats"] - digital
    return {
        "kl": of_kl["recovery"],
        "kl_standard_error": of_kl["standard_error"],
        "loss": 1.0 - (last["loss_nats"] - digital) / gap if gap > 0.0 else None,
        "digital_loss_change_nats": after["digital"]["loss_nats"] - digital,
    }


def _saving(
    engine: "Engine",
    work: "Work",
    tokens: int,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    digital: Sequence[str],
) -> dict[str, Any]:
    """Laser power and energy per token before over after, at the divergence that the untuned model has."""
    first = before["optical"][0]
    power_w = first["laser_power_w"]
    found = saving(power_w, first["kl_nats"], {row["laser_power_w"]: row["kl_nats"] for row in after["optical"]})

    def energy_j(power_w: float) -> float:
        return float(engine.at(laser_power_w=power_w).cost(work, digital=list(digital)).total_energy_j) / tokens

    told = dataclasses.asdict(found) | {"kl_nats": first["kl_nats"], "energy_per_token_before_j": energy_j(power_w)}
    if found.laser_power_w is None:
        return told | {"energy_per_token_after_j": None, "energy_factor": None}
    after_j = energy_j(found.laser_power_w)
    return told | {"energy_per_token_after_j": after_j, "energy_factor": told["energy_per_token_before_j"] / after_j}


def print_summary(console: "Console", result: Mapping[str, Any], folder: Path) -> None:
    """Print the table of powers and one sentence for each question that a reader has."""
    table = plain_table(
        *("laser power", "KL before (nats)", "KL after (nats)", "loss before", "loss after", "top 1 before", "after"),
        right=(
            "laser power",
            "KL before (nats)",
            "KL after (nats)",
            "loss before",
            "loss after",
            "top 1 before",
            "after",
        ),
    )
    for one, other in zip(result["before"]["optical"], result["after"]["optical"], strict=True):
        table.add_row(
            engineering(one["laser_power_w"], "W"),
            *(_with_spread(row, "kl_nats") for row in (one, other)),
            *(f"{row['loss_nats']:.3f}" for row in (one, other)),
            *(f"{100 * row['top1_agreement']:.1f} %" for row in (one, other)),
        )
    digital = [result[arm]["digital"] for arm in ("before", "after")]
    table.add_row(
        "digital",
        *(f"{row['kl_nats']:.4f}" for row in digital),
        *(f"{row['loss_nats']:.3f}" for row in digital),
        *(f"{100 * row['top1_agreement']:.1f} %" for row in digital),
    )
    console.print(table)
    console.print()
    for sentence in (*_recovered(result["recovery"]), _saved(result["energy_saving"]), _spent(result)):
        console.print(sentence)
    console.print(f"Tuned model: {folder / 'model'} (try: exalight accuracy --model {folder / 'model'})")


def _with_spread(row: Mapping[str, Any], key: str) -> str:
    spread = row[f"{key}_spread"]
    return f"{row[key]:.3f}" if spread is None else f"{row[key]:.3f} +- {spread:.3f}"


def _recovered(told: Mapping[str, Any]) -> list[str]:
    if told["kl"] is None:
        return ["Light lost nothing before, so there is nothing to recover."]
    error = "" if told["kl_standard_error"] is None else f" +- {100 * told['kl_standard_error']:.1f}"
    return [
        f"Recovered {100 * told['kl']:.1f}{error} % of the divergence from the original digital model; without "
        f"light the loss of the tuned weights differs by {told['digital_loss_change_nats']:+.3f} nats."
    ]


def _saved(told: Mapping[str, Any]) -> str:
    if told["factor"] is None:
        return "The tuned model is no better at this laser power, so no light is saved."
    bound = "at least " if told["at_least"] else ""
    return (
        f"The same divergence now takes {engineering(told['laser_power_w'], 'W')} per source: {bound}"
        f"{told['factor']:.2f} times less light, {bound}{told['energy_factor']:.2f} times less energy per token."
    )


def _spent(result: Mapping[str, Any]) -> str:
    return f"{len(result['curve'])} steps, {result['tokens']} tokens, {duration(result['seconds'])} of training."
