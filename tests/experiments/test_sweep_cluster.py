"""Two real worker processes, shared by the tests of this file."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.environment import stamp
from experiments.errors import RequestError
from experiments.sweep_axes import read_axes
from experiments.sweep_cluster import ClusterLost, cluster_client, default_workers, execute, local_client
from experiments.sweep_config import SweepConfig
from experiments.sweep_plan import Chunk, make_plan
from experiments.sweepable import Failed
from tests.experiments.swept import LOADER, SWEPT, Swept

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def client():
    with local_client(2) as made:
        yield made


def chunks(*items: str, **options) -> tuple[Chunk, ...]:
    config = SweepConfig(experiment="swept", set=items, **options)
    return make_plan(config, SWEPT, read_axes(SWEPT, items), Swept()).chunks


def results(client, work) -> dict:
    found = {}
    execute(client, work, LOADER, stamp(), lambda chunk, one: found.update(dict(one.outcomes)))
    return found


def test_the_order_does_not_matter(client):
    work = chunks("x=0:1:lin20", seeds=2)
    forwards = results(client, work)
    assert len(forwards) == 40
    assert results(client, work[::-1]) == forwards


def test_nobody_else_can_reach_the_workers(client):
    info = client.scheduler_info(n_workers=-1)
    addresses = [info["address"], *info["workers"], *(worker["nanny"] for worker in info["workers"].values())]
    assert len(addresses) == 5
    assert all(address.startswith("tcp://127.0.0.1:") for address in addresses)


def test_workers_have_one_thread_and_leave_interrupts_alone(client):
    assert set(client.nthreads().values()) == {1}
    assert set(client.run(lambda: os.environ["NPROC"]).values()) == {"1"}
    assert set(client.run(lambda: signal.getsignal(signal.SIGINT)).values()) == {signal.SIG_IGN}


def test_a_killed_worker_costs_nothing_and_a_deadly_point_only_its_chunk(client, tmp_path):
    marker = tmp_path / "killed-once"
    work = chunks("n=1,2,3", f"what=once{marker},compute,die")
    assert [len(chunk.points) for chunk in work] == [3, 3, 3]
    harmless = chunks("n=4,5,6,7", f"what=once{marker},compute")
    found, lost = {}, set()

    def finished(chunk, one):
        found[chunk.name] = [outcome for _, outcome in one.outcomes]
        if one.lost:
            lost.add(chunk.name)

    execute(client, (*harmless, work[0]), LOADER, stamp(), finished)
    assert marker.exists()
    assert lost == {work[0].name}
    assert all(isinstance(one, Failed) and "died 3 times" in one.error for one in found[work[0].name])
    assert all("y" in row for chunk in harmless for row in found[chunk.name])


def test_a_chunk_that_no_worker_may_compute_is_tried_again_another_time(client):
    (work,) = chunks("x=5")
    found = []
    execute(client, [work], LOADER, "0123456789abcdef", lambda chunk, one: found.append(one))
    assert found[0].lost
    assert "other code" in found[0].outcomes[0][1].error


def test_workers_that_dask_gave_up_are_replaced(client, monkeypatch):
    from dask import config

    monkeypatch.setattr("experiments.sweep_cluster._LOOK_S", 0.5)
    with config.set({"distributed.deploy.lost-worker-timeout": "0.1s"}):
        for nanny in list(client.cluster.workers.values()):
            client.sync(nanny.close)
        assert all("y" in row for row in results(client, chunks("x=6:9:lin4")).values())


def test_without_any_worker_the_work_ends(client, monkeypatch):
    monkeypatch.setattr("experiments.sweep_cluster._NO_WORKERS_S", 0)
    monkeypatch.setattr("experiments.sweep_cluster._LOOK_S", 0.1)
    monkeypatch.setattr(client, "nthreads", dict)
    with pytest.raises(ClusterLost, match="no worker for 0 s"):
        results(client, chunks("x=10", "what=sleep1"))


def test_what_cannot_be_reached_is_refused(free_port, monkeypatch):
    monkeypatch.setattr("experiments.sweep_cluster._CONNECT_S", 1)
    with (
        pytest.raises(RequestError, match="does not answer"),
        cluster_client(f"tcp://127.0.0.1:{free_port}", stamp()),
    ):
        pass


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_running_cluster_and_the_death_of_its_scheduler(free_port, monkeypatch):
    address = f"tcp://127.0.0.1:{free_port}"
    scheduler = start("dask_scheduler", "--host", "127.0.0.1", "--port", str(free_port))
    worker = start("dask_worker", address, "--nworkers", "1", "--nthreads", "1", "--no-nanny")
    try:
        monkeypatch.setattr("experiments.sweep_cluster._CONNECT_S", 60)
        with (
            pytest.raises(RequestError, match="other code, other libraries or another Python"),
            cluster_client(address, "0123456789abcdef"),
        ):
            pass
        done = []
        with cluster_client(address, stamp()) as client:
            (quick,) = chunks("x=1,2")
            execute(client, [quick], LOADER, stamp(), lambda chunk, one: done.append(one))
            assert all("y" in row for _, row in done[0].outcomes)

            def kill(chunk, one):
                done.append(one)
                scheduler.kill()

            with pytest.raises(ClusterLost, match="does not answer"):
                execute(client, [*chunks("x=3"), *chunks("x=4", "what=sleep30")], LOADER, stamp(), kill)
        assert len(done) == 2
    finally:
        for process in (scheduler, worker):
            process.kill()
            process.wait()


def start(name: str, *arguments: str) -> subprocess.Popen:
    command = [sys.executable, "-m", f"distributed.cli.{name}", *arguments, "--no-dashboard"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_workers_by_default_are_the_cores():
    assert 1 <= default_workers() <= (os.cpu_count() or 1)


def test_workers_end_with_the_command(tmp_path):
    code = (
        "import os, signal; from experiments.sweep_cluster import local_client\n"
        "if __name__ == '__main__':\n"
        "    with local_client(1) as client:\n"
        "        print(*client.run(os.getpid).values(), flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    script = tmp_path / "command.py"
    script.write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == -signal.SIGKILL
    worker = int(done.stdout)
    end = time.monotonic() + 30
    while alive(worker) and time.monotonic() < end:
        time.sleep(0.1)
    assert not alive(worker)


def alive(process: int) -> bool:
    """Whether a process runs; one that has ended and waits for somebody to notice does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
