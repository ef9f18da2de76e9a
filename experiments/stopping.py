"""SIGTERM as an exception, so that a run which is told to end can put away what it has."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from experiments.errors import Stopped


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM raise Stopped, as SIGINT raises KeyboardInterrupt; outside the main thread nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
