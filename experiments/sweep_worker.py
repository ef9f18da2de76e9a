"""What a worker process of a sweep does: it computes one chunk at a time, with one computing thread.

XLA divides some sums by the number of threads that it has, which changes their last bits. So every worker has one,
however many cores there are and however many workers.
"""

import os
import platform
import signal
import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from experiments.sweepable import Failed, Point
from experiments.xla_flags import use_full_vectors

if TYPE_CHECKING:
    from experiments.sweepable import Row, Sweepable

Outcome = tuple[str, "Row | Failed"]
"""Identity of a point, and what came of it."""

# Threads of the CPU backend of XLA; read when the backend starts.
_THREADS, _ONE = "NPROC", "1"
_KEPT_PROGRAMS = "JAX_COMPILATION_CACHE_DIR"
_ERROR_CHARACTERS = 500

# A worker of somebody else's cluster may have several threads, and experiments keep models between chunks.
_one_at_a_time = threading.Lock()
_sweepables: dict[str, "Sweepable"] = {}


class OtherCode(RuntimeError):
    """A worker whose code or libraries are not those of the command."""


def compute_chunk(loader: str, stamp: str, points: Sequence[Point]) -> list[Outcome]:
    """Compute points in the order given. RuntimeError (`OtherCode`) if this is not the code that was asked for.

    Where an experiment raises an error instead of answering `Failed`, that is the answer of the first point that has
    none, and the experiment is asked for the rest.
    """
    _check(stamp)
    with _one_at_a_time:
        outcomes: list[Outcome] = []
        left = list(points)
        while left:
            try:
                for point, found in _sweepable(loader).evaluate(left):
                    outcomes.append((point.identity, found))
                return outcomes
            except Exception as error:
                answered = {identity for identity, _ in outcomes}
                culprit, *left = (point for point in left if point.identity not in answered)
                outcomes.append((culprit.identity, Failed(in_one_line(error))))
        return outcomes


def worker_facts() -> dict[str, Any]:
    """What has to agree between command and worker, and where the worker is."""
    from experiments.environment import stamp

    return {"stamp": stamp(), "host": platform.node(), "python": platform.python_version()}


def backend() -> str | None:
    """The JAX backend of this process, None where JAX was not used."""
    return sys.modules["jax"].default_backend() if "jax" in sys.modules else None


def in_one_line(error: BaseException) -> str:
    """Type and message of an error, one line of bearable length."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= _ERROR_CHARACTERS else f"{text[:_ERROR_CHARACTERS]}..."


def dask_setup(worker: Any) -> None:
    """Called by Dask in a worker of our own that starts: Ctrl-C is for the command, which ends its workers itself."""
    del worker
    _compute_with_one_thread()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _check(stamp: str) -> None:
    from experiments.environment import stamp as own_stamp

    if own_stamp() != stamp:
        raise OtherCode(f"worker on {platform.node()} has other code or other libraries than the command")
    if os.environ.get(_THREADS) != _ONE:
        if "jax" in sys.modules:
            raise OtherCode(
                f"worker on {platform.node()} may compute with several threads; start it with {_THREADS}={_ONE}"
            )
        _compute_with_one_thread()


def _compute_with_one_thread() -> None:
    """Environment that JAX reads when it starts; programs kept on disk may have been compiled for more threads."""
    os.environ[_THREADS] = _ONE
    os.environ.pop(_KEPT_PROGRAMS, None)
    use_full_vectors()


def _sweepable(loader: str) -> "Sweepable":
    from experiments.sweep_experiments import load_sweepable

    if loader not in _sweepables:
        _sweepables[loader] = load_sweepable(loader)
    return _sweepables[loader]
