import hashlib

import pytest

from experiments.errors import RequestError
from experiments.text import CALIBRATION_TOPICS, MEASURED_TOPICS, Text, prose, read_text, take_sample

topics = pytest.importorskip("pydoc_data.topics").topics


def by_word(text: str) -> list[int]:
    """A tokenizer of one token per word."""
    return [hash(word) for word in text.split()]


def test_default_text_starts_with_objects_and_holds_enough():
    text = read_text(None, 1024 + 256)
    assert text.measured.startswith("Objects, values and types\n*Objects* are Python")
    assert len(text.measured) > 50_000
    assert text.sha256 == hashlib.sha256((text.measured + text.calibration).encode()).hexdigest()


def test_default_text_has_neither_code_nor_wrapped_lines():
    lines = read_text(None, 1).measured.splitlines()
    assert not [line for line in lines if line.startswith((" ", ">>>", "****", "===="))]
    assert max(map(len, lines)) > 200


def test_no_topic_repeats_another():
    names = [name for name in (*MEASURED_TOPICS, *CALIBRATION_TOPICS) if name in topics]
    seen: dict[str, str] = {}
    for name in names:
        long = {line for line in prose(topics[name]).splitlines() if len(line) > 120}
        repeated = [line for line in long if line in seen]
        assert len(repeated) <= 0.1 * len(long), (name, {seen[line] for line in repeated})
        seen |= dict.fromkeys(long, name)


def test_prose_joins_lines_and_drops_code():
    topic = "Title\n*****\n\nOne line\nand another:\n\n   code()\n\n-- [ Note ] --\n"
    assert prose(topic) == "Title\nOne line and another:\n-- [ Note ] --\n"


def test_sample_of_a_file_is_its_beginning_and_its_end(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(" ".join(map(str, range(30))))
    sample = take_sample(read_text(str(path), 25), lambda text: [int(word) for word in text.split()], 20, 5)
    assert sample.measured == list(range(20))
    assert sample.calibration == [25, 26, 27, 28, 29]


def test_calibration_never_overlaps(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(" ".join(map(str, range(30))))
    text = read_text(str(path), 31)
    with pytest.raises(RequestError, match="holds 30 tokens, and 31 are needed"):
        take_sample(text, by_word, 20, 11)
    assert len(take_sample(text, by_word, 20, 10).calibration) == 10


def test_default_text_too_short():
    with pytest.raises(RequestError, match=r"holds \d+ tokens, and 1000000 are needed"):
        take_sample(read_text(None, 1), by_word, 10**6, 256)


@pytest.mark.parametrize(
    ("content", "tokens", "message"),
    [
        (b"short", 100, "at most 5 tokens, and 100 are needed"),
        (b"", 2, "at most 0 tokens"),
        (b"caf\xe9 " * 50, 10, r"not UTF-8 text \(byte 3\)"),
    ],
)
def test_bad_files_are_refused(tmp_path, content, tokens, message):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(RequestError, match=message):
        read_text(str(path), tokens)


def test_absent_file_and_folder_are_refused(tmp_path):
    with pytest.raises(RequestError, match="no such file"):
        read_text(str(tmp_path / "absent.txt"), 10)
    with pytest.raises(RequestError, match="cannot be read"):
        read_text(str(tmp_path), 10)


def test_a_large_file_is_cut_between_characters(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.text._FILE_BYTE_MIN", 101)
    path = tmp_path / "text.txt"
    path.write_text("é" * 200, encoding="utf-8")
    text = read_text(str(path), 1)
    assert text == Text(f"--text {path}", "é" * 50, None, hashlib.sha256(("é" * 50).encode()).hexdigest())
