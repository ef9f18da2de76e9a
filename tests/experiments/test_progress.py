import io
import sys

from experiments.progress import Progress


def test_plain_lines_without_a_terminal(capsys):
    with Progress(12, "accuracy") as progress:
        progress.note("loading")
        progress.step("first")
    captured = capsys.readouterr()
    assert captured.out == ""
    note, step = captured.err.splitlines()
    assert note == "loading"
    assert step.startswith("[ 1/12 ")
    assert step.endswith("first")


def test_a_bar_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with Progress(2, "accuracy") as progress:
        progress.step("[1/2] half way")
        progress.step("done")
    assert "[1/2] half way" in terminal.getvalue()
    assert "\x1b[" in terminal.getvalue()
