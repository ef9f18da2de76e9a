"""The run of `exalight sweep`: chunks that are not stored yet go to workers, and are stored as they come back."""

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.environment import environment, stamp, versions
from experiments.errors import Stopped
from experiments.runs import ENVIRONMENT_FILE, RESULT_FILE
from experiments.stopping import stoppable
from experiments.sweep_cluster import (
    ClusterLost,
    Found,
    backends,
    cluster_client,
    default_workers,
    execute,
    local_client,
)
from experiments.sweep_output import describe, print_result
from experiments.sweep_plan import Chunk, PlannedPoint
from experiments.sweep_progress import SweepProgress
from experiments.sweep_request import EXPERIMENT, SweepRequest
from experiments.sweep_results import best, errors, summary_rows, table_rows, write_tables
from experiments.sweep_store import ERROR, IDENTITY, ChunkStore, Finished
from experiments.sweepable import Failed

if TYPE_CHECKING:
    from distributed import Client

# Libraries that spread the work; they change no number.
_SPREADING = ("dask", "distributed", "scipy")


@dataclasses.dataclass(frozen=True)
class SweepOutcome:
    """Where the result is, how many points there are and failed, and the error of the first that did."""

    path: Path
    points: int
    failed: int
    first_error: str | None

    @property
    def failures(self) -> str:
        """How many points failed, in a sentence."""
        return f"{self.failed} of {self.points} points failed, first: {self.first_error}"


def run_sweep(request: SweepRequest, argv: Sequence[str]) -> SweepOutcome:
    """Compute, or go on with, a sweep.

    Stopped, with a message that says what is kept, on SIGINT, SIGTERM, a scheduler that is gone, and where a chunk
    cannot be stored.
    """
    run = _Run(request, argv)
    try:
        with stoppable():
            return run.compute()
    except (KeyboardInterrupt, Stopped) as stop:
        raise Stopped(f"{stop if str(stop) else 'stopped'}; {run.kept_words()}") from None
    except ClusterLost as lost:
        raise Stopped(f"stopped: {lost}; {run.kept_words()}") from None


