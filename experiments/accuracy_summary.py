"""The result of an accuracy run in words and numbers, for somebody who has never seen it."""

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table

from experiments.accuracy_settings import LIGHT
from experiments.measures import MEASURES, Measure, token_name
from experiments.words import engineering, output_console, plain_table

_PARTS_SHOWN = 6
_COMPARISONS_SHOWN = 3


def print_summary(result: Mapping[str, Any]) -> None:
    """Print baseline, one row per point, the least light for good answers, the plateau, and where the energy goes."""
    console = output_console()
    config = result["config"]
    measure = MEASURES[config["task"]]
    console.print()
    console.print(f"{config['model']} through {config['engine']}", style="bold")
    console.print(f"digital baseline: {_baseline(result['baseline'])}")
    console.print(_points_table(result))
    for sentence in (
        *_light(result, measure),
        *_rotation(result, measure),
        *_plateau(result, measure),
        *_energy(result, measure),
        *_machines(result),
    ):
        console.print(sentence)


def _baseline(baseline: Mapping[str, Any]) -> str:
    if "perplexity" in baseline:
        perplexity, loss_nats = _perplexity(baseline["perplexity"]), baseline["loss_nats"]
        return f"perplexity {perplexity} ({loss_nats:.3f} nats) on {baseline['tokens']} tokens"
    if "accuracy" in baseline:
        accuracy, loss_nats = 100 * baseline["accuracy"], baseline["loss_nats"]
        return f"accuracy {accuracy:.1f} % ({loss_nats:.3f} nats) on {baseline['samples']} samples"
    return f"embeddings of {baseline['samples']} samples"


# What a point says about accuracy, by task: heading, unit, value.
_ANSWERS: dict[str, tuple[tuple[str, str, Callable[[Mapping[str, Any]], str]], ...]] = {
    "perplexity": (
        ("perplexity", "", lambda point: _perplexity(point["perplexity"])),
        ("KL", "nats", lambda point: f"{point['kl_nats']:.4f}"),
        ("top-1", "agrees", lambda point: f"{100 * point['top1_agreement']:.1f} %"),
    ),
    "classify": (
        ("accuracy", "", lambda point: f"{100 * point['accuracy']:.1f} %"),
        ("KL", "nats", lambda point: f"{point['kl_nats']:.4f}"),
        ("top-1", "agrees", lambda point: f"{100 * point['top1_agreement']:.1f} %"),
    ),
    "embed": (
        ("cosine", "mean", lambda point: f"{point['cosine_mean']:.5f}"),
        ("cosine", "worst 5 %", lambda point: f"{point['cosine_p5']:.5f}"),
        ("error", "of length", lambda point: f"{100 * point['relative_error']:.2f} %"),
    ),
}


def _points_table(result: Mapping[str, Any]) -> Table:
    answers = _ANSWERS[result["config"]["task"]]
    headings = ("laser", "rotated", *(a[0] for a in answers), "SNR", "photons", "energy", "power", "ops per")
    units = (
        "per source",
        "",
        *(a[1] for a in answers),
        "dB",
        "per MAC",
        f"per {token_name(result)}",
        "at wall",
        "joule",
    )
    table = plain_table(*headings, right=headings)
    table.add_row(*units, style="dim", end_section=True)
    for point in result["points"]:
        mark = " *" if point["beyond_power_max"] else "  "
        table.add_row(
            engineering(point["laser_power_w"], "W") + mark,
            "yes" if point["rotate"] else "no",
            *(value(point) for _, _, value in answers),
            "-" if point["snr_db"] is None else f"{point['snr_db']:.1f}",
            f"{point['photons_per_mac']:.3g}",
            engineering(point["energy_per_token_j"], "J"),
            engineering(point["power_w"], "W"),
            f"{point['tops_per_w']:.3g}T",
        )
    if any(point["beyond_power_max"] for point in result["points"]):
        table.caption = f"* more than one source can give ({engineering(result['source_power_max_w'], 'W')})"
        table.caption_justify = "left"
    return table


def _perplexity(value: float | None) -> str:
    if value is None:
        return "overflow"
    return f"{value:.2f}" if value < 1e4 else f"{value:.1e}"


