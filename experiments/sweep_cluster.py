"""Spreading chunks over Dask workers: processes of this machine on the loopback interface, or a running cluster."""

import collections
import contextlib
import dataclasses
import logging
import os
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from experiments.errors import RequestError
from experiments.sweep_plan import Chunk
from experiments.sweep_worker import Outcome, backend, compute_chunk, in_one_line, worker_facts
from experiments.sweepable import Failed

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_S = 10
_WORKERS_S = 60
# A chunk is given up when so many workers have died over it.
_DEATHS = 3
# Chunks handed out per computing thread: one at work, one in reserve.
_IN_FLIGHT = 2
# How often to look after workers while no chunk arrives, how long to wait for any worker, and for a result.
_LOOK_S = 5
_NO_WORKERS_S = 180
_FETCH_S = 60

_LOCAL_SETTINGS = {
    "distributed.scheduler.allowed-failures": _DEATHS - 1,
    # One chunk at a time is with a worker, so that a worker that dies takes no other chunk's chances with it.
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "logging.distributed": "critical",
}


class ClusterLost(RuntimeError):
    """The scheduler does not answer any more."""


@dataclasses.dataclass(frozen=True)
class Found:
    """What came of a chunk.

    Attributes:
        outcomes: by point, in the order of the chunk.
        lost: whether no worker survived it, so that it should be tried again another time.
    """

    outcomes: list[Outcome]
    lost: bool = False


@contextlib.contextmanager
def local_client(workers: int) -> Iterator["Client"]:
    """Worker processes of our own, one computing thread each; they end with the block, or with this process."""
    from dask import config
    from distributed import Client, LocalCluster

    # Dask counts the memory of models as a leak and would stop a worker for good; the system kills what is too much.
    unlimited = 0
    with (
        config.set(_LOCAL_SETTINGS),
        _quiet(),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=unlimited,
            preload=["experiments.sweep_worker"],
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextlib.contextmanager
def cluster_client(address: str, stamp: str) -> Iterator["Client"]:
    """A running cluster; RequestError for one that does not answer, has no workers, or runs other code."""
    from dask import config
    from distributed import Client

    settings = {"distributed.comm.timeouts.connect": f"{_CONNECT_S}s"}
    with config.set(settings), _quiet():
        try:
            client = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise RequestError(
                f"--cluster {address} does not answer; start one with: dask scheduler ({in_one_line(error)})"
            ) from None
        with client:
            _check_workers(client, address, stamp)
            yield client


def _check_workers(client: "Client", address: str, stamp: str) -> None:
    try:
        client.wait_for_workers(1, timeout=_WORKERS_S)
    except TimeoutError:
        raise RequestError(f"--cluster {address} has no workers; start some with: dask worker {address}") from None
    try:
        facts: Any = client.run(worker_facts)
    except Exception as error:
        raise RequestError(
            f"--cluster {address}: a worker cannot run this code ({in_one_line(error)}); install this exalight there"
        ) from None
    for worker, found in facts.items():
        if found["stamp"] != stamp:
            raise RequestError(
                f"--cluster {address}: worker {worker} on {found['host']} has other code, other libraries or another "
                f"Python ({found['python']}) than this command; install the same versions there"
            )


def execute(
    client: "Client",
    chunks: Sequence[Chunk],
    loader: str,
    stamp: str,
    finished: Callable[[Chunk, Found], None],
) -> None:
    """Compute chunks in any order and call `finished` for each, in this thread, as soon as it is there.

    Few chunks are handed out at a time. A chunk whose worker dies is tried on others, and given up after the third
    death. Raises ClusterLost when the scheduler or all workers are gone; what `finished` raises ends the work.
    """
    waiting, flying = collections.deque(chunks), {}
    arrivals: queue.SimpleQueue[Any] = queue.SimpleQueue()
    seen_s = time.monotonic()
    while waiting or flying:
        with _lost_if_closed():
            threads: Any = client.nthreads()
            if threads:
                seen_s = time.monotonic()
            elif time.monotonic() - seen_s > _NO_WORKERS_S:
                raise ClusterLost(f"there has been no worker for {_NO_WORKERS_S} s")
            while waiting and len(flying) < _IN_FLIGHT * max(1, sum(threads.values())):
                chunk = waiting.popleft()
                points = [planned.point for planned in chunk.points]
                future = client.submit(compute_chunk, loader, stamp, points, key=f"chunk-{chunk.name}", pure=False)
                flying[future.key] = (chunk, future)
                future.add_done_callback(arrivals.put)
            try:
                arrived = arrivals.get(timeout=_LOOK_S)
            except queue.Empty:
                _replace_lost_workers(client)
                continue
            chunk, future = flying[arrived.key]
            found = _found(chunk, future)
        if found is None:
            future.add_done_callback(arrivals.put)
        else:
            del flying[arrived.key]
            finished(chunk, found)


def _replace_lost_workers(client: "Client") -> None:
    """Start what is missing of our own workers: Dask forgets one that dies again before it has fully started."""
    if client.cluster is not None:
        client.cluster.scale(len(client.cluster.worker_spec))


@contextlib.contextmanager
def _lost_if_closed() -> Iterator[None]:
    """ClusterLost for what Dask says when its scheduler is gone."""
    from distributed import CancelledError

    try:
        yield
    except (CancelledError, OSError, TimeoutError) as error:
        raise ClusterLost("the Dask scheduler does not answer any more") from error


def backends(client: "Client") -> list[str]:
    """The JAX backends that workers use."""
    try:
        names: Any = client.run(backend)
        return sorted({name for name in names.values() if name is not None})
    except (OSError, TimeoutError, ValueError):
        return []


def default_workers() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _found(chunk: Chunk, future: Any) -> Found | None:
    """What came of a chunk; None if it went away with its worker before it was fetched, and is computed again."""
    from distributed import CancelledError, KilledWorker

    try:
        return Found(future.result(timeout=_FETCH_S))
    except CancelledError:
        raise
    except KilledWorker:
        reason = f"its worker died {_DEATHS} times over this chunk of {len(chunk.points)} points (out of memory?)"
    except TimeoutError:
        return None
    except Exception as error:  # of Dask, or OtherCode: those of the experiment come as outcomes
        reason = in_one_line(error)
    return Found([(planned.identity, Failed(reason)) for planned in chunk.points], lost=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Dask reports what we handle ourselves; keep it from the terminal."""
    names = [name for name in logging.Logger.manager.loggerDict if name.partition(".")[0] == "distributed"]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
