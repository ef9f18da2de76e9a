"""The result of `exalight scaling` in words and numbers, for somebody who doubts it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.padding import Padding
from rich.table import Table

from experiments.words import engineering, output_console, plain_table

_PARTS_SHOWN = 6
_CAUSES_SHOWN = 5
_MOVES_SHOWN = 6
_LEAST_MOVE = 0.005
_LEAST_SHARE = 0.005
_UNREACHED_95 = 3.0  # no success in n trials: at most 3 / n with 95 % confidence (the rule of three)


def print_summary(result: Mapping[str, Any]) -> None:
    """Print the verdict, the years, where the power goes, what decides, what would have to change, and the walls."""
    console = output_console()
    config, row = result["config"], of_year(result)
    console.print()
    console.print(f"{config['workload']} on {config['engine']}, {config['year']}", style="bold")
    for sentence in (*_accuracy(result), *_verdict(result, row)):
        console.print(sentence)
    console.print()
    console.print(_years(result))
    console.print()
    for sentence in (*_power(row), *_attention(result), *_deciding(result), *_alone(result)):
        console.print(sentence)
    for joint in result["requirements"]["joint"]:
        for line in _together(joint):
            console.print(line)
    for sentence in (*_walls(result), *_bound(result), *_comparison(result, row)):
        console.print(sentence)
    console.print("\nOne decision at a time, every parameter at its median:")
    console.print(Padding(_what_if(result["what_if"]), (0, 0, 0, 2)))


def of_year(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry of `years` that the target speaks of."""
    return next(row for row in result["years"] if row["year"] == result["config"]["year"])


def _accuracy(result: Mapping[str, Any]) -> Iterator[str]:
    need, config = result["accuracy"], result["config"]
    run = need["provenance"].get("model", "a model")
    held = "photons per MAC held" if config["photons"] == "per-mac" else "photons per dot product held (a claim)"
    yield (
        f"Light: {need['electrons_per_path']:.3g} electrons per path at full scale keep {run} within "
        f"{config['kl_nats']:g} nats of its digital self at {config['bits_x']}/{config['bits_w']} bits; {held}."
    )
    moved = ", ".join(f"{one['path']} {one['engine']:.3g} -> {one['roadmap']:.3g}" for one in result["engine_differs"])
    if moved:
        yield f"The roadmap starts elsewhere than the file of the engine does, and is used: {moved}."
    for difference in need["differs"][:3]:
        yield f"  The projected engine differs from the measured one: {difference}."