def _light(result: Mapping[str, Any], measure: Measure) -> list[str]:
    sentences = []
    for rotate in dict.fromkeys(row["rotate"] for row in result["iso_accuracy"]):
        reached = []
        for row in result["iso_accuracy"]:
            if row["rotate"] == rotate:
                reached.append(f"{measure.words(row[measure.key])}: {_least(row)}")
        words = "with rotation" if rotate else "without rotation"
        sentences.append(
            f"Least light per source and energy per {token_name(result)} {words}, "
            f"for a {measure.name} of {'; '.join(reached)}."
        )
    return sentences


def _least(row: Mapping[str, Any]) -> str:
    if row["laser_power_w"] is None:
        return "not reached"
    power, energy = engineering(row["laser_power_w"], "W"), engineering(row["energy_per_token_j"], "J")
    return f"{'at most ' * row['below_sweep']}{power}{' *' * row['beyond_power_max']}, {energy}"


def _rotation(result: Mapping[str, Any], measure: Measure) -> list[str]:
    if len({point["rotate"] for point in result["points"]}) < 2:
        return []
    rows = result["rotation_saving"][:_COMPARISONS_SHOWN]
    if not rows:
        return [f"What rotation saves cannot be told: the sweep has no {measure.name} that both settings reach."]
    parts = [
        f"{row['laser_power_ratio']:.1f} times the light and {row['energy_ratio']:.2f} times the energy at "
        f"{measure.words(row[measure.key])}" + (" (bounded by the sweep)" if row["bounded_by_sweep"] else "")
        for row in rows
    ]
    return [f"Without rotation it takes {'; '.join(parts)}."]


def _plateau(result: Mapping[str, Any], measure: Measure) -> list[str]:
    sentences = []
    for row in result["plateau"]:
        causes = sorted(row["causes"].items(), key=lambda item: -item[1])
        shares = ", ".join(f"{cause} {share:.2g}" for cause, share in causes)
        words = "with" if row["rotate"] else "without"
        sentences.append(
            f"At {engineering(row['laser_power_w'], 'W')} {words} rotation a {measure.name} of "
            f"{measure.words(float(f'{row[measure.key]:.2g}'))} is left, "
            f"set by {row['set_by']}{' (more light still helps)' * (row['set_by'] == LIGHT)}: {shares}."
        )
    return sentences


def _energy(result: Mapping[str, Any], measure: Measure) -> list[str]:
    """Where the energy goes at the first point that is good enough, else at the strongest that the source can give."""
    rotate = result["points"][0]["rotate"]
    points = [point for point in result["points"] if point["rotate"] == rotate]
    possible = [point for point in points if not point["beyond_power_max"]] or points
    good = [point for point in possible if point[measure.key] <= measure.targets[1]]
    point = min(good, key=lambda p: p["laser_power_w"]) if good else max(possible, key=lambda p: p["laser_power_w"])
    total_j = point["energy_per_token_j"]
    parts = sorted(point["energy_breakdown_j"].items(), key=lambda item: -item[1])
    shown = ", ".join(
        f"{part.replace('_', ' ')} {100 * energy_j / total_j:.0f} %" for part, energy_j in parts[:_PARTS_SHOWN]
    )
    each = f"{engineering(total_j, 'J')} per {token_name(result)}"
    if "energy_per_sample_j" in point:
        each += f", {engineering(point['energy_per_sample_j'], 'J')} per sample"
    return [
        f"Energy at {engineering(point['laser_power_w'], 'W')}: {each}: {shown}; "
        f"{engineering(point['energy_per_token_reloaded_j'], 'J')} with one engine that reloads its panel."
    ]


def _machines(result: Mapping[str, Any]) -> list[str]:
    chips = [f"{m['name']} {engineering(m['energy_per_token_j'], 'J')}" for m in result["digital_machines"]]
    if not chips:
        return []
    return [
        f"The same operations at the rated power and peak rate of digital chips (no memory, host or supply): "
        f"{', '.join(chips)} per {token_name(result)}."
    ]
