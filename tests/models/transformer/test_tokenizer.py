"""Tokenizers from GGUF metadata and from files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.transformer.tokenizer import tokenizer_from_file, tokenizer_from_gguf
from tests.models.transformer.tiny_folder import END_OF_TEXT, MERGES, TOKENS, byte_tokenizer

METADATA = {
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.ggml.pre": "gpt-2",
    "tokenizer.ggml.tokens": TOKENS,
    "tokenizer.ggml.token_type": [3, *[1] * (len(TOKENS) - 1)],
    "tokenizer.ggml.merges": [" ".join(pair) for pair in MERGES],
}


@given(text=st.text(max_size=40))
def test_any_text_comes_back_and_equals_the_file_tokenizer(text):
    tokenizer = tokenizer_from_gguf(METADATA, len(TOKENS))
    tokens = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(tokens, skip_special_tokens=False) == text
    assert tokens == byte_tokenizer().encode(text, add_special_tokens=False).ids


def test_merges_and_special_tokens():
    tokenizer = tokenizer_from_gguf(METADATA, len(TOKENS))
    assert tokenizer.encode(f"see the{END_OF_TEXT}the").tokens == ["s", "e", "e", "Ġthe", END_OF_TEXT, "the"]
    assert tokenizer.decode(tokenizer.encode(f"a{END_OF_TEXT}").ids) == "a"


def test_digits_stand_alone_in_smollm():
    tokens = [*TOKENS, "12"]
    metadata = METADATA | {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * len(tokens),
        "tokenizer.ggml.merges": [*METADATA["tokenizer.ggml.merges"], "1 2"],
    }
    assert tokenizer_from_gguf(metadata, len(tokens)).encode("12").tokens == ["12"]
    single = tokenizer_from_gguf(metadata | {"tokenizer.ggml.pre": "smollm"}, len(tokens))
    assert single.encode("12").tokens == ["1", "2"]


def words(pre: str, text: str, tokens=(), merges=()) -> list[str]:
    """Tokens of a text whose every letter is a token, so that only words can be merged, and only as `merges` say."""
    every = [*TOKENS, *tokens]
    metadata = METADATA | {
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": every,
        "tokenizer.ggml.token_type": [1] * len(every),
        "tokenizer.ggml.merges": list(merges),
    }
    return tokenizer_from_gguf(metadata, len(every)).encode(text).tokens


def test_numbers_are_cut_into_threes_by_llama_3_and_into_digits_by_qwen2():
    tokens, merges = ["12", "23", "45", "123", "1234"], ["1 2", "12 3", "123 4", "4 5", "2 3"]
    assert words("llama-bpe", "12345", tokens, merges) == ["123", "45"]
    assert words("qwen2", "12345", tokens, merges) == ["1", "2", "3", "4", "5"]
    assert words("gpt-2", "12345", tokens, merges) == ["1234", "5"]


@pytest.mark.parametrize("pre", ["llama-bpe", "qwen2"])
def test_words_of_llama_3_and_qwen2(pre):
    # GPT-2's pattern knows lower-case contractions only, and keeps punctuation apart from the letters that follow.
    tokens, merges = ["'S", "(a", "!Ċ"], ["' S", "( a", "! Ċ"]
    text = "IT'S(a!\n"
    assert words(pre, text, tokens, merges) == ["I", "T", "'S", "(a", "!Ċ"]
    assert words("gpt-2", text, tokens, merges) == ["I", "T", "'", "S", "(", "a", "!", "Ċ"]


def test_llama_3_takes_a_known_word_as_a_whole():
    assert words("llama-bpe", "abc", ["ab", "abc"], ["a b"]) == ["abc"]
    assert words("qwen2", "abc", ["ab", "abc"], ["a b"]) == ["ab", "c"]


def test_qwen2_composes_accents():
    assert words("qwen2", "e\u0301") == words("qwen2", "é") == words("llama-bpe", "é")
    assert words("llama-bpe", "e\u0301") != words("llama-bpe", "é")


def test_user_defined_tokens_stay_in_decoded_text():
    types = [3, 4, *[1] * (len(TOKENS) - 2)]
    tokenizer = tokenizer_from_gguf(METADATA | {"tokenizer.ggml.token_type": types}, len(TOKENS))
    assert tokenizer.decode(tokenizer.encode(TOKENS[1]).ids) == TOKENS[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer.ggml.model": None}, "holds no tokenizer"),
        ({"tokenizer.ggml.model": "llama"}, r"'llama'; only byte-level BPE"),
        ({"tokenizer.ggml.pre": "tekken"}, r"'tekken'; supported are smollm, gpt-2, llama-bpe"),
        ({"tokenizer.ggml.merges": None}, r"no list tokenizer\.ggml\.merges"),
        ({"tokenizer.ggml.tokens": TOKENS[:-1]}, f"has {len(TOKENS) - 1} tokens and {len(TOKENS)} token types"),
        ({"tokenizer.ggml.merges": ["zz yy"]}, "merges do not fit its tokens"),
        ({"tokenizer.ggml.merges": ["zz"]}, "merges do not fit its tokens"),
    ],
)
def test_refusals(changes, message):
    metadata = {name: value for name, value in (METADATA | changes).items() if value is not None}
    with pytest.raises(ValueError, match=message):
        tokenizer_from_gguf(metadata, len(TOKENS))


def test_damaged_file_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(ValueError, match=r"tokenizer\.json is not a tokenizer that the tokenizers library can read"):
        tokenizer_from_file(tmp_path / "tokenizer.json")
