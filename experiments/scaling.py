"""The run of `exalight scaling`: seconds, so it is computed whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import jax

from experiments.environment import environment
from experiments.errors import RequestError, Stopped
from experiments.progress import Progress
from experiments.runs import ENVIRONMENT_FILE
from experiments.scaling_model import model_of
from experiments.scaling_output import write_output
from experiments.scaling_results import STEPS, compute
from experiments.stopping import stoppable

if TYPE_CHECKING:
    from experiments.scaling_request import ScalingRequest


def run_scaling(request: "ScalingRequest", argv: Sequence[str]) -> Path:
    """Project, explain, compare, write; returns the path of `result.json`.

    Stopped on SIGINT or SIGTERM, with a message that says so; nothing is left half-written. RequestError where the
    roadmap gives operations per joule that are no numbers.
    """
    try:
        with stoppable():
            return _run(request, argv)
    except (KeyboardInterrupt, Stopped):
        raise Stopped("stopped; no result was written, the same command starts again and takes seconds") from None


def _run(request: "ScalingRequest", argv: Sequence[str]) -> Path:
    with Progress(STEPS, "scaling") as progress:
        progress.note("compiling")
        model = model_of(request)
        try:
            results = compute(request, model, progress)
        except ValueError as error:
            raise RequestError(f"roadmap {request.roadmap_file.name} cannot be projected: {error}") from error
    request.folder.open()
    request.folder.write_json(ENVIRONMENT_FILE, environment(argv, request.config.seed, jax.default_backend()))
    return write_output(request, model, results)
