"""The whole command on an experiment of no cost: stored points, stops, failures, the same tables whatever happens."""

import contextlib
import dataclasses
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

from experiments import sweep, sweep_store
from experiments.cli import main
from experiments.sweep_cluster import ClusterLost, local_client
from experiments.sweep_experiments import EXPERIMENTS
from experiments.tables import read_table
from tests.experiments.swept import SWEPT

ROOT = Path(__file__).parents[2]
# The command in a process of its own, which knows the experiment of the tests.
COMMAND = (
    "import sys; from experiments.cli import main; from experiments.sweep_experiments import EXPERIMENTS;"
    "from tests.experiments.swept import SWEPT; EXPERIMENTS['swept'] = SWEPT; sys.exit(main(sys.argv[1:]))"
)
GRID = ("--set", "x=0:1:lin6", "n=1,2", "--seeds", "2")
FILES = ("points.parquet", "points.csv", "summary.parquet", "summary.csv", "result.json", "config.toml")


class Done(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture(scope="module")
def client():
    with local_client(2) as made:
        yield made


@pytest.fixture(autouse=True)
def known(monkeypatch, client):
    """The experiment is known, and computed by two workers that are there already."""
    monkeypatch.setitem(EXPERIMENTS, "swept", SWEPT)
    monkeypatch.setattr(sweep, "local_client", lambda workers: contextlib.nullcontext(client))


def run(out: Path, *argv: str) -> Done:
    """The command in this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
        status = main(["sweep", "swept", *argv, "--out", str(out)])
    return Done(status, stdout.getvalue(), stderr.getvalue())


def command(out: Path, *argv: str) -> subprocess.Popen:
    """The command as a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "sweep", "swept", *argv, "--out", str(out)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def chunks(folder: Path) -> set[str]:
    return {file.name for file in (folder / "points").glob("*.parquet")}


def wait_for_chunks(folder: Path, count: int) -> None:
    end = time.monotonic() + 60
    while len(chunks(folder)) < count and time.monotonic() < end:
        time.sleep(0.02)
    assert len(chunks(folder)) >= count


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, client) -> Path:
    """A sweep that nothing disturbed; only read from it."""
    folder = tmp_path_factory.mktemp("sweep") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPERIMENTS, "swept", SWEPT)
        patch.setattr(sweep, "local_client", lambda workers: contextlib.nullcontext(client))
        done = run(folder, *GRID)
    assert done.status == 0, done.err
    assert done.out.splitlines()[-1] == str(folder / "result.json")
    return folder


def test_the_table_has_settings_repetitions_and_what_was_found(whole):
    table = read_table(whole, "points")
    assert table.columns[:5] == ["identity", "x", "n", "seed", "instance"]
    assert table.columns[-1] == "error"
    assert table.height == 24
    assert table["seed"].to_list() == [0, 1] * 12
    assert table["error"].null_count() == 24
    summary = read_table(whole, "summary")
    assert summary.height == 12
    assert summary["y"][0] == pytest.approx(sum(table["y"][:2]) / 2)


def test_the_result_says_what_was_swept(whole):
    result = json.loads((whole / "result.json").read_text())
    assert {key: result[key] for key in ("experiment", "swept", "design", "points", "combinations", "failed")} == {
        "experiment": "sweep",
        "swept": "swept",
        "design": "grid",
        "points": 24,
        "combinations": 12,
        "failed": 0,
    }
    assert result["axes"][1] == {"path": "n", "values": [1, 2]}
    assert result["best"]["y"] == min(read_table(whole, "summary")["y"])
    assert tomllib.loads((whole / "config.toml").read_text())["options"]["seeds"] == 2
    assert json.loads((whole / "environment.json").read_text())["packages"]["distributed"]


def test_running_again_computes_nothing(whole, monkeypatch):
    before = files(whole)
    monkeypatch.setattr(sweep, "local_client", None)
    done = run(whole, *GRID)
    assert done.status == 0, done.err
    assert "24 of 24 points kept from before" in done.err
    assert files(whole) == before


