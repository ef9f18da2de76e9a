"""What `exalight validate` leaves behind: tables, a figure drawn from them, `result.json`, a summary to read."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.padding import Padding
from rich.text import Text

from experiments.runs import RESULT_FILE, plain
from experiments.tables import write_table
from experiments.validate_case import Case
from experiments.words import engineering, output_console, plain_table

if TYPE_CHECKING:
    from experiments.validate_request import ValidateRequest

# Units that take a prefix.
_PREFIXED = ("J", "W", "op/s", "A/rtHz")


@dataclasses.dataclass(frozen=True)
class Computed:
    """A case and what came of it.

    Attributes:
        case: what was asked.
        simulated: one value for each published one; () where nothing was computed.
        reason: why it was skipped, "" if it was not.
        error: why it could not be computed, "" if it could.
    """

    case: Case
    simulated: tuple[float, ...] = ()
    reason: str = ""
    error: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether all values are near enough; None for a case that was skipped."""
        if self.reason:
            return None
        return bool(self.simulated) and all(self._near())

    @property
    def relative_errors(self) -> tuple[float | None, ...]:
        """simulated / published - 1 for each value, None where 0 was published."""
        pairs = zip(self.case.published, self.simulated, strict=False)
        return tuple(None if not published else simulated / published - 1.0 for published, simulated in pairs)

    @property
    def worst(self) -> int:
        """Index of the value that is furthest from the published one, counted in tolerances."""
        return max(range(len(self.simulated)), key=self._excess, default=0)

    def _near(self) -> list[bool]:
        pairs = zip(self.case.published, self.simulated, strict=True)
        return [self.case.tolerance.allows(published, simulated) for published, simulated in pairs]

    def _excess(self, index: int) -> tuple[bool, float]:
        published, simulated = self.case.published[index], self.simulated[index]
        missed = not self.case.tolerance.allows(published, simulated)
        if published and simulated / published > 0:
            return missed, abs(math.log(simulated / published))
        return missed, abs(simulated - published)


def row(computed: Computed) -> dict[str, Any]:
    """One entry of `cases` in `result.json`.

    Of a curve, `published` and `simulated` are lists and `at` the places along `over`; `relative_error` is that of the
    value furthest off. `pass` is None for a skipped case, whose `reason` says why; `error` says why a case could not
    be computed, which fails it.
    """
    case, curve = computed.case, bool(computed.case.at)
    errors = computed.relative_errors
    simulated: Any = list(computed.simulated) if curve else (computed.simulated[0] if computed.simulated else None)
    return {
        "id": case.id,
        "title": case.title,
        "group": case.group,
        "engine": case.engine,
        "overrides": dict(case.overrides),
        "operating_point": dict(case.operating_point),
        "quantity": case.quantity,
        "arguments": dict(case.arguments),
        "unit": case.unit,
        "over": case.over,
        "at": list(case.at) if curve else None,
        "published": list(case.published) if curve else case.published[0],
        "simulated": simulated if computed.simulated else None,
        "relative_error": errors[computed.worst] if errors else None,
        "tolerance": case.tolerance.to_dict(),
        "pass": computed.passed,
        "skipped": bool(computed.reason),
        "reason": computed.reason,
        "error": computed.error,
        "source": case.source,
        "url": case.url,
        "kind": case.kind,
        "confidence": case.confidence,
        "equation": case.equation,
        "note": case.note,
        "why": case.why,
        "by_construction": case.by_construction,
        "slow": case.slow,
    }


def point_rows(computed: Computed) -> list[dict[str, Any]]:
    """The table `points`: every computed value with its tolerance as ratios to what was published."""
    case, rows = computed.case, []
    for index, (published, simulated) in enumerate(zip(case.published, computed.simulated, strict=False)):
        ends = [end / published if published else math.nan for end in case.tolerance.interval(published)]
        place = case.at[index] if case.at else None
        rows.append(
            {
                "id": case.id,
                "title": case.title,
                "group": case.group,
                "kind": case.kind,
                "by_construction": bool(case.by_construction),
                "unit": case.unit,
                "over": case.over,
                "place": None if place is None else str(place),
                "published": published,
                "simulated": simulated,
                "ratio": simulated / published if published else math.nan,
                "ratio_low": min(ends),
                "ratio_high": max(ends),
                "pass": case.tolerance.allows(published, simulated),
            }
        )
    return rows


