"""The text that is predicted: Python's own manual by default, or a user's file."""

import codecs
import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.errors import RequestError

# Topics of `pydoc_data.topics` in the order in which they are measured. None repeats another: `pydoc_data` also
# holds excerpts of these (naming, try, attribute-access ...), which would be measured twice.
MEASURED_TOPICS = (
    "objects",
    "execmodel",
    "compound",
    "types",
    "typesseq",
    "formatstrings",
    "strings",
    "comparisons",
    "calls",
    "operator-summary",
    "assignment",
    "specialnames",
)
CALIBRATION_TOPICS = ("import", "binary", "raise", "identifiers", "subscriptions")
"""Topics that are never measured; none of them repeats a measured one."""

# More of a file is never needed at any sensible number of tokens; it bounds time and memory.
_FILE_BYTE_PER_TOKEN = 64
_FILE_BYTE_MIN = 4 << 20


@dataclasses.dataclass(frozen=True)
class Text:
    """Text to measure, and where the calibration sample comes from.

    Attributes:
        source: what the text is, in words.
        measured: the text whose first tokens are measured.
        calibration: text for the calibration sample, or None where it is the end of `measured`.
        sha256: of `measured` and `calibration` as UTF-8.
    """

    source: str
    measured: str
    calibration: str | None
    sha256: str


@dataclasses.dataclass(frozen=True)
class Sample:
    """Token ids to measure and to calibrate on; the two come from different places of the text."""

    measured: list[int]
    calibration: list[int]


def read_text(path: str | None, tokens: int) -> Text:
    """The default text (`path` None) or a UTF-8 file, enough of it for `tokens` tokens to measure and calibrate on.

    RequestError where the file is absent, no file, not UTF-8, or too short whatever the tokenizer (a token takes at
    least one byte). Of a very large file only the beginning is used, and its end is where that part ends.
    """
    text = _default_text() if path is None else _file_text(Path(path), tokens)
    size_byte = len(text.measured.encode()) + len((text.calibration or "").encode())
    if size_byte < tokens:
        raise too_short(text.source, size_byte, tokens, bound="at most ")
    return text


def too_short(source: str, there: int, needed: int, bound: str = "") -> RequestError:
    """The refusal of a text with `there` tokens where `needed` are asked for."""
    return RequestError(
        f"{source} holds {bound}{there} tokens, and {needed} are needed to measure and to set the converter ranges; "
        "give a longer --text or fewer --tokens"
    )


def take_sample(text: Text, encode: Callable[[str], Sequence[int]], measured: int, calibration: int) -> Sample:
    """The first `measured` tokens, and `calibration` tokens that do not overlap them: the last ones of the text.

    RequestError with the number of tokens there and needed where the text is too short.
    """
    ids = list(encode(text.measured))
    if text.calibration is None:
        if len(ids) < measured + calibration:
            raise too_short(text.source, len(ids), measured + calibration)
        return Sample(ids[:measured], ids[len(ids) - calibration :])
    if len(ids) < measured:
        raise too_short(text.source, len(ids), measured)
    return Sample(ids[:measured], list(encode(text.calibration))[:calibration])


def prose(topic: str) -> str:
    """A topic of Python's manual without indented lines, underlines and sessions, one line per paragraph.

    Indented lines are code, grammar and nested lists, sessions start with ">>>"; line breaks inside a
    paragraph are a matter of typesetting that a language model would have to guess.
    """
    paragraphs: list[list[str]] = [[]]
    for line in topic.splitlines():
        if not line.strip():
            paragraphs.append([])
        elif not line[0].isspace() and set(line) > set(line[:1]):
            paragraphs[-1].append(" ".join(line.split()))
    kept = (" ".join(lines) for lines in paragraphs if lines and not lines[0].startswith(">>>"))
    return "\n".join(kept) + "\n"


def _default_text() -> Text:
    try:
        from pydoc_data.topics import topics
    except ImportError:
        raise RequestError("this Python comes without pydoc_data, the default text; give --text FILE") from None
    measured, calibration = (
        "\n".join(prose(topics[name]) for name in names if name in topics)
        for names in (MEASURED_TOPICS, CALIBRATION_TOPICS)
    )
    return Text("the default text (pydoc_data.topics)", measured, calibration, _sha256(measured, calibration))


def _file_text(path: Path, tokens: int) -> Text:
    limit_byte = max(_FILE_BYTE_MIN, _FILE_BYTE_PER_TOKEN * tokens)
    try:
        with path.open("rb") as file:
            raw = file.read(limit_byte + 1)
    except FileNotFoundError:
        raise RequestError(f"--text {path}: there is no such file") from None
    except OSError as error:
        raise RequestError(f"--text {path} cannot be read ({error.strerror}); give a UTF-8 text file") from error
    cut = len(raw) > limit_byte
    try:
        # Incremental, because a cut may fall inside a character.
        measured = codecs.getincrementaldecoder("utf-8")().decode(raw[:limit_byte], final=not cut)
    except UnicodeDecodeError as error:
        raise RequestError(f"--text {path} is not UTF-8 text (byte {error.start}); convert it first") from error
    return Text(f"--text {path}", measured, None, _sha256(measured, ""))


def _sha256(measured: str, calibration: str) -> str:
    return hashlib.sha256((measured + calibration).encode()).hexdigest()