def test_another_objective_computes_nothing(whole, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    monkeypatch.setattr(sweep, "local_client", None)
    done = run(folder, *GRID, "--objective", "y:max")
    summary = read_table(folder, "summary")
    assert f"largest y: {max(summary['y']):.4g}" in done.out
    assert json.loads((folder / "result.json").read_text())["best"]["y"] == max(summary["y"])
    assert "did you mean y?" in run(folder, *GRID, "--objective", "yy").out


def test_a_lost_chunk_is_computed_again(whole, tmp_path):
    folder = tmp_path / "run"
    assert run(folder, *GRID).status == 0
    stored = sorted((folder / "points").iterdir())
    stored[0].unlink()
    stored[1].write_bytes(stored[1].read_bytes()[:-9])
    done = run(folder, *GRID)
    assert "16 of 24 points kept from before" in done.err
    assert "1 stored chunk is of other code or libraries, or damaged: computed anew" in done.err
    assert files(folder) == files(whole)


def test_another_sweep_in_the_same_folder_is_refused(whole):
    done = run(whole, *GRID[:-1], "3")
    assert done.status == 2
    assert "options.seeds is 2 there and 3 here" in done.err


@pytest.mark.parametrize(("number", "words"), [(signal.SIGTERM, "stopped;"), (signal.SIGINT, "stopped;")])
def test_a_stopped_sweep_goes_on(whole, tmp_path, monkeypatch, interruptible, number, words):
    folder = tmp_path / "run"
    save, saved = sweep_store.ChunkStore.save, []

    def save_and_stop(self, chunk, rows):
        save(self, chunk, rows)
        saved.append(chunk)
        if len(saved) == 3:
            os.kill(os.getpid(), number)

    monkeypatch.setattr(sweep_store.ChunkStore, "save", save_and_stop)
    done = run(folder, *GRID)
    assert done.status == 1
    last = done.err.splitlines()[-1]
    assert last.startswith(f"exalight: {words}")
    assert f"of 24 points are kept in {folder}, the same command goes on from them" in last
    assert not (folder / "result.json").exists()
    monkeypatch.setattr(sweep_store.ChunkStore, "save", save)
    again = run(folder, *GRID)
    assert again.status == 0
    assert "points kept from before" in again.err
    assert files(folder) == files(whole)


def test_a_full_disk_keeps_what_is_stored(whole, tmp_path, monkeypatch):
    folder = tmp_path / "run"
    write, written = sweep_store.write_file, []

    def write_two(path, content):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        write(path, content)

    monkeypatch.setattr(sweep_store, "write_file", write_two)
    done = run(folder, *GRID)
    assert done.status == 1
    assert done.err.splitlines()[-1] == (
        f"exalight: stopped: {folder} cannot be written (No space left on device); "
        f"8 of 24 points are kept in {folder}, the same command goes on from them"
    )
    assert len(chunks(folder)) == 2
    monkeypatch.setattr(sweep_store, "write_file", write)
    assert run(folder, *GRID).status == 0
    assert files(folder) == files(whole)


def test_a_scheduler_that_is_gone_is_one_line(whole, tmp_path, monkeypatch):
    folder, execute = tmp_path / "run", sweep.execute

    def execute_some(client, work, *rest):
        execute(client, work[:1], *rest)
        raise ClusterLost("the Dask scheduler does not answer any more")

    monkeypatch.setattr(sweep, "execute", execute_some)
    done = run(folder, *GRID)
    assert done.status == 1
    assert done.err.splitlines()[-1] == (
        "exalight: stopped: the Dask scheduler does not answer any more; "
        f"4 of 24 points are kept in {folder}, the same command goes on from them"
    )
    monkeypatch.setattr(sweep, "execute", execute)
    assert run(folder, *GRID).status == 0
    assert files(folder) == files(whole)


def test_failed_points_do_not_stop_the_others(tmp_path):
    folder, argv = tmp_path / "run", ("--set", "x=-1,1,2", "what=compute,fail,raise")
    done = run(folder, *argv)
    assert done.status == 1
    assert done.out.splitlines()[-1] == str(folder / "result.json")
    assert "3 points cannot be computed, first: x=-1 what=compute: x is -1; it should be at least 0" in done.err
    assert done.err.splitlines()[-1] == ("exalight: 7 of 9 points failed, first: x is -1; it should be at least 0")
    table = read_table(folder, "points")
    assert (
        table["error"].to_list()
        == ["x is -1; it should be at least 0"] * 3
        + [
            None,
            "not this one",
            "ValueError: poisoned point",
        ]
        * 2
    )
    assert json.loads((folder / "result.json").read_text())["failed"] == 7
    # Failed points are finished, unless they are asked for.
    assert "6 of 9 points kept from before" in run(folder, *argv).err
    assert "kept from before" not in run(folder, *argv, "--retry-failed").err


def test_a_plan_is_shown_without_computing(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "local_client", None)
    done = run(tmp_path / "run", *GRID, "--set", "adc.bits=8", "--dry-run")
    assert done.status == 0
    assert done.out.splitlines() == [
        "24 points of exalight swept: 12 combinations x 2 seeds",
        "  x: 0, 0.2, 0.4, 0.6, 0.8, 1",
        "  n: 1, 2",
        "  adc.bits: 8",
        "6 chunks, each computed and stored as a whole",
    ]
    assert not (tmp_path / "run").exists()


def test_killed_without_warning_and_run_again_by_more_workers(tmp_path):
    folder, argv = tmp_path / "run", ("--set", "n=1:5:lin5", "what=slow-sum", "--seeds", "4")
    process = command(folder, *argv, "--workers", "1")
    try:
        wait_for_chunks(folder, 2)
    finally:
        process.kill()
        process.communicate()
    assert not (folder / "result.json").exists()
    assert len(chunks(folder)) < 5
    (folder / "points" / ".half.parquet.1.part").write_bytes(b"PAR1")
    # The rest is computed by two workers, and sums would differ if they had more threads than the one before.
    done = run(folder, *argv)
    assert done.status == 0
    assert "of 20 points kept from before" in done.err
    assert not list((folder / "points").glob(".*"))
    assert json.loads((folder / "environment.json").read_text())["backend"] == "cpu"
    undisturbed = tmp_path / "undisturbed"
    assert run(undisturbed, *argv).status == 0
    assert files(folder) == files(undisturbed)


def test_ctrl_c_on_a_terminal_is_one_line(tmp_path, interruptible):
    folder = tmp_path / "run"
    process = command(folder, "--set", "x=0:1:lin12", "what=sleep0.5", "--workers", "1")
    try:
        wait_for_chunks(folder, 1)
    finally:
        # A terminal sends it to every process of the group, workers included.
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    lines = [line for line in err.splitlines() if not line.startswith(("[", "starting", "computing"))]
    assert lines == [f"exalight: stopped; 4 of 12 points are kept in {folder}, the same command goes on from them"]


@pytest.mark.slow
def test_ten_thousand_cheap_points(tmp_path, monkeypatch, record_property):
    """Prints what the sweep costs per point beyond computing it; docs/sweep.md states it."""
    wide = dataclasses.replace(SWEPT, loader="tests.experiments.swept:WideSwept")
    monkeypatch.setitem(EXPERIMENTS, "swept", wide)
    before = time.perf_counter()
    done = run(tmp_path / "run", "--set", "x=0:1:lin1000", "--seeds", "10")
    overhead_s = (time.perf_counter() - before) / 10_000
    assert done.status == 0, done.err
    assert read_table(tmp_path / "run", "points").height == 10_000
    assert len(chunks(tmp_path / "run")) == 167
    record_property("overhead_per_point_s", overhead_s)
    print(f"{overhead_s * 1e3:.2f} ms per point")
