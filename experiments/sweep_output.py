"""What a sweep says on standard output: its plan, or what came out."""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.sweep_axes import Value, text_of

if TYPE_CHECKING:
    from experiments.sweep_request import SweepRequest

_SETTINGS_SHOWN = 4
_VALUES_SHOWN = 8


def print_plan(request: "SweepRequest") -> None:
    """How many points and chunks there would be, and which values."""
    config, plan = request.config, request.plan
    combinations = len({tuple(planned.settings.items()) for planned in plan.points})
    seeds, instances = f"{config.seeds} seed{'s' * (config.seeds > 1)}", ""
    if config.instances is not None:
        instances = f" x {config.instances} instance{'s' * (config.instances > 1)}"
    repeated = f"{combinations} combinations x {seeds}{instances}"
    print(f"{len(plan.points)} points of exalight {request.experiment.name}: {repeated}")
    for axis in request.axes:
        drawn = axis.range
        if config.design != "grid" and drawn is not None:
            words = f"{drawn.low:g} to {drawn.high:g}{', in the logarithm' * (drawn.scale == 'log')}"
        else:
            words = _listed([_short(value) for value in axis.values()])
        print(f"  {axis.path}: {words}")
    print(f"{len(plan.chunks)} chunks, each computed and stored as a whole")
    if plan.refused:
        first = plan.refused[0]
        print(f"{len(plan.refused)} points cannot be computed, first: {describe(plan.varied(first))}: {first.refused}")


def print_result(result: Mapping[str, Any]) -> None:
    """How many points there are, and the best of them."""
    failed = f", {result['failed']} failed" if result["failed"] else ""
    print(f"{result['points']} points ({result['combinations']} combinations){failed}")
    found = result["best"]
    if found is None:
        if result["failed"] < result["points"]:
            nearest = difflib.get_close_matches(result["objective"], result["columns"], n=1)
            meant = f"; did you mean {nearest[0]}?" if nearest else ""
            print(f"no point has a number in the column {result['objective']!r}{meant}")
        return
    varied = [axis["path"] for axis in result["axes"] if "range" in axis or len(axis["values"]) > 1]
    settings = {path: found[path] for path in varied or [axis["path"] for axis in result["axes"]]}
    value, scatter = found[result["objective"]], found.get(f"{result['objective']}_standard_error")
    plus = "" if scatter is None else f" +- {scatter:.2g}"
    sense = "largest" if result["largest"] else "smallest"
    print(f"{sense} {result['objective']}: {value:.4g}{plus} at {describe(settings)}")


def describe(settings: Mapping[str, Value]) -> str:
    """A combination in a few words."""
    if not settings:
        return "the only combination"
    return _listed([f"{path}={_short(value)}" for path, value in settings.items()], _SETTINGS_SHOWN, " ")


def _short(value: Value) -> str:
    return f"{value:.4g}" if isinstance(value, float) else text_of(value)


def _listed(words: list[str], most: int = _VALUES_SHOWN, separator: str = ", ") -> str:
    """Words in a row, the middle of a long row left out."""
    if len(words) <= most:
        return separator.join(words)
    return separator.join([*words[: most - 1], "...", words[-1]])
