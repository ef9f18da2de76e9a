import pytest

from experiments import sweep_progress
from experiments.sweep_progress import SweepProgress, duration


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told."""
    now = [100.0]
    monkeypatch.setattr(sweep_progress.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_lines_tell_rate_time_left_failures_and_the_best(clock, capsys):
    with SweepProgress(100, "kl_nats") as progress:
        progress.advance(20, 0, "0.5 at x=1", kept=True)
        clock(3)
        progress.start()
        clock(10)
        progress.advance(20, 1, "0.25 at x=2")
    assert capsys.readouterr().err == ("[ 40/100] 2 points/s, 30 s left, 1 failed, best kl_nats 0.25 at x=2\n")


def test_a_long_sweep_writes_few_lines(clock, capsys):
    with SweepProgress(10_000, "y") as progress:
        for _ in range(10_000):
            clock(1)
            progress.advance(1, 0, None)
    lines = capsys.readouterr().err.splitlines()
    # Every 2 s at first, later every minute: 10,000 s have 167 minutes.
    assert 150 < len(lines) < 230
    assert lines[-1] == "[10000/10000] 1 points/s, 2 h 46 min"


def test_points_of_before_are_no_rate(clock, capsys):
    with SweepProgress(4, "y") as progress:
        clock(5)
        progress.advance(4, 0, None, kept=True)
        progress.note("all kept")
    assert capsys.readouterr().err == "all kept\n"


def test_durations():
    assert [duration(s) for s in (0.4, 59.4, 200, 7500)] == ["0 s", "59 s", "3 min 20 s", "2 h 5 min"]
