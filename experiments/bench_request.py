"""From the options of `exalight bench` to a request that can be met; refuses all others, without JAX."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.accuracy_request import checked_engine_file, checked_model, options
from experiments.bench_cases import MODEL_CASE, Case, chosen_cases
from experiments.bench_config import BenchConfig, check_options
from experiments.errors import RequestError
from experiments.runs import RunFolder, short_hash

if TYPE_CHECKING:
    from models.transformer.checkpoint import Checkpoint
    from photonics.catalogue import EngineFile

EXPERIMENT = "bench"
_RUNS = Path("runs")


@dataclasses.dataclass(frozen=True)
class BenchRequest:
    """A checked request.

    Attributes:
        config: the options.
        cases: what is measured, in order, each with the engine that it simulates.
        skipped: name and reason of what the options ask for and this machine does not have.
        checkpoint: the decoder of the case "model", None if it is not measured.
        folder: where results go.
    """

    config: BenchConfig
    cases: tuple[tuple[Case, "EngineFile"], ...]
    skipped: tuple[dict[str, str], ...]
    checkpoint: "Checkpoint | None"
    folder: RunFolder


def check_request(config: BenchConfig) -> BenchRequest:
    """Check options, engines, model and folder, cheapest first. RequestError says what is wrong and where."""
    check_options(config)
    cases = chosen_cases(config)
    base = checked_engine_file(config.engine, config.set)
    files = {case.label: _engine_file(config, case) for case in cases}
    checkpoint, skipped = None, []
    if any(case.name == MODEL_CASE for case in cases):
        try:
            checkpoint = checked_model(config.model)
        except RequestError as error:
            # The packaged model may be absent; one that somebody names may not.
            if config.model != BenchConfig().model or len(cases) == 1:
                raise
            skipped.append({"name": MODEL_CASE, "reason": str(error)})
    measured = tuple((case, files[case.label]) for case in cases if case.name != MODEL_CASE or checkpoint is not None)
    document: dict[str, Any] = {"experiment": EXPERIMENT, "options": options(config), "engine": dict(base.values)}
    if checkpoint is not None:
        document["model"] = {"sha256": checkpoint.sha256}
    path = Path(config.out) if config.out is not None else _RUNS / EXPERIMENT / short_hash(document)
    folder = RunFolder(path, document)
    folder.check()
    return BenchRequest(config, measured, tuple(skipped), checkpoint, folder)


def _engine_file(config: BenchConfig, case: Case) -> "EngineFile":
    return checked_engine_file(case.engine or config.engine, (*config.set, *case.engine_set))
