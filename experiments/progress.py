"""Progress of a long run on standard error: a bar on a terminal, plain lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any, Self


class Progress:
    """Counts finished steps of a known total; use as a context manager.

    On a terminal the bar is the last line and notes scroll above it; elsewhere every step is one line with the time
    that has passed, so that a log stays readable.
    """

    def __init__(self, total: int, title: str) -> None:
        self.total, self.title, self.done = total, title, 0
        self._start_s = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(self.title, total=self.total)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def note(self, text: str) -> None:
        """Say something that is not a finished step."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def step(self, text: str) -> None:
        """One more step is finished; `text` says which, and what came out."""
        self.done += 1
        if self._bar is not None:
            self._bar.advance(self._task)
            self.note(text)
        else:
            width = len(str(self.total))
            self.note(f"[{self.done:{width}}/{self.total} {time.monotonic() - self._start_s:5.0f} s] {text}")
