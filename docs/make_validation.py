"""Write docs/validation.md: every shipped case of `exalight validate`, published beside simulated, with its source.

    exalight validate --slow --out RUN && python docs/make_validation.py RUN

Everything on it comes from the `result.json` of that run. A test compares what the page says of each case with the file
of cases, and computes some of the values again.
"""

import datetime
import importlib.metadata
import json
import math
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import EngFormatter

PAGE = Path(__file__).with_name("validation.md")
# Units that take a prefix.
_PREFIXED = ("J", "W", "op/s", "A/rtHz")

_OPENING = """# Validation: published machines beside this simulator

Every row is a published result and what this simulator gives for the same configuration: an engine of the
[catalogue](hardware.md), changed where it says so, and one quantity asked of it. The page is written by
`docs/make_validation.py` from a run of `exalight validate --slow`, which ends with status 1, because some cases fail.
The cases stand in `experiments/validation_cases.toml`. No parameter was chosen to pass one; [misses](#misses) are
explained.

Some cases pass *by construction*: the published number, or what gives it at once, went in as an argument or as a
parameter of the engine that was read from the same data. They check arithmetic and units, not the simulator. Their rows
say so and why, and the figure draws them hollow.

A published number is *measured* (by others), *vendor* (stated or projected by the maker), *derived* (follows from a
published formula) or *simulated* (or modelled by others). Beside it stands how well it is known here: *read* in the
named source, *computed* from what was read there, *third party* (notes or code about the source), *inferred* by
ourselves, or from *memory*, not verified. Values are in SI units, with prefixes; a curve shows its first and last
values and the one furthest off.
"""

_CLOSING = """
## Cases of your own

A case is a table in a TOML file; `exalight validate --list` prints what may be asked, with arguments and units.

```toml
[[case]]
id = "my-machine"
engine = "free-space-1024"                     # a catalogue name, or a file beside which the command runs
overrides = { adc.bits = 8 }
operating_point = { laser_power_w = 1e-2 }
quantity = "tops_per_w"
published = 3.0                                # or a curve: over = "adc.bits", published = [[6, 3.1], [8, 3.0]]
tolerance = { relative = 0.1 }                 # or absolute, or factor; with bound = "at least", "at most"
unit = "TOPS/W"
source = "data sheet, rev 3"
kind = "vendor"
# by_construction = "..."                      # one sentence, where passing is arithmetic on what went in
```

```sh
exalight validate --cases my-cases.toml --only my-machine
exalight validate --mnist /data/mnist          # the four IDX files; no other data set stands in for them
```
"""


def page(result: Mapping[str, Any], made: str) -> str:
    """The whole page as markdown: `result` is that of a run, `made` says when and with what."""
    cases, summary = result["cases"], result["summary"]
    parts = [
        _OPENING,
        f"{summary['passed']} of {summary['cases']} cases pass, of which {summary['by_construction']} are arithmetic "
        "on published figures or parameters read from the same data; "
        f"{summary['failed']} fail, {summary['skipped']} were skipped. {made}",
        "",
        "![Simulated over published](images/validation.png)",
    ]
    for group in dict.fromkeys(case["group"] for case in cases):
        parts += ["", f"## {group}", "", *_table([case for case in cases if case["group"] == group])]
    return "\n".join([*parts, "", *_misses(cases), *_skipped(cases), _CLOSING.lstrip()])


def _table(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    headings = ("case", "equation", "configuration", "published", "simulated", "ratio", "", "kind", "source, notes")
    lines = ["| " + " | ".join(headings) + " |", "|---" * len(headings) + "|"]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(case)) + " |" for case in cases]


def cells(case: Mapping[str, Any]) -> tuple[str, ...]:
    """One row from an entry of `cases`: what was asked, what was published, what came out."""
    passes = "passes by construction" if case["by_construction"] else "passes"
    verdict = {True: passes, False: "**fails**", None: "skipped"}[case["pass"]]
    url = f" <{case['url']}>" if case["url"] else ""
    note = f"; {case['note']}" if case["note"] else ""
    given = f"; *by construction:* {case['by_construction']}" if case["by_construction"] else ""
    return (
        f"**{case['id']}** {case['title']}",
        f"`{case['equation']}`",
        configuration(case),
        *_values(case),
        f"{verdict} ({tolerance(case['tolerance'])})",
        f"{case['kind']}, {case['confidence']}",
        f"{case['source']}{note}{given}{url}",
    )


