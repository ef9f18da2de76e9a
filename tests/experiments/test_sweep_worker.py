import os
import sys

import pytest

from experiments.environment import stamp
from experiments.sweep_axes import read_axes
from experiments.sweep_config import SweepConfig
from experiments.sweep_plan import make_plan
from experiments.sweep_worker import OtherCode, compute_chunk, dask_setup, in_one_line, worker_facts
from experiments.sweepable import Failed
from tests.experiments.swept import LOADER, SWEPT, Swept


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("NPROC", "1")


def points(*items: str):
    config = SweepConfig(experiment="swept", set=items)
    return [planned.point for planned in make_plan(config, SWEPT, read_axes(SWEPT, items), Swept()).points]


def test_points_are_answered_in_order():
    asked = points("x=1,2", "what=compute,fail")
    outcomes = compute_chunk(LOADER, stamp(), asked)
    assert [identity for identity, _ in outcomes] == [point.identity for point in asked]
    assert [isinstance(found, Failed) for _, found in outcomes] == [False, True] * 2


def test_an_error_fails_one_point_and_the_others_go_on():
    asked = points("n=1,2", "what=compute,raise,fail")
    outcomes = compute_chunk(LOADER, stamp(), asked)
    assert [identity for identity, _ in outcomes] == [point.identity for point in asked]
    assert [found.error if isinstance(found, Failed) else None for _, found in outcomes] == [
        None,
        "ValueError: poisoned point",
        "not this one",
    ] * 2


def test_an_experiment_that_cannot_be_imported_fails_its_points():
    ((_, found),) = compute_chunk("tests.experiments.swept:Missing", stamp(), points("x=1"))
    assert isinstance(found, Failed) and "Missing" in found.error


def test_other_code_computes_nothing():
    with pytest.raises(OtherCode, match="other code"):
        compute_chunk(LOADER, "0123456789abcdef", points("x=1"))
    assert worker_facts()["stamp"] == stamp()


def test_a_process_with_several_threads_computes_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    monkeypatch.setenv("NPROC", "2")
    with pytest.raises(OtherCode, match="NPROC=1"):
        compute_chunk(LOADER, stamp(), points("x=1"))


def test_a_worker_of_our_own_starts_with_one_thread(monkeypatch, interruptible):
    monkeypatch.delenv("NPROC")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "of others")
    dask_setup(None)
    assert os.environ["NPROC"] == "1"
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


def test_errors_in_one_line():
    assert in_one_line(ValueError("two\n lines")) == "ValueError: two lines"
    assert len(in_one_line(ValueError("x" * 9999))) < 600
