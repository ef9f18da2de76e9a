"""Two texts side by side as they grow: redrawn in place on a terminal, one line per token elsewhere."""

import dataclasses
import sys
import unicodedata
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from experiments.continuation import Continuation, first_difference
from experiments.progress import Progress
from experiments.words import output_console

_PARTED = {"digital": "cyan", "optical": "yellow"}
_REFRESH_HZ = 8.0


@dataclasses.dataclass(frozen=True)
class Pair:
    """A prompt, and what the two machines write after it."""

    prompt: str
    digital: Continuation
    optical: Continuation

    @property
    def first_difference(self) -> int | None:
        """Index of the first new token at which they part, None while they do not."""
        return first_difference(self.digital.token_ids, self.optical.token_ids)

    @property
    def ended(self) -> bool:
        """Whether both texts are finished."""
        return None not in (self.digital.ended, self.optical.ended)


class Display(Protocol):
    """Where a run says what it does and shows what it has written; used as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None: ...

    def note(self, text: str) -> None:
        """Say what takes time now."""
        ...

    def show(self, pairs: Sequence[Pair]) -> None:
        """Every pair has one more token, or has ended."""
        ...


def make_display(heading: str, new_tokens: int) -> Display:
    """Columns that grow in place where standard output is a terminal, else lines on standard error."""
    return _Columns(heading) if sys.stdout.isatty() else _Lines(new_tokens)


class _Lines:
    """One plain line per token on standard error (a bar with notes, if that is a terminal)."""

    def __init__(self, new_tokens: int) -> None:
        self._progress = Progress(new_tokens, "generate")

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, value, trace)

    def note(self, text: str) -> None:
        self._progress.note(text)

    def show(self, pairs: Sequence[Pair]) -> None:
        index = self._progress.done
        shown = (_token_line(pair, index) for pair in pairs)
        self._progress.step("  |  ".join(text for text in shown if text))


def _token_line(pair: Pair, index: int) -> str:
    """What was written at one place; "" where both texts had ended."""
    words = [
        f"{name} {quoted(text.token(index))}"
        for name, text in (("digital", pair.digital), ("optical", pair.optical))
        if index < len(text.token_ids)
    ]
    return ", ".join(words) + " (they part)" * (pair.first_difference == index)


class _Columns:
    """The last lines of two columns, redrawn in place on standard output and wiped at the end."""

    def __init__(self, heading: str) -> None:
        self._heading, self._note = heading, ""
        self._pairs: Sequence[Pair] = ()
        self._live = Live(
            console=output_console(), get_renderable=self._view, refresh_per_second=_REFRESH_HZ, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def note(self, text: str) -> None:
        self._note = text
        self._live.refresh()

    def show(self, pairs: Sequence[Pair]) -> None:
        self._pairs = pairs
        written = max(len(text.token_ids) for pair in pairs for text in (pair.digital, pair.optical))
        self._note = f"{written} tokens"
        self._live.refresh()

    def _view(self) -> RenderableType:
        return _Tail(Group(*(side_by_side(pair, self._heading) for pair in self._pairs), Text(self._note, "dim")))


@dataclasses.dataclass(frozen=True)
class _Tail:
    """The lines of a view that fit on the screen, the last ones: text grows at its end."""

    view: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.view, options, pad=False)
        # One line stays free for the cursor.
        for line in lines[-max(console.height - 1, 1) :]:
            yield from line
            yield Segment.line()


def side_by_side(pair: Pair, heading: str) -> RenderableType:
    """Prompt above, digital left, optical right; what follows the place at which they part is coloured."""
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("digital", ratio=1, overflow="fold")
    table.add_column(heading, ratio=1, overflow="fold")
    place = pair.first_difference
    table.add_row(_marked(pair.digital, place, "digital"), _marked(pair.optical, place, "optical"))
    return Group(Text.assemble(("prompt ", "bold"), (printable(pair.prompt), "dim")), table, Text())


def _marked(text: Continuation, place: int | None, name: str) -> Text:
    whole = printable(text.text)
    shared = len(whole) if place is None else len(printable(text.text_before(place)))
    return Text.assemble(whole[:shared], (whole[shared:], _PARTED[name]), (ending(text), "dim"))


def ending(text: Continuation) -> str:
    """How a text ended, to stand behind it; "" where it was cut at the greatest length or goes on."""
    return {"stop token": " [end]", "interrupted": " [interrupted]"}.get(text.ended or "", "")


def quoted(text: str) -> str:
    """A token as it stands in a sentence."""
    return '"' + printable(text).replace("\n", "\\n") + '"'


def printable(text: str) -> str:
    """A text without control codes, which would move the cursor: escaped, but for line breaks; tabs as spaces."""
    text = text.expandtabs(4)
    return "".join(c if c == "\n" or unicodedata.category(c) != "Cc" else f"\\x{ord(c):02x}" for c in text)
