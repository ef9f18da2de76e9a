"""What a sweep found: one table of all points, one of means over seeds and instances, and the best of them."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.runs import write_file
from experiments.sweep_axes import Axis
from experiments.sweep_plan import Plan
from experiments.sweep_store import ERROR, IDENTITY, Finished, tidy_frame

SEED, INSTANCE = "seed", "instance"
POINTS_TABLE, SUMMARY_TABLE = "points", "summary"
_STANDARD_ERROR = "_standard_error"
_ERRORS_LISTED = 10


def table_rows(plan: Plan, finished: Mapping[str, Finished]) -> list[dict[str, Any]]:
    """One row for each point in the order of the plan: identity, settings, seed, instance, what was found, error.

    Where an experiment has a column of the name of a setting, the setting stays.
    """
    rows = []
    for planned in plan.points:
        found = finished.get(planned.identity, {ERROR: planned.refused})
        head = {IDENTITY: planned.identity, **planned.settings, SEED: planned.point.seed}
        head[INSTANCE] = planned.point.instance
        rows.append({**head, **{key: value for key, value in found.items() if key not in (*head, ERROR)}})
    # The error stands last, behind columns that only some points have.
    columns = list(dict.fromkeys(key for row in rows for key in row))
    errors = (finished.get(planned.identity, {ERROR: planned.refused})[ERROR] for planned in plan.points)
    return [
        {**{column: row.get(column) for column in columns}, ERROR: error}
        for row, error in zip(rows, errors, strict=True)
    ]


def summary_rows(plan: Plan, rows: Sequence[Mapping[str, Any]], axes: Sequence[Axis]) -> list[dict[str, Any]]:
    """One row for each combination: settings, points, failed, then mean and standard error of every number.

    The squared standard error is the sum of the variance of the means of seeds over their number, and the same of
    instances. Both contain the scatter of single points, so that it errs on the safe side where both are repeated. It
    is None where nothing is repeated. Failed points are left out of means.
    """
    settings = [axis.path for axis in axes]
    left_out = {IDENTITY, SEED, INSTANCE, ERROR, *settings}
    columns = [column for column in (rows[0] if rows else {}) if column not in left_out]
    numbers = [column for column in columns if all(_is_number(row[column]) or row[column] is None for row in rows)]
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for planned, row in zip(plan.points, rows, strict=True):
        groups.setdefault(tuple(planned.settings.items()), []).append(row)
    summary = []
    for chosen, members in groups.items():
        computed = [row for row in members if row[ERROR] is None]
        line = {**dict(chosen), "points": len(members), "failed": len(members) - len(computed)}
        for column in numbers:
            line[column], line[column + _STANDARD_ERROR] = _mean(computed, column)
        summary.append(line)
    return summary


def write_tables(folder: Path, rows: Sequence[Mapping[str, Any]], summary: Sequence[Mapping[str, Any]]) -> None:
    """Write both tables as Parquet and CSV."""
    for name, lines in ((POINTS_TABLE, rows), (SUMMARY_TABLE, summary)):
        frame = tidy_frame([dict(line) for line in lines])
        parquet, csv = io.BytesIO(), io.BytesIO()
        frame.write_parquet(parquet)
        frame.write_csv(csv)
        write_file(folder / f"{name}.parquet", parquet.getvalue())
        write_file(folder / f"{name}.csv", csv.getvalue())


def best(summary: Sequence[Mapping[str, Any]], objective: str, largest: bool = False) -> dict[str, Any] | None:
    """The combination with the smallest mean of the objective, or the largest; None where no point has a number."""
    candidates = [line for line in summary if _is_number(line.get(objective))]
    if not candidates:
        return None
    return dict((max if largest else min)(candidates, key=lambda line: line[objective]))


def errors(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The first failed points, with their settings, for `result.json`."""
    failed = [row for row in rows if row[ERROR] is not None]
    return [{key: value for key, value in row.items() if value is not None} for row in failed[:_ERRORS_LISTED]]


def _mean(rows: Sequence[Mapping[str, Any]], column: str) -> tuple[float | None, float | None]:
    """Mean and standard error of a column."""
    present = [row for row in rows if row[column] is not None]
    if not present:
        return None, None
    mean = math.fsum(row[column] for row in present) / len(present)
    variances = [v for v in (_variance_of_mean(present, column, of) for of in (SEED, INSTANCE)) if v is not None]
    return mean, math.sqrt(sum(variances)) if variances else None


def _variance_of_mean(rows: Sequence[Mapping[str, Any]], column: str, of: str) -> float | None:
    """Variance of the mean over levels of `of`, from the scatter of the means of each; None for one level."""
    levels: dict[Any, list[float]] = {}
    for row in rows:
        levels.setdefault(row[of], []).append(row[column])
    if len(levels) < 2:
        return None
    means = [math.fsum(values) / len(values) for values in levels.values()]
    middle = math.fsum(means) / len(means)
    return math.fsum((mean - middle) ** 2 for mean in means) / (len(means) - 1) / len(means)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
