"""Text to token numbers and back: byte-level BPE from a GGUF file's metadata, or a `tokenizer.json`.

The encoders are `tokenizers.Tokenizer` objects. `encode(text, add_special_tokens=False)` gives the plain text's tokens.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

# Token types of the GGUF format that are matched as a whole in the text, before byte-pair merging.
_CONTROL, _USER_DEFINED = 3, 4

_FIELDS = ("tokens", "token_type", "merges")


# Word patterns as the tokenizer.json files of the models publish them; Llama 3 cuts numbers into threes, Qwen2 into
# single digits.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA_3, _QWEN2 = ("llama-bpe", "llama3", "llama-v3"), ("qwen2",)
SUPPORTED_PATTERNS = ("smollm", "gpt-2", *_LLAMA_3, *_QWEN2)
"""Values of `tokenizer.ggml.pre` whose word patterns are known; the names are llama.cpp's."""


def _pre_tokenizer(name: str) -> pre_tokenizers.PreTokenizer:
    """How the text is cut into words before merging, for one of SUPPORTED_PATTERNS."""
    if name in ("smollm", "gpt-2"):
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        if name == "gpt-2":
            return byte_level
        # Every digit stands alone, then GPT-2's word pattern.
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level])
    pattern = Regex(_WORDS % ("{1,3}" if name in _LLAMA_3 else ""))
    bytes_only = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([pre_tokenizers.Split(pattern, "isolated"), bytes_only])


def _check_vocabulary(metadata: Mapping[str, Any], vocabulary: int) -> None:
    """ValueError unless the metadata hold a byte-level BPE vocabulary of this size with a supported word pattern."""
    kind = metadata.get("tokenizer.ggml.model")
    if kind is None:
        raise ValueError("the GGUF file holds no tokenizer (no field tokenizer.ggml.model)")
    if kind != "gpt2":
        raise ValueError(f"the GGUF tokenizer is {kind!r}; only byte-level BPE ('gpt2') is supported")
    pattern = metadata.get("tokenizer.ggml.pre", "")
    if pattern not in SUPPORTED_PATTERNS:
        raise ValueError(
            f"the GGUF word pattern tokenizer.ggml.pre is {pattern!r}; supported are {', '.join(SUPPORTED_PATTERNS)}"
        )
    for field in _FIELDS:
        if not isinstance(metadata.get(f"tokenizer.ggml.{field}"), list):
            raise ValueError(f"the GGUF tokenizer has no list tokenizer.ggml.{field}")
    for field in ("tokens", "merges"):
        if not all(isinstance(text, str) for text in metadata[f"tokenizer.ggml.{field}"]):
            raise ValueError(f"the GGUF tokenizer's list tokenizer.ggml.{field} holds values that are no strings")
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    if not len(tokens) == len(types) == vocabulary:
        raise ValueError(
            f"the GGUF tokenizer has {len(tokens)} tokens and {len(types)} token types "
            f"but the embedding has {vocabulary} rows; all three must be equal"
        )


def tokenizer_from_gguf(metadata: Mapping[str, Any], vocabulary: int) -> Tokenizer:
    """The tokenizer in the metadata of a GGUF file whose embedding has `vocabulary` rows, special tokens included.

    ValueError for another kind than byte-level BPE, an unsupported word pattern, or lists that do not fit together.
    Sennrich et al., Neural Machine Translation of Rare Words with Subword Units, 2016; the byte alphabet is GPT-2's.
    """
    _check_vocabulary(metadata, vocabulary)
    tokens, types, merges = (metadata[f"tokenizer.ggml.{field}"] for field in _FIELDS)
    numbers = {token: number for number, token in enumerate(tokens)}
    pairs = [tuple(merge.split(" ", 1)) for merge in merges]
    pattern = metadata["tokenizer.ggml.pre"]
    try:
        # Llama 3 takes a word that is a token as a whole, whatever its merges would make of it.
        tokenizer = Tokenizer(models.BPE(vocab=numbers, merges=pairs, ignore_merges=pattern in _LLAMA_3))
    except Exception as error:  # the library raises a bare Exception for merges that do not fit the vocabulary
        raise ValueError(f"the GGUF tokenizer's merges do not fit its tokens: {error}") from error
    tokenizer.pre_tokenizer = _pre_tokenizer(pattern)  # pyright: ignore[reportAttributeAccessIssue]
    if pattern in _QWEN2:
        tokenizer.normalizer = normalizers.NFC()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    whole = [
        AddedToken(token, special=kind == _CONTROL, normalized=False)
        for token, kind in zip(tokens, types, strict=True)
        if kind in (_CONTROL, _USER_DEFINED)
    ]
    tokenizer.add_tokens(whole)
    return tokenizer


def tokenizer_from_file(path: Path) -> Tokenizer:
    """The tokenizer of a `tokenizer.json`; ValueError if the file is damaged."""
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception for anything it cannot parse
        raise ValueError(f"{path} is not a tokenizer that the tokenizers library can read: {error}") from error