class _Run:
    """One sweep under way."""

    def __init__(self, request: SweepRequest, argv: Sequence[str]) -> None:
        self.request, self.argv = request, argv
        self.stamp = stamp()
        self.store = ChunkStore(request.folder.points, self.stamp)
        self.finished: dict[str, Finished] = {}
        self.stored = 0
        self._best: tuple[float, str] | None = None

    def compute(self) -> SweepOutcome:
        """Everything, to the path of the result."""
        plan = self.request.plan
        with SweepProgress(len(plan.points), self.request.objective) as progress:
            self._say_refused(progress)
            missing = [chunk for chunk in plan.chunks if not self._kept(chunk, progress)]
            if self.stored:
                progress.note(f"{self.stored} of {len(plan.points)} points kept from before")
            stale = sum(self.store.holds(chunk) for chunk in missing)
            if stale and not self.request.config.retry_failed:
                chunks = f"{stale} stored chunk{'s are' if stale > 1 else ' is'}"
                progress.note(f"{chunks} of other code or libraries, or damaged: computed anew")
            if not missing:
                self.request.folder.open()
                return self._write()
            with self._client(progress) as client:
                # Only now is everything known that could make the request a wrong one.
                self.request.folder.open()
                self._write_environment([])
                progress.note(f"computing {_counted(missing)}; the first of each kind compiles")
                progress.start()
                execute(
                    client,
                    missing,
                    self.request.experiment.loader,
                    self.stamp,
                    lambda chunk, found: self._finish(chunk, found, progress),
                )
                self._write_environment(backends(client))
        return self._write()

    def kept_words(self) -> str:
        """What a stopped run leaves, as the end of a sentence."""
        if not self.stored:
            return "nothing was finished yet"
        of = f"{self.stored} of {len(self.request.plan.points)}"
        return f"{of} points are kept in {self.request.folder.path}, the same command goes on from them"

    @contextlib.contextmanager
    def _client(self, progress: SweepProgress) -> Iterator["Client"]:
        config = self.request.config
        if config.cluster is not None:
            progress.note(f"connecting to {config.cluster}")
            with cluster_client(config.cluster, self.stamp) as client:
                yield client
            return
        workers = config.workers or default_workers()
        progress.note(f"starting {workers} worker{'s' * (workers > 1)}")
        with local_client(workers) as client:
            yield client

    def _say_refused(self, progress: SweepProgress) -> None:
        plan = self.request.plan
        refused = plan.refused
        if refused:
            first = refused[0]
            progress.note(
                f"{len(refused)} points cannot be computed, first: {describe(plan.varied(first))}: {first.refused}"
            )
            progress.advance(len(refused), len(refused), None, kept=True)

    def _kept(self, chunk: Chunk, progress: SweepProgress) -> bool:
        """Whether a chunk is stored; then its points are done."""
        rows = self.store.load(chunk)
        if rows is None or (self.request.config.retry_failed and any(row[ERROR] is not None for row in rows)):
            return False
        self.stored += len(rows)
        self._add(chunk, rows, progress, kept=True)
        return True

    def _finish(self, chunk: Chunk, found: Found, progress: SweepProgress) -> None:
        """Store what a worker sent, unless the chunk should be tried again by the next run."""
        answers = dict(found.outcomes)
        missing = Failed("the experiment returned nothing for this point")
        rows = [_row(planned, answers.get(planned.identity, missing)) for planned in chunk.points]
        if not found.lost:
            with self._writing():
                self.store.save(chunk, rows)
            self.stored += len(rows)
        self._add(chunk, rows, progress, kept=False)

    def _add(self, chunk: Chunk, rows: Sequence[Finished], progress: SweepProgress, kept: bool) -> None:
        plan = self.request.plan
        for planned, row in zip(chunk.points, rows, strict=True):
            self.finished[planned.identity] = row
            value = row.get(self.request.objective)
            sign = -1 if self.request.largest else 1
            if isinstance(value, int | float) and (self._best is None or sign * value < sign * self._best[0]):
                self._best = (value, f"{value:.4g} at {describe(plan.varied(planned))}")
        failed = sum(row[ERROR] is not None for row in rows)
        progress.advance(len(rows), failed, self._best[1] if self._best else None, kept=kept)

    def _write(self) -> SweepOutcome:
        """Tables and last `result.json`."""
        request = self.request
        # From the files, so that a table does not depend on whether its rows have been on disk.
        stored = {row[IDENTITY]: row for chunk in request.plan.chunks for row in self.store.load(chunk) or ()}
        rows = table_rows(request.plan, {**self.finished, **stored})
        summary = summary_rows(request.plan, rows, request.axes)
        failed = [row[ERROR] for row in rows if row[ERROR] is not None]
        with self._writing():
            write_tables(request.folder.path, rows, summary)
            result = self._result(rows, summary, len(failed))
            path = request.folder.write_json(RESULT_FILE, result)
        print_result(result)
        return SweepOutcome(path, len(rows), len(failed), failed[0] if failed else None)

    def _result(
        self, rows: Sequence[Mapping[str, Any]], summary: Sequence[Mapping[str, Any]], failed: int
    ) -> dict[str, Any]:
        request = self.request
        return {
            "experiment": EXPERIMENT,
            "config": request.options,
            "seed": request.config.seed,
            "swept": request.experiment.name,
            "design": request.config.design,
            "axes": [axis.summary() for axis in request.axes],
            "points": len(rows),
            "combinations": len(summary),
            "failed": failed,
            "errors": errors(rows),
            "objective": request.objective,
            "largest": request.largest,
            "best": best(summary, request.objective, request.largest),
            "columns": list(rows[0]),
        }

    def _write_environment(self, used: Sequence[str]) -> None:
        facts = environment(self.argv, self.request.config.seed, ", ".join(used) or "none")
        facts["packages"] |= versions(_SPREADING)
        with self._writing():
            self.request.folder.write_json(ENVIRONMENT_FILE, facts)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """A full disk ends the run in one line; what is stored stays."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Stopped(f"stopped: {self.request.folder.path} cannot be written ({reason})") from None


def _counted(chunks: Sequence[Chunk]) -> str:
    """How much there is to compute, in words."""
    points = sum(len(chunk.points) for chunk in chunks)
    return f"{points} point{'s' * (points > 1)} in {len(chunks)} chunk{'s' * (len(chunks) > 1)}"


def _row(planned: PlannedPoint, found: Any) -> Finished:
    if isinstance(found, Failed):
        return {IDENTITY: planned.identity, ERROR: found.error}
    own = {key: value for key, value in found.items() if key not in (IDENTITY, ERROR)}
    return {IDENTITY: planned.identity, **own, ERROR: None}
