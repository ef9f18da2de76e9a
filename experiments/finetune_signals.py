"""SIGINT and SIGTERM as a wish: the step that runs is finished first, then the run saves itself and ends."""

import contextlib
import dataclasses
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType


@dataclasses.dataclass
class Finishing:
    """Whether somebody asked the run to end.

    Attributes:
        requested: number of the first signal that came, or None.
    """

    requested: int | None = None

    @property
    def status(self) -> int:
        """Exit status of a run that ended for it: 128 and the number of the signal."""
        return 128 + (self.requested or 0)


@contextlib.contextmanager
def finishing() -> Iterator[Finishing]:
    """Note SIGINT and SIGTERM instead of ending at once; a second SIGINT raises KeyboardInterrupt.

    Outside the main thread nothing changes. What was there before is put back.
    """
    wish = Finishing()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def note(number: int, frame: FrameType | None) -> None:
        del frame
        if wish.requested is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        if wish.requested is None:
            print(
                "finishing what is being computed, then saving; Ctrl-C again ends at once", file=sys.stderr, flush=True
            )
        wish.requested = wish.requested or number

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