def _verdict(result: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[str]:
    target, count = result["target"], result["config"]["samples"]
    exa = target["ops_per_s"] / 1e18
    aim = (
        f"{exa:g} exaOPS in {engineering(target['power_w'], 'W')} "
        f"({target['tops_per_w']:.3g} TOPS/W, {engineering(target['energy_per_op_j'], 'J')} per operation)"
    )
    reached = row["probability_of_target"]
    share = (
        f"no sample of {count} (below {_UNREACHED_95 / count:.2g} with 95 % confidence)"
        if reached == 0
        else f"every sample of {count} (above {1.0 - _UNREACHED_95 / count:.4g} with 95 % confidence)"
        if reached == 1
        else f"{_percent(reached)} of {count} samples (+- {100 * 1.96 * row['probability_error']:.2g})"
    )
    if target["forbidden_by_physics"]:
        most = result["bound"]["tops_per_w"]
        yield f"Physics forbids the target: photons alone allow {most:.3g} TOPS/W at this accuracy and encoding."
    yield f"Target: {aim} in {target['year']}: reached by {share}."
    if row["engines_p50"] < 1.0:
        yield f"The power feeds {row['engines_p50']:.2g} engines in the median, less than one: give more --power-w."
    yield (
        f"Median: {row['tops_per_w_p50']:.3g} TOPS/W delivered, {row['peak_tops_per_w_p50']:.3g} at peak; panels are "
        f"busy {_percent(row['busy_share_p50'])} of the time. With the building's cooling "
        f"{row['facility_tops_per_w_p50']:.3g}."
    )


def _years(result: Mapping[str, Any]) -> Table:
    conventional = {
        one["year"]: one["tops_per_w_p50"] for one in result["comparison"]["years"] if one["number_format"] == "8-bit"
    }
    headings = ("delivered", "median", "95 %", "peak", "8-bit chips", "energy", "busy", "target")
    table = plain_table("year", *headings, right=headings)
    units = ("5 %", "TOPS/W", "", "median", "peak, median", "per op", "median", "reached")
    table.add_row("", *units, style="dim", end_section=True)
    for row in result["years"]:
        table.add_row(
            str(row["year"]),
            *(f"{row[key]:.3g}" for key in ("tops_per_w_p05", "tops_per_w_p50", "tops_per_w_p95")),
            f"{row['peak_tops_per_w_p50']:.3g}",
            f"{conventional[row['year']]:.3g}",
            engineering(row["energy_per_op_j_p50"], "J"),
            _percent(row["busy_share_p50"]),
            _percent(row["probability_of_target"]),
            style="bold" if row["year"] == result["config"]["year"] else "",
        )
    return table


def _power(row: Mapping[str, Any]) -> Iterator[str]:
    whole = sum(row["breakdown_w_p50"].values())
    parts = sorted(row["breakdown_w_p50"].items(), key=lambda item: -item[1])
    shown = ", ".join(f"{part.replace('_', ' ')} {_percent(watt / whole)}" for part, watt in parts[:_PARTS_SHOWN])
    yield f"Power near the median goes to: {shown}."
    if row["rate_limited_share"] > 0:
        yield (
            f"In {_percent(row['rate_limited_share'])} of the samples a source is too weak for the symbol rate, "
            "and symbols last longer instead."
        )
    if row["overheated_share"] > 0:
        yield (
            f"In {_percent(row['overheated_share'])} a panel takes up more light than the engine says that it bears; "
            "nothing is slowed by that."
        )


def _attention(result: Mapping[str, Any]) -> Iterator[str]:
    digital = result["attention"]
    if not digital["share_of_ops"]:
        return
    spent, allowed = digital["energy_per_op_j"], digital["target_energy_per_op_j"]
    yield (
        f"Attention stays digital: {_percent(digital['share_of_ops'])} of the operations, "
        f"{engineering(spent, 'J')} for each delivered one, {_percent(spent / allowed)} of what the target allows."
    )


def _deciding(result: Mapping[str, Any]) -> Iterator[str]:
    shown = []
    for row in result["sensitivity"][:_CAUSES_SHOWN]:
        slope = "" if row["elasticity"] is None else f", elasticity {row['elasticity']:+.2f}"
        shown.append(f"{row['name']} ({_percent(row['share_total'])} of the variance{slope})")
    yield f"What decides: {'; '.join(shown)}."


def _alone(result: Mapping[str, Any]) -> Iterator[str]:
    single = result["requirements"]["single"]
    enough = [row for row in single if row["value"] is not None]
    if not enough:
        best = max(single, key=lambda row: row["best_tops_per_w"] or 0.0)
        yield (
            f"No parameter reaches the target alone; the furthest, {best['path']}, gets to "
            f"{best['best_tops_per_w']:.3g} TOPS/W."
        )
        return
    if all(row["steps"] == 0 for row in enough):
        yield "With every parameter at its median the target is reached."
        return
    enough.sort(key=lambda row: -row["probability"])
    shown = ", ".join(
        f"{row['path']} {_moved(row)} (as likely as {_percent(row['probability'])})" for row in enough[:_MOVES_SHOWN]
    )
    rest = f", and {len(enough) - _MOVES_SHOWN} that are less likely" if len(enough) > _MOVES_SHOWN else ""
    yield f"Alone enough, the rest at the median: {shown}{rest}."


def _together(joint: Mapping[str, Any]) -> Iterator[str]:
    percent = f"{100 * joint['probability']:.0f} %"
    if not joint["reached"]:
        yield (
            f"No joint change that we searched gives {percent} of the samples the target; "
            f"the best reaches {_percent(joint['achieved_probability'])}."
        )
        return
    moves = [(path, one) for path, one in joint["parameters"].items() if abs(one["steps"]) > _LEAST_MOVE]
    moves.sort(key=lambda item: -abs(item[1]["steps"]))
    if not moves:
        yield f"{percent} of the samples reach the target as it is."
        return
    shown = ", ".join(f"{path} x{one['factor']:.2g}" for path, one in moves[:_MOVES_SHOWN])
    rest = f", and {len(moves) - _MOVES_SHOWN} smaller moves" if len(moves) > _MOVES_SHOWN else ""
    yield f"Least joint effort for {percent}: {joint['effort']:.2g} standard deviations together: {shown}{rest}."


def _walls(result: Mapping[str, Any]) -> Iterator[str]:
    walls = result["walls"]
    fetched, panels = walls["weight_byte_per_s"], walls["panels_resident"]
    yield (
        f"Walls, every parameter at its median: {walls['engines_at_peak']:.4g} engines have the target as their peak, "
        f"this workload needs {walls['engines_delivering']:.4g} in "
        f"{engineering(walls['power_delivering_w'], 'W')}, and "
        f"{engineering(fetched, 'byte/s') if fetched else 'nothing'} from weight memory. Its weights fill "
        f"{panels} {'panel' if panels == 1 else 'panels'}."
    )
    half = next(row for row in walls["reload"] if row["busy_share"] == 0.5)
    if walls["link_share"] > _LEAST_SHARE:
        yield f"Engines wait for links {_percent(walls['link_share'])} of the time."
    if walls["reloads"] and walls["accumulator_byte"]:
        yield _sums(walls["accumulator_byte"], walls["accumulator_near_byte"], walls["accumulator_share"])
    if half["prompts"] is not None and walls["reloads"]:
        yield (
            f"A panel is written in {engineering(half['load_time_s'], 's')}: to be busy half of the time it must see "
            f"{half['vectors']:.3g} vectors between two loads ({half['prompts']:.3g} prompts), or be written in "
            f"{engineering(half['load_time_needed_s'], 's')}."
        )


def _sums(held_byte: float, near_byte: float, waiting: float) -> str:
    held, near = (engineering(byte, "byte") for byte in (held_byte, near_byte))
    if held_byte <= near_byte:
        return f"Partial sums of one engine take up to {held} and fit into the {near} beside it."
    return (
        f"Partial sums of one engine take up to {held}, of which {near} are beside it; it waits for the others "
        f"{_percent(waiting)} of the time."
    )


def _bound(result: Mapping[str, Any]) -> Iterator[str]:
    bound = result["bound"]
    words = "forbid the target" if bound["forbids_target"] else "allow the target"
    yield (
        f"Physics: shot noise at this accuracy and encoding asks for "
        f"{engineering(bound['shot_noise_j_per_op'], 'J')} of light per operation, at most "
        f"{bound['tops_per_w']:.3g} TOPS/W with parts that lose nothing: photons {words}."
    )


def _comparison(result: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[str]:
    same = [one for one in result["comparison"]["years"] if one["year"] == row["year"]]
    shown = ", ".join(
        f"{one['tops_per_w_p50']:.3g} ({one['number_format']}, {one['tops_per_w_p05']:.2g} to "
        f"{one['tops_per_w_p95']:.2g})"
        for one in same
    )
    whole = same[0]["light_peak_tops_per_w"]
    yield (
        f"Conventional chips in {row['year']}, peak at the wall, no accuracy stated: {shown} TOPS/W; to be compared "
        f"with light that never waits and makes whole products: {whole:.3g}."
    )


def _what_if(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = plain_table("", "TOPS/W", "times", "peak", "busy", right=("TOPS/W", "times", "peak", "busy"))
    for row in rows:
        table.add_row(
            row["change"],
            f"{row['tops_per_w']:.3g}",
            f"{row['factor']:.3g}",
            f"{row['peak_tops_per_w']:.3g}",
            _percent(row["busy_share"]),
        )
    return table


def _percent(share: float) -> str:
    """Two digits, three near 100 %, and never a power of ten: 0.0213 as "2.1 %", 0.998 as "99.8 %", 40 as "4000 %"."""
    percent = 100.0 * share
    return f"{percent:.2g} %" if percent < 98.5 else f"{percent:.3g} %" if percent < 999.5 else f"{percent:.0f} %"


def _moved(row: Mapping[str, Any]) -> str:
    return f"{row['value']:.3g} {row['unit']} (x{row['factor']:.2g})".replace(" 1 (", " (")