def configuration(case: Mapping[str, Any]) -> str:
    """Engine, what differs from it, and the quantity with its arguments."""
    settings = [*case["overrides"].items(), *case["operating_point"].items()]
    changed = ", ".join(f"{path} = {_plain(value)}" for path, value in settings)
    engine = f"`{case['engine']}`" + (f" with {changed}" if changed else "") + ": " if case["engine"] else ""
    arguments = ", ".join(f"{name} = {_plain(value)}" for name, value in case["arguments"].items())
    over = f" over {case['over']}" if case["over"] else ""
    return f"{engine}{case['quantity']}({arguments}){over}"


def tolerance(found: Mapping[str, Any]) -> str:
    """How near is near enough, in words."""
    bound = f"{found['bound']}, " if "bound" in found else ""
    if "relative" in found:
        return f"{bound}{100 * found['relative']:g} %"
    return f"{bound}factor {found['factor']:g}" if "factor" in found else f"{bound}+-{found['absolute']:g}"


def shown(value: float, unit: str) -> str:
    """A value of four digits with its unit."""
    if unit in _PREFIXED:
        return EngFormatter(unit=unit)(float(f"{value:.4g}")).replace("\N{MINUS SIGN}", "-")
    return f"{value:.4g}" + ("" if unit == "1" else f" {unit}")


def _values(case: Mapping[str, Any]) -> tuple[str, str, str]:
    """Published and simulated values and their ratios; of a curve the first, the last, and the furthest off."""
    unit, places = case["unit"], case["at"]
    if places is None:
        return (
            shown(case["published"], unit),
            _found(case["simulated"], unit),
            _ratio(case["published"], case["simulated"]),
        )
    published, simulated = case["published"], case["simulated"] or [None] * len(places)
    off = [0.0 if not p or not s else abs(math.log(abs(s / p))) for p, s in zip(published, simulated, strict=True)]
    chosen = sorted({0, len(places) - 1, off.index(max(off))})
    return (
        "<br>".join(f"{_plain(places[i])}: {shown(published[i], unit)}" for i in chosen),
        "<br>".join(_found(simulated[i], unit) for i in chosen),
        "<br>".join(_ratio(published[i], simulated[i]) for i in chosen),
    )


def _found(simulated: float | None, unit: str) -> str:
    return "-" if simulated is None else shown(simulated, unit)


def _ratio(published: float, simulated: float | None) -> str:
    return "-" if simulated is None or not published else f"{simulated / published:.4g}"


def _misses(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["## Misses", ""]
    for case in cases:
        if case["pass"] is False:
            published, simulated, ratio = (cell.replace("<br>", ", ") for cell in _values(case))
            why = case["error"] or case["why"] or "Not explained yet."
            lines.append(f"- **{case['id']}**, {case['title']}: {simulated} for {published}, a ratio of {ratio}. {why}")
    return [*lines, ""] if len(lines) > 2 else [*lines, "None.", ""]


def _skipped(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"- **{case['id']}** {case['reason']}" for case in cases if case["pass"] is None]
    return ["## Not computed for this page", "", *lines, ""] if lines else []


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def main(argv: list[str]) -> None:
    """Write the page and its figure from the folder of a run."""
    if len(argv) != 1:
        sys.exit("give the folder of a run of exalight validate --slow")
    folder = Path(argv[0])
    result = json.loads((folder / "result.json").read_text("utf-8"))
    if result["config"]["only"] or result["config"].get("cases"):
        sys.exit(f"{folder} is not a run of all shipped cases")
    versions = f"Python {platform.python_version()}, jax {importlib.metadata.version('jax')}"
    text = page(result, f"Computed {datetime.date.today()}, {versions}.")
    (PAGE.parent / "images" / "validation.png").write_bytes((folder / "validate.png").read_bytes())
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE)


if __name__ == "__main__":
    main(sys.argv[1:])
