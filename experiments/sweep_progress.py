"""Progress of a sweep on standard error: points done, rate, time left, the best point so far."""

import sys
import time
from types import TracebackType
from typing import Any, Self

# Between plain lines: a log of a day stays readable, one of a minute says something.
_LINE_EVERY_S = (2.0, 60.0)


class SweepProgress:
    """Counts finished points of a known total; use as a context manager.

    On a terminal a bar with what is best so far beside it; elsewhere plain lines, the longer the sweep takes the more
    seldom. Points that were stored before count as done but not for the rate.
    """

    def __init__(self, total: int, objective: str) -> None:
        self.total, self.objective = total, objective
        self.done = self.kept = self.failed = 0
        self.best: str | None = None
        self._start_s = self._line_s = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn
            from rich.table import Column

            narrow = Column(no_wrap=True, overflow="ellipsis")
            words = TextColumn("{task.fields[words]}", markup=False, table_column=narrow)
            bar = BarColumn(bar_width=20, table_column=Column(min_width=20))
            self._bar = Progress(bar, words, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("", total=self.total, words="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def start(self) -> None:
        """Computing begins; what came before does not count for the rate."""
        self._start_s = self._line_s = time.monotonic()

    def note(self, text: str) -> None:
        """Say something that is not progress."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def advance(self, points: int, failed: int, best: str | None, kept: bool = False) -> None:
        """More points are finished, some of them failed; `best` is the best of all so far in words."""
        self.done += points
        self.failed += failed
        self.best = best
        if kept:
            self.kept += points
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, words=f"{self.done}/{self.total} {self._words()}")
        elif not kept and self._line_due():
            self._line_s = time.monotonic()
            width = len(str(self.total))
            self.note(f"[{self.done:{width}}/{self.total}] {self._words()}")

    def _line_due(self) -> bool:
        now = time.monotonic()
        every_s = min(max((now - self._start_s) / 10, _LINE_EVERY_S[0]), _LINE_EVERY_S[1])
        return self.done == self.total or now - self._line_s >= every_s

    def _words(self) -> str:
        passed_s, computed = time.monotonic() - self._start_s, self.done - self.kept
        words = []
        if computed and passed_s:
            rate = computed / passed_s
            words.append(f"{rate:.3g} points/s")
            if self.done < self.total:
                words.append(f"{duration((self.total - self.done) / rate)} left")
            else:
                words.append(duration(passed_s))
        if self.failed:
            words.append(f"{self.failed} failed")
        if self.best is not None:
            words.append(f"best {self.objective} {self.best}")
        return ", ".join(words)


def duration(seconds: float) -> str:
    """A time as people say it: 42 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