def write_output(request: "ValidateRequest", computed: Sequence[Computed]) -> Path:
    """Write tables, the figure drawn from them, and last `result.json`, whose path is returned; print a summary."""
    folder = request.folder
    rows = [row(one) for one in computed]
    points = [point for one in computed for point in point_rows(one)]
    nested = ("overrides", "operating_point", "arguments", "tolerance", "published", "simulated", "at")
    write_table(folder.path, "cases", [{k: v for k, v in one.items() if k not in nested} for one in rows])
    if points:
        write_table(folder.path, "points", points)
        if request.config.plot:
            from experiments.validate_plot import draw

            draw(folder.path)
    result = {
        "experiment": folder.document["experiment"],
        "config": request.options,
        "seed": 0,
        "cases": rows,
        "summary": summary(computed),
    }
    path = folder.write_json(RESULT_FILE, plain(result))
    print_summary(computed)
    return path


def summary(computed: Sequence[Computed]) -> dict[str, int]:
    """How many cases there are, how many passed, failed and were skipped, and how many of the passed ones had to.

    `by_construction` counts cases that passed and whose published number went in (`Case.by_construction`).
    """
    verdicts = [one.passed for one in computed]
    return {
        "cases": len(verdicts),
        "passed": verdicts.count(True),
        "failed": verdicts.count(False),
        "skipped": verdicts.count(None),
        "by_construction": sum(bool(one.passed and one.case.by_construction) for one in computed),
    }


def briefly(computed: Computed) -> str:
    """One line for the log: what came out, and whether it is near enough."""
    if computed.error:
        return f"{computed.case.id}: could not be computed: {computed.error}"
    index, case = computed.worst, computed.case
    passes = "passes by construction" if case.by_construction else "passes"
    verdict = passes if computed.passed else "FAILS"
    values = f"{shown(computed.simulated[index], case.unit)}, published {shown(case.published[index], case.unit)}"
    return f"{case.id}: {values}: {verdict}"


def print_summary(computed: Sequence[Computed]) -> None:
    """The cases as a table on standard output, by group; below it why cases fail and why others were skipped.

    A case that passes by construction is "given" in the table, one that passes otherwise is "ok".
    """
    console = output_console()
    numbers = ("published", "simulated", "error")
    table = plain_table("", "case", *numbers, "tolerance", "", right=numbers)
    before = None
    for one in computed:
        if one.case.group != before:
            before = one.case.group
            table.add_row("", Text(before or "cases", style="bold"))
        table.add_row(*_cells(one))
    # A narrow terminal cuts the places of curves, never a number.
    for column in table.columns[:-1]:
        column.min_width = max(cell_len(str(cell)) for cell in column.cells)
    console.print(table)
    for one in computed:
        if one.passed is False:
            console.print(f"\n{one.case.id} fails: {one.case.title}")
            console.print(Padding(one.error or one.case.why or "not explained yet", (0, 0, 0, 2)))
    skipped = [one for one in computed if one.reason]
    for reason in dict.fromkeys(one.reason for one in skipped):
        names = ", ".join(one.case.id for one in skipped if one.reason == reason)
        console.print(f"\nSkipped: {names}: {reason}")
    counts = summary(computed)
    given = f", {counts['by_construction']} of them by construction (given)" if counts["by_construction"] else ""
    rest = f"{counts['failed']} fail, {counts['skipped']} skipped"
    console.print(f"\n{counts['passed']} of {counts['cases']} cases pass{given}, {rest}")


def _cells(one: Computed) -> tuple[str, ...]:
    """Numbers of one case; of a curve those of the value furthest off."""
    case, index = one.case, one.worst
    place = f"at {case.over} = {_place(case.at[index])}" if case.at else ""
    simulated = shown(one.simulated[index], case.unit) if one.simulated else "-"
    errors = one.relative_errors
    relative = errors[index] if errors else None
    error = "-" if relative is None else f"{100 * relative:+.2g} %"
    passes = "given" if case.by_construction else "ok"
    verdict = {True: passes, False: "FAILS", None: "skipped"}[one.passed]
    published = shown(case.published[index], case.unit)
    return verdict, f"  {case.id}", published, simulated, error, str(case.tolerance), place


def _place(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def shown(value: float, unit: str) -> str:
    """A value with its unit for reading, four digits."""
    if unit in _PREFIXED and 1e-19 <= abs(value) < 1e15:
        return engineering(value, unit, digits=4)
    return f"{value:.4g}" + ("" if unit == "1" else f" {unit}")
