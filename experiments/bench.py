"""The run of `exalight bench`: one case after the other, each stored at once."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from experiments.bench_cases import Case
from experiments.bench_measure import Measured, measure_model, measure_product
from experiments.bench_output import LEAST_JUDGED_PAIRS, row, write_output
from experiments.bench_request import BenchRequest
from experiments.environment import environment, stamp
from experiments.errors import Stopped
from experiments.progress import Progress
from experiments.runs import ENVIRONMENT_FILE, RESULT_FILE, PointStore
from experiments.stopping import stoppable
from experiments.words import engineering

if TYPE_CHECKING:
    from photonics.catalogue import EngineFile

_JUDGED_CORES = 2


def run_bench(request: BenchRequest, argv: Sequence[str]) -> Path:
    """Measure every case that is not stored yet; returns the path of `result.json`.

    Stopped, with a message that says so, on SIGINT or SIGTERM: finished cases stay and the same request goes on. Cases
    of a run that is whole are measured anew: whoever asks again wants to know again.
    """
    try:
        with stoppable():
            return _run(request, argv)
    except (KeyboardInterrupt, Stopped):
        kept = request.folder.points.is_dir() and any(request.folder.points.iterdir())
        after = f"finished cases are kept in {request.folder.path}, the same command goes on from them"
        raise Stopped(f"stopped; {after if kept else 'nothing was finished yet'}") from None


def _run(request: BenchRequest, argv: Sequence[str]) -> Path:
    facts = environment(argv, request.config.seed, jax.default_backend())
    cpu = processor(facts)
    # Times of one machine say nothing about another.
    on_this_machine = hashlib.sha256(json.dumps([stamp(), cpu]).encode()).hexdigest()[:16]
    store = PointStore(request.folder.points, on_this_machine)
    request.folder.open()
    request.folder.write_json(ENVIRONMENT_FILE, facts)
    with Progress(len(request.cases), "bench") as progress:
        for skipped in request.skipped:
            progress.note(f"{skipped['name']} is left out: {skipped['reason']}")
        not_judged = why_not_judged(cpu, request.config.pairs)
        if not_judged:
            progress.note(f"targets of this project are shown and not judged: {not_judged}")
        measured = [(case, _case(request, case, file, store, progress)) for case, file in request.cases]
        path = write_output(request, measured, facts, cpu, judged=not not_judged)
    _forget(request, store)
    return path


def _case(request: BenchRequest, case: Case, file: "EngineFile", store: PointStore, progress: Progress) -> Measured:
    kept = store.load(case.file_name)
    if kept is None:
        config = request.config
        if case.kind == "model":
            assert request.checkpoint is not None, "the request leaves the case out where there is no model"
            progress.note(f"{case.label}: compiling, then {config.pairs} pairs; minutes for {config.model}")
            kept = measure_model(file, request.checkpoint, config.seed, config.pairs)
        else:
            kept = measure_product(case, file, config.seed, config.pairs)
        store.save(case.file_name, kept)
        after = ""
    else:
        after = " (kept from before)"
    found = row(case, kept, judged=False)
    spread = f"{found['ratio_low']:.2f} to {found['ratio_high']:.2f}"
    plain = engineering(found["plain_s"], "s")
    progress.step(f"{case.label}: {found['ratio_median']:.2f} ({spread}) of {plain}{after}")
    return kept


def _forget(request: BenchRequest, store: PointStore) -> None:
    """Remove the stored cases of a run that has its result."""
    assert (request.folder.path / RESULT_FILE).exists(), "only a whole run is forgotten"
    for case, _ in request.cases:
        (store.folder / f"{case.file_name}.npz").unlink(missing_ok=True)
    if not any(store.folder.iterdir()):
        store.folder.rmdir()


def processor(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What of a machine decides ratios: name, cores of this process, whether it multiplies bfloat16, flags of XLA."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else facts["cpus"]
    flags = os.environ.get("XLA_FLAGS", "")
    return {"name": facts["cpu"], "cores": cores, "avx512_bf16": _has_flag("avx512_bf16"), "xla_flags": flags}


def _has_flag(flag: str) -> bool:
    try:
        return flag in Path("/proc/cpuinfo").read_text("utf-8").split()
    except OSError:
        return False


def why_not_judged(cpu: Mapping[str, Any], pairs: int) -> str:
    """Why targets are not for this run, "" if they are: they name a machine and a number of pairs."""
    if cpu["cores"] != _JUDGED_CORES or not cpu["avx512_bf16"]:
        return f"they are for {_JUDGED_CORES} cores with AVX512-BF16"
    return "" if pairs >= LEAST_JUDGED_PAIRS else f"they are for at least {LEAST_JUDGED_PAIRS} pairs"
