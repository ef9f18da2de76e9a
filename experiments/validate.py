"""The run of `exalight validate`: one case after the other, each stored at once."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np

from experiments.environment import environment, stamp
from experiments.errors import RequestError, Stopped
from experiments.progress import Progress
from experiments.runs import ENVIRONMENT_FILE, PointStore
from experiments.stopping import stoppable
from experiments.sweep_worker import in_one_line
from experiments.validate_case import Case
from experiments.validate_output import Computed, briefly, write_output
from experiments.validate_quantities import QUANTITIES
from experiments.validate_request import ValidateRequest

if TYPE_CHECKING:
    from photonics.catalogue import EngineFile


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Where the result is, and how many cases failed."""

    path: Path
    failed: int


def run_validate(request: ValidateRequest, argv: Sequence[str]) -> Outcome:
    """Compute every case that is not stored yet, print the table, write the result.

    Stopped, with a message that says so, on SIGINT or SIGTERM: finished cases stay and the same request goes on.
    RequestError for arguments that turn out not to fit an engine.
    """
    try:
        with stoppable():
            return _run(request, argv)
    except (KeyboardInterrupt, Stopped):
        after = f"finished cases are kept in {request.folder.path}, the same command goes on from them"
        raise Stopped(f"stopped; {after}") from None


def _run(request: ValidateRequest, argv: Sequence[str]) -> Outcome:
    request.folder.open()
    store = PointStore(request.folder.points, stamp())
    request.folder.write_json(ENVIRONMENT_FILE, environment(argv, 0, jax.default_backend()))
    computed: list[Computed] = []
    with Progress(len(request.cases) - len(request.skipped), "validate") as progress:
        for case, files in request.cases:
            if case.id in request.skipped:
                found = Computed(case, reason=request.skipped[case.id])
                progress.note(f"{case.id} is skipped: {found.reason}")
            else:
                found, kept = _case(request, case, files, store)
                progress.step(f"{briefly(found)}{' (kept from before)' if kept else ''}")
            computed.append(found)
    path = write_output(request, computed)
    return Outcome(path, sum(one.passed is False for one in computed))


def _case(
    request: ValidateRequest, case: Case, files: tuple["EngineFile", ...], store: PointStore
) -> tuple[Computed, bool]:
    """A case with its values, and whether they were stored before; one that cannot be computed is kept nowhere."""
    label = f"{case.id}-{_identity(request, case, files)}"
    stored = store.load(label)
    if stored is not None:
        return Computed(case, simulated=tuple(float(value) for value in stored["simulated"])), True
    try:
        simulated = computed_values(case, files, request.mnist)
    except RequestError as error:
        raise RequestError(f"case {case.id}: {error}") from error
    except Exception as error:
        return Computed(case, error=in_one_line(error)), False
    store.save(label, {"simulated": np.asarray(simulated)})
    return Computed(case, simulated=simulated), False


def computed_values(case: Case, files: Sequence["EngineFile"], mnist: Path | None) -> tuple[float, ...]:
    """What the engines of a case give at each place of its curve, or the one value."""
    from photonics.catalogue import build_engine

    quantity = QUANTITIES[case.quantity]
    function, values = quantity.function(), []
    for index, place in enumerate(case.at or (None,)):
        arguments = quantity.filled(case.arguments_at(place))
        if quantity.needs == "mnist":
            arguments["mnist"] = mnist
        engine = [build_engine(files[index])] if files else []
        values.append(float(function(*engine, **arguments)))
    return tuple(values)


def _identity(request: ValidateRequest, case: Case, files: Sequence["EngineFile"]) -> str:
    """Eight hexadecimal digits for what a stored value depends on beside the code: arguments, engines, data."""
    asked = [case.quantity, case.at, case.over, sorted(case.arguments.items()), request.folder.document.get("mnist")]
    values = [dict(file.values) for file in files]
    return hashlib.sha256(repr((asked, values)).encode()).hexdigest()[:8]
