"""What `exalight bench` leaves behind: tables, a figure drawn from them, `result.json`, a summary."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.accuracy_request import options
from experiments.bench_cases import Case
from experiments.environment import versions
from experiments.interleave import Times
from experiments.runs import RESULT_FILE, plain
from experiments.tables import write_table
from experiments.words import engineering, output_console

if TYPE_CHECKING:
    from experiments.bench_request import BenchRequest

LEAST_JUDGED_PAIRS = 15
_PACKAGES = ("exalight", "jax", "jaxlib", "flax", "numpy")
# The memory aimed at: this often the plain one's own, and one output.
_MEMORY_FACTOR = 1.5


def row(case: Case, arrays: Mapping[str, np.ndarray], judged: bool) -> dict[str, Any]:
    """One entry of `cases` in `result.json`.

    ratio_median, ratio_low, ratio_high: median and quartiles of optical over plain time, pair by pair; plain_s and
    optical_s: medians on the clock; plain_cpu_s and optical_cpu_s: medians over all threads; tokens_per_s: vectors
    through light per second; peak_temp_byte: greatest temporary memory of the optical function as XLA plans it,
    beside that of the plain one and what the target allows; within_target: None where nothing is judged.
    """
    times = Times.of(arrays)
    low, median, high = times.ratio()
    m, k, n = case.shape or (int(arrays["vectors"]), None, None)
    optical_s = float(np.median(times.optical_s))
    plain_temp_byte, output_byte = float(arrays["plain_temp_byte"]), float(arrays["plain_output_byte"])
    return {
        "name": case.name,
        "title": case.title,
        "kind": case.kind,
        "m": m,
        "k": k,
        "n": n,
        "ratio_median": median,
        "ratio_low": low,
        "ratio_high": high,
        "target_ratio": case.target,
        "within_target": median <= case.target if judged and case.target is not None else None,
        "plain_s": float(np.median(times.plain_s)),
        "optical_s": optical_s,
        "plain_cpu_s": float(np.median(times.plain_cpu_s)),
        "optical_cpu_s": float(np.median(times.optical_cpu_s)),
        "tokens_per_s": float(arrays["vectors"]) / optical_s,
        "peak_temp_byte": _whole(float(arrays["optical_temp_byte"])),
        "plain_peak_temp_byte": _whole(plain_temp_byte),
        "allowed_temp_byte": _whole(_MEMORY_FACTOR * plain_temp_byte + output_byte),
        "pairs": times.plain_s.size,
    }


def _whole(value: float) -> int | None:
    return round(value) if math.isfinite(value) else None


def write_output(
    request: "BenchRequest",
    measured: Sequence[tuple[Case, Mapping[str, np.ndarray]]],
    facts: Mapping[str, Any],
    cpu: Mapping[str, Any],
    judged: bool,
) -> Path:
    """Write tables, the figure drawn from them, and last `result.json`, whose path is returned; print a summary."""
    from experiments.bench_plot import draw

    folder = request.folder
    rows = [row(case, arrays, judged) for case, arrays in measured]
    write_table(folder.path, "cases", rows)
    write_table(folder.path, "pairs", [pair for case, arrays in measured for pair in _pairs(case, arrays)])
    draw(folder.path)
    result = {
        "experiment": folder.document["experiment"],
        "config": options(request.config),
        "seed": request.config.seed,
        "cases": rows,
        "skipped": list(request.skipped),
        "versions": {"python": facts["python"], **versions(_PACKAGES)},
        "cpu": dict(cpu),
    }
    path = folder.write_json(RESULT_FILE, result)
    print_summary(rows, cpu)
    return path


def _pairs(case: Case, arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """The table `pairs`: every single measurement, so that another statistic can be taken."""
    times = plain(vars(Times.of(arrays)))
    m, k, n = case.shape or (None, None, None)
    count = len(times["plain_s"])
    where = {"name": case.name, "m": m, "k": k, "n": n}
    return [{**where, "pair": index, **{name: times[name][index] for name in times}} for index in range(count)]


def print_summary(rows: Sequence[Mapping[str, Any]], cpu: Mapping[str, Any]) -> None:
    """The ratios as a table on standard output, and temporary memory, with what the project asks of both."""
    console = output_console()
    pairs = rows[0]["pairs"]
    bfloat16 = "with AVX512-BF16" if cpu["avx512_bf16"] else "without AVX512-BF16"
    console.print(f"Optical over plain time, median of {pairs} pairs; {cpu['name']}, {cpu['cores']} cores {bfloat16}\n")
    console.print(_line("case", "ratio", "quartiles", "at most", "plain", "optical", "memory", "at most"), style="bold")
    before = None
    for found in rows:
        if found["title"] != before:
            before = found["title"]
            console.print(before)
        shape = f"{found['m']} tokens" if found["k"] is None else f"{found['m']}x{found['k']}x{found['n']}"
        missed = "!" if found["within_target"] is False else ""
        ratio, spread = f"{missed}{found['ratio_median']:.2f}", f"{found['ratio_low']:.2f} to {found['ratio_high']:.2f}"
        asked = "-" if found["target_ratio"] is None else f"{found['target_ratio']:.2f}"
        times = (engineering(found[name], "s") for name in ("plain_s", "optical_s"))
        memory = (engineering(found[name], "B") for name in ("peak_temp_byte", "allowed_temp_byte"))
        console.print(_line(f"  {shape}", ratio, spread, asked, *times, *memory))
    judged = [found["within_target"] for found in rows if found["within_target"] is not None]
    if judged:
        console.print(
            f"\n{sum(judged)} of {len(judged)} ratios are within what the project asks for (! marks the others)"
        )


def _line(case: str, *values: str) -> str:
    """A line of the summary: the case, then values flush right."""
    widths = (8, 17, 9, 10, 10, 10, 10)
    return f"{case:<20}" + "".join(f"{value:>{width}}" for value, width in zip(values, widths, strict=True))
