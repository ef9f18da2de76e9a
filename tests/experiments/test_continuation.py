import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.continuation import Continuation, first_difference
from tests.models.transformer.tiny_folder import END_OF_TEXT, byte_tokenizer

TOKENIZER = byte_tokenizer()
(END,) = TOKENIZER.encode(END_OF_TEXT).ids


def ids(text: str) -> list[int]:
    return TOKENIZER.encode(text, add_special_tokens=False).ids


def grown(tokens: list[int], length: int = 1000) -> tuple[Continuation, list[str]]:
    """A continuation of these tokens, and its text after each of them."""
    continuation, texts = Continuation(TOKENIZER, (END,), length), []
    for token in tokens:
        continuation.append(token, 0.5)
        texts.append(continuation.text)
    return continuation, texts


def test_a_character_appears_once_its_bytes_are_there():
    tokens = ids("né🙂!")
    assert len(tokens) == 1 + 2 + 4 + 1  # one token per byte
    _, texts = grown(tokens)
    assert texts == ["n", "n", "né", "né", "né", "né", "né🙂", "né🙂!"]


@given(st.text(max_size=20))
def test_any_text_comes_back(text):
    tokens = ids(text)
    continuation, texts = grown(tokens)
    assert all(later.startswith(earlier) for earlier, later in itertools.pairwise(texts))
    continuation.interrupt()
    assert continuation.text == text


@given(st.lists(st.integers(1, 256), max_size=40))
def test_any_bytes_can_be_read(tokens):
    continuation, texts = grown(tokens)
    continuation.interrupt()
    for text in texts:
        assert continuation.text.startswith(text)


def test_what_is_no_character_stands_as_replacement_at_the_end():
    half = ids("é")[:1]
    continuation, texts = grown([*ids("a"), *half])
    assert texts[-1] == "a"
    continuation.interrupt()
    assert continuation.text == "a\N{REPLACEMENT CHARACTER}"


def test_a_stop_token_ends_the_text_and_is_no_part_of_it():
    continuation, _ = grown([*ids("ab"), END, *ids("c")])
    assert continuation.ended == "stop token"
    assert continuation.text == "ab"
    assert continuation.token_ids == [*ids("ab"), END]
    assert continuation.token(2) == END_OF_TEXT


def test_the_greatest_length_ends_the_text():
    continuation, _ = grown(ids("abcd"), length=3)
    assert continuation.ended == "length"
    assert continuation.text == "abc"
    continuation.interrupt()
    assert continuation.ended == "length"


def test_text_before_a_place():
    continuation, _ = grown([*ids("aé"), *ids("b")])
    assert [continuation.text_before(place) for place in range(5)] == ["", "a", "a", "aé", "aéb"]


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [([], [], None), ([1, 2], [1, 2], None), ([1, 2, 3], [1, 2], None), ([1, 2, 3], [1, 9, 3], 1), ([5], [6, 7], 0)],
)
def test_first_difference(one, other, place):
    assert first_difference(one, other) == place
    assert first_difference(other, one) == place
