"""The result of an accuracy run in words and numbers, for somebody who has never seen it."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from experiments.accuracy_results import KL_TARGETS_NATS
from experiments.accuracy_settings import LIGHT
from experiments.words import engineering, output_console, plain_table

_PARTS_SHOWN = 6
_COMPARISONS_SHOWN = 3


def print_summary(result: Mapping[str, Any]) -> None:
    """Print baseline, one row per point, the least light for good answers, the plateau, and where the energy goes."""
    console = output_console()
    config, baseline = result["config"], result["baseline"]
    console.print()
    console.print(f"{config['model']} through {config['engine']}", style="bold")
    perplexity, loss_nats = _perplexity(baseline["perplexity"]), baseline["loss_nats"]
    console.print(f"digital baseline: perplexity {perplexity} ({loss_nats:.3f} nats) on {baseline['tokens']} tokens")
    console.print(_points_table(result))
    for sentence in (*_light(result), *_rotation(result), *_plateau(result), *_energy(result), *_machines(result)):
        console.print(sentence)


def _points_table(result: Mapping[str, Any]) -> Table:
    headings = ("laser", "rotated", "perplexity", "KL", "top-1", "SNR", "photons", "energy", "power", "ops per")
    units = ("per source", "", "", "nats", "agrees", "dB", "per MAC", "per token", "at wall", "joule")
    table = plain_table(*headings, right=headings)
    table.add_row(*units, style="dim", end_section=True)
    for point in result["points"]:
        mark = " *" if point["beyond_power_max"] else "  "
        table.add_row(
            engineering(point["laser_power_w"], "W") + mark,
            "yes" if point["rotate"] else "no",
            _perplexity(point["perplexity"]),
            f"{point['kl_nats']:.4f}",
            f"{100 * point['top1_agreement']:.1f} %",
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


def _light(result: Mapping[str, Any]) -> list[str]:
    sentences = []
    for rotate in dict.fromkeys(row["rotate"] for row in result["iso_accuracy"]):
        reached = []
        for row in result["iso_accuracy"]:
            if row["rotate"] == rotate:
                reached.append(f"{row['kl_nats']:g} nats: {_least(row)}")
        words = "with rotation" if rotate else "without rotation"
        sentences.append(
            f"Least light per source and energy per token {words}, for a KL of " + "; ".join(reached) + "."
        )
    return sentences


def _least(row: Mapping[str, Any]) -> str:
    if row["laser_power_w"] is None:
        return "not reached"
    power, energy = engineering(row["laser_power_w"], "W"), engineering(row["energy_per_token_j"], "J")
    return f"{'at most ' * row['below_sweep']}{power}{' *' * row['beyond_power_max']}, {energy}"


def _rotation(result: Mapping[str, Any]) -> list[str]:
    if len({point["rotate"] for point in result["points"]}) < 2:
        return []
    rows = result["rotation_saving"][:_COMPARISONS_SHOWN]
    if not rows:
        return ["What rotation saves cannot be told: the sweep has no divergence that both settings reach."]
    parts = [
        f"{row['laser_power_ratio']:.1f} times the light and {row['energy_ratio']:.2f} times the energy at "
        f"{row['kl_nats']:g} nats" + (" (bounded by the sweep)" if row["bounded_by_sweep"] else "")
        for row in rows
    ]
    return [f"Without rotation it takes {'; '.join(parts)}."]


def _plateau(result: Mapping[str, Any]) -> list[str]:
    sentences = []
    for row in result["plateau"]:
        causes = sorted(row["causes"].items(), key=lambda item: -item[1])
        shares = ", ".join(f"{cause} {kl_nats:.4f}" for cause, kl_nats in causes)
        words = "with" if row["rotate"] else "without"
        sentences.append(
            f"At {engineering(row['laser_power_w'], 'W')} {words} rotation {row['kl_nats']:.4f} nats are left, "
            f"set by {row['set_by']}{' (more light still helps)' * (row['set_by'] == LIGHT)}: {shares}."
        )
    return sentences


def _energy(result: Mapping[str, Any]) -> list[str]:
    """Where the energy goes at the first point that is good enough, else at the strongest that the source can give."""
    rotate = result["points"][0]["rotate"]
    points = [point for point in result["points"] if point["rotate"] == rotate]
    possible = [point for point in points if not point["beyond_power_max"]] or points
    good = [point for point in possible if point["kl_nats"] <= KL_TARGETS_NATS[1]]
    point = min(good, key=lambda p: p["laser_power_w"]) if good else max(possible, key=lambda p: p["laser_power_w"])
    total_j = point["energy_per_token_j"]
    parts = sorted(point["energy_breakdown_j"].items(), key=lambda item: -item[1])
    shown = ", ".join(
        f"{part.replace('_', ' ')} {100 * energy_j / total_j:.0f} %" for part, energy_j in parts[:_PARTS_SHOWN]
    )
    return [
        f"Energy at {engineering(point['laser_power_w'], 'W')}: {engineering(total_j, 'J')} per token: {shown}; "
        f"{engineering(point['energy_per_token_reloaded_j'], 'J')} with one engine that reloads its panel."
    ]


def _machines(result: Mapping[str, Any]) -> list[str]:
    chips = [f"{m['name']} {engineering(m['energy_per_token_j'], 'J')}" for m in result["digital_machines"]]
    if not chips:
        return []
    return [
        f"The same operations at the rated power and peak rate of digital chips (no memory, host or supply): "
        f"{', '.join(chips)} per token."
    ]
