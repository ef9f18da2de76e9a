import io
import re

import pytest
from rich.console import Console

from experiments.continuation import Continuation
from experiments.generate_display import Pair, make_display, printable, quoted, side_by_side
from tests.models.transformer.tiny_folder import END_OF_TEXT, byte_tokenizer

TOKENIZER = byte_tokenizer()
(END,) = TOKENIZER.encode(END_OF_TEXT).ids
HEADING = "optical (test, 30 mW per source)"


def continuation(text: str, stop: bool = False, length: int = 5000) -> Continuation:
    result = Continuation(TOKENIZER, (END,), length)
    for token in [*TOKENIZER.encode(text, add_special_tokens=False).ids, *[END] * stop]:
        result.append(token, 0.5)
    return result


def pair(digital: str = "abc", optical: str = "abd") -> Pair:
    return Pair("Say:", continuation(digital), continuation(optical))


def rendered(view, width: int = 80, height: int = 25, color: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, height=height, force_terminal=color, color_system="standard" if color else None
    )
    console.print(view)
    return console.file.getvalue()  # pyright: ignore


def test_a_pair_knows_where_it_parts_and_ends():
    assert pair().first_difference == 2
    assert pair("abc", "abc").first_difference is None
    assert not pair().ended
    assert Pair("", continuation("a", stop=True), continuation("abc", length=3)).ended
    assert Pair("", continuation("ab", stop=True), continuation("abc")).first_difference == 2


def test_lines_without_a_terminal(capsys):
    texts = Pair("Say:", continuation(""), continuation(""))
    with make_display(HEADING, 3) as display:
        display.note("loading")
        for digital, optical in (("a", "a"), ("\n", "c")):
            texts.digital.append(TOKENIZER.encode(digital).ids[0], 0.5)
            texts.optical.append(TOKENIZER.encode(optical).ids[0], 0.5)
            display.show([texts])
        texts.digital.interrupt()
        texts.optical.append(END, 0.5)
        display.show([texts])
    captured = capsys.readouterr()
    assert captured.out == ""
    note, *steps = captured.err.splitlines()
    assert note == "loading"
    assert [re.sub(r"^\[ *(\d)/3 .* s\] ", r"\1: ", step) for step in steps] == [
        '1: digital "a", optical "a"',
        r'2: digital "\n", optical "c" (they part)',
        f'3: optical "{END_OF_TEXT}"',
    ]


def test_several_prompts_share_a_line(capsys):
    with make_display(HEADING, 1) as display:
        display.show([pair("a", "b"), pair("c", "c")])
    assert 'digital "a", optical "b" (they part)  |  digital "c", optical "c"' in capsys.readouterr().err


def test_columns_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setenv("LINES", "10")
    # Far more lines than the screen has: the last ones are shown.
    texts = pair("first " * 60 + "LEFT", "first " * 60 + "RIGHT")
    with make_display(HEADING, 3000) as display:
        display.note("loading")
        display.show([texts])
    written = terminal.getvalue()
    assert "loading" in written
    assert "LEFT" in written
    assert "RIGHT" in written
    last_frame = written[written.rindex("loading") :]
    assert last_frame.count("\n") < 20


def test_what_differs_is_coloured():
    view = side_by_side(pair("same, then this", "same, then that"), HEADING)
    plain = rendered(view)
    assert plain.splitlines()[0].strip() == "prompt Say:"
    assert plain.splitlines()[2].split("  ")[0] == "same, then this"
    assert plain.splitlines()[2].strip().endswith("same, then that")
    coloured = rendered(view, color=True)
    assert "\x1b[36mis" in coloured
    assert "\x1b[33mat" in coloured


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\nb\tc", "a\nb   c"), ("\x1b[2J\x07\r", "\\x1b[2J\\x07\\x0d"), ("\x9b1m", "\\x9b1m"), ("é🙂 日本", "é🙂 日本")],
)
def test_control_codes_are_escaped(text, expected):
    assert printable(text) == expected


def test_a_quoted_token_stays_on_its_line():
    assert quoted(" a\nb") == '" a\\nb"'
