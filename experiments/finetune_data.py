"""What a fine-tuning run learns from, and what it never sees: a file, Python's docstrings, or the model's own words.

Imports JAX only where a model writes.
"""

import ast
import codecs
import dataclasses
import functools
import hashlib
import platform
import re
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calibration.training_text import (
    SHARED_TOKENS,
    Splits,
    TooShort,
    TrainingWindows,
    shared_passages,
    split_document,
    training_windows,
)
from experiments.errors import RequestError
from experiments.runs import PointStore
from experiments.text import Text, prose, read_text, take_sample

if TYPE_CHECKING:
    from flax import nnx
    from tokenizers import Tokenizer

    from models.transformer.config import TransformerConfig

Encode = Callable[[str], Sequence[int]]
"""Token ids of a text, without special tokens."""

SELF = "self"
"""Value of `--data` that stands for text which the digital model writes itself."""

DEFAULT_SOURCE = "docstrings of Python's standard library"

# Not with every distribution of Python, or not with every version.
_NOT_EVERYWHERE = {"distutils", "ensurepip", "idlelib", "lib2to3", "test", "tkinter", "turtle", "turtledemo", "venv"}
_TABLES_AND_THE_MANUAL = {"encodings", "pydoc_data"}
_LEFT_OUT_FOLDERS = frozenset(("test", "tests", "site-packages"))

# Titles and one-line summaries are shorter; tables are full of rules.
_PARAGRAPH_CHARACTERS = 60
_TABLE_RULES = ("====", "----", "****")
# A paragraph with so many words in a row in common with the measured text is left out.
_SHARED_WORDS = 8

_FILE_BYTE_PER_TOKEN, _FILE_BYTE_MIN = 64, 4 << 20

# A word in whose middle no text begins.
_FIRST_WORD = re.compile("[A-Z][a-z]{2,}")
_TEXTS_STREAM = 0x53454C46


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingText:
    """A text to learn from, as tokens.

    Attributes:
        source: what it is, in words.
        tokens: (tokens,) int32.
        sha256: of the text as UTF-8, or of the tokens where a model wrote them.
        one_document: whether its beginning can be held out and its end calibrate; not where a model wrote it.
        facts: more about where it comes from.
    """

    source: str
    tokens: np.ndarray
    sha256: str
    one_document: bool = True
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, eq=False)
class FinetuneData:
    """Tokens to learn from, to set ranges and to judge by; no passage of the last is among the first.

    Attributes:
        training: where the tokens to learn from come from.
        tokens: (tokens,) of it, int32.
        avoid: (tokens,) true where they repeat a passage of the text that is held out.
        calibration: (tokens,) that set converter ranges.
        held_out: (tokens,) to judge by, in whole windows.
        held_out_source: what text those are of, in words.
        held_out_sha256: of that text as UTF-8.
        splits: places of the parts, where all are of one document.
    """

    training: TrainingText
    tokens: np.ndarray
    avoid: np.ndarray
    calibration: np.ndarray
    held_out: np.ndarray
    held_out_source: str
    held_out_sha256: str
    splits: Splits | None

    def windows(self, context: int, batch: int, seed: int) -> TrainingWindows:
        """The windows to learn from; none repeats a passage of the text that is held out."""
        return training_windows(self.tokens, context=context, batch=batch, seed=seed, avoid=self.avoid)

    def facts(self, context: int) -> dict[str, Any]:
        """For `result.json`: sources, hashes, how much there is, how much of it repeated what is held out."""
        left = len(self.windows(context, 1, 0))
        return {
            "source": self.training.source,
            "sha256": self.training.sha256,
            **self.training.facts,
            "tokens": len(self.tokens),
            "windows": left,
            "windows_left_out": len(self.tokens) // context - left,
            "repeated_share": float(np.mean(self.avoid)),
            "repeated_tokens_in_a_row": SHARED_TOKENS,
            "calibration_tokens": len(self.calibration),
            "held_out_source": self.held_out_source,
            "held_out_sha256": self.held_out_sha256,
            "held_out_tokens": len(self.held_out),
        }


def finetune_data(
    training: TrainingText,
    encode: Encode,
    *,
    held_out: int,
    calibration: int,
    context: int,
    step_windows: int,
    apart: Text | None,
) -> FinetuneData:
    """Text to learn from, beside `held_out` tokens to judge by and `calibration` tokens that set the ranges.

    With a text `apart` (`read_text` gives it) the latter two are of that text, and exactly those that `exalight
    accuracy` takes of it; passages anywhere in that text, its tail beyond the measured tokens included, are avoided in
    training. Without it they are the beginning and the end of the training text itself, with a gap of one window on
    either side of what is learnt from.

    RequestError with what there is and what is needed where fewer than `step_windows` windows, those of one step,
    are left.
    """
    try:
        if apart is None:
            data = _of_one_document(training, held_out, calibration, context, step_windows)
        else:
            data = _of_two_texts(training, apart, encode, held_out, calibration)
    except TooShort as error:
        raise _too_short(training.source, error.there, error.needed) from error
    if len(data.tokens) < step_windows * context:
        raise _too_short(training.source, len(data.tokens), step_windows * context)
    left = len(data.windows(context, 1, 0))
    if left < step_windows:
        raise RequestError(
            f"{training.source} holds {left} windows of {context} tokens that repeat nothing of the held-out text, and "
            f"a step takes {step_windows}; give other --data"
        )
    return data


def _of_one_document(
    training: TrainingText, held_out: int, calibration: int, context: int, step_windows: int
) -> FinetuneData:
    if not training.one_document:
        raise ValueError(f"{training.source} is no document with a beginning and an end; hold another text out")
    tokens = training.tokens
    splits = split_document(
        len(tokens), held_out=held_out, train=step_windows * context, calibration=calibration, gap=context
    )
    unseen = tokens[splits.held_out.start : splits.held_out.stop]
    seen = tokens[splits.train.start : splits.train.stop]
    return FinetuneData(
        training,
        seen,
        shared_passages(seen, unseen),
        tokens[splits.calibration.start : splits.calibration.stop],
        unseen,
        f"the first tokens of {training.source}",
        training.sha256,
        splits,
    )


def _of_two_texts(training: TrainingText, apart: Text, encode: Encode, held_out: int, calibration: int) -> FinetuneData:
    sample = take_sample(apart, encode, held_out, calibration)
    unseen = np.asarray([*encode(apart.measured), *encode(apart.calibration or "")], np.int32)
    return FinetuneData(
        training,
        training.tokens,
        shared_passages(training.tokens, unseen),
        np.asarray(sample.calibration, np.int32),
        np.asarray(sample.measured, np.int32),
        apart.source,
        apart.sha256,
        None,
    )


def _too_short(source: str, there: int, needed: int) -> RequestError:
    return RequestError(
        f"{source} holds {there} tokens, and {needed} are needed to train, to hold out and to set the converter "
        "ranges; give a longer --data, or smaller batches"
    )


def read_training_text(path: str | None, encode: Encode, tokens: int) -> TrainingText:
    """A UTF-8 file as tokens, at least the first `tokens` of it if it has so many; without a path the default text.

    RequestError for a file that is absent, no file, empty, binary or not UTF-8. Of a very large file only the
    beginning is used.
    """
    if path is None:
        text, facts = default_training_text()
        return TrainingText(DEFAULT_SOURCE, np.asarray(encode(text), np.int32), _sha256(text.encode()), facts=facts)
    text = _file_text(Path(path), max(_FILE_BYTE_MIN, _FILE_BYTE_PER_TOKEN * tokens))
    return TrainingText(f"--data {path}", np.asarray(encode(text), np.int32), _sha256(text.encode()))


def _file_text(path: Path, limit_byte: int) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(limit_byte + 1)
    except FileNotFoundError:
        raise RequestError(f"--data {path}: there is no such file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or error
        raise RequestError(f"--data {path} cannot be read ({reason}); give a UTF-8 text file") from error
    if not raw.strip():
        raise RequestError(f"--data {path} is empty; give a UTF-8 text file")
    if (place := raw.find(b"\0")) >= 0:
        raise RequestError(f"--data {path} is binary (a zero at byte {place}); give a UTF-8 text file")
    try:
        # Incremental, because a cut may fall inside a character.
        return codecs.getincrementaldecoder("utf-8")().decode(raw[:limit_byte], final=len(raw) <= limit_byte)
    except UnicodeDecodeError as error:
        raise RequestError(f"--data {path} is not UTF-8 text (byte {error.start}); convert it first") from error


def default_training_text() -> tuple[str, dict[str, Any]]:
    """Prose of the docstrings of Python's standard library, and facts about where it comes from.

    It is there wherever Python is, under Python's own licence (PSF-2.0), and is read, not copied. It is by the same
    community as the manual that is measured, and not of it: modules in the order of their names, each from top to
    bottom; paragraphs of 60 characters or more, each once, without code, sessions and tables. A paragraph that has 8
    words in a row in common with the default text of `exalight accuracy` is left out (`paragraphs_left_out`).

    It differs between versions of Python, as the measured text does. RequestError where Python came without sources.
    """
    manual = read_text(None, 0)
    unseen = set(_runs_of_words(f"{manual.measured}\n{manual.calibration or ''}"))
    kept: dict[str, None] = {}
    left_out: set[str] = set()
    for paragraph in _paragraphs():
        if unseen.isdisjoint(_runs_of_words(paragraph)):
            kept[paragraph] = None
        else:
            left_out.add(paragraph)
    if not kept:
        raise RequestError("this Python comes without the sources of its library, the default text; give --data FILE")
    facts = {
        "python": platform.python_version(),
        "license": "PSF-2.0",
        "paragraphs": len(kept),
        "paragraphs_left_out": len(left_out),
    }
    return "\n".join(kept) + "\n", facts


def _runs_of_words(text: str) -> Iterator[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return zip(*(words[offset:] for offset in range(_SHARED_WORDS)), strict=False)


def _paragraphs() -> Iterator[str]:
    library = Path(sysconfig.get_paths()["stdlib"])
    for name in sorted(sys.stdlib_module_names - _NOT_EVERYWHERE - _TABLES_AND_THE_MANUAL):
        module = library / f"{name}.py"
        for path in [module] if module.is_file() else sorted((library / name).rglob("*.py")):
            if _LEFT_OUT_FOLDERS.isdisjoint(path.relative_to(library).parts):
                for docstring in _docstrings(path):
                    yield from filter(_is_prose, prose(docstring).splitlines())


def _is_prose(paragraph: str) -> bool:
    return len(paragraph) >= _PARAGRAPH_CHARACTERS and not any(rule in paragraph for rule in _TABLE_RULES)


def _docstrings(path: Path) -> Iterator[str]:
    """Docstrings of a source file from top to bottom; none of one that cannot be read."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    documented = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    inner = sorted((node for node in ast.walk(tree) if isinstance(node, documented)), key=lambda node: node.lineno)
    for node in (tree, *inner):
        if docstring := ast.get_docstring(node):
            yield docstring


@dataclasses.dataclass(frozen=True, kw_only=True)
class Writing:
    """How a model writes its own training text.

    Attributes:
        tokens: least number of tokens in all.
        length: tokens of each text; a multiple of the context, so that no window spans two texts.
        texts: texts that are written at once.
        temperature: 1 draws from the model's own distribution; 0 would write the same texts again and again.
        top_p: draw only among the most probable tokens that together have this probability. Below 1 all logits are
            sorted at every token, which costs more than the model itself where it is small.
        seed: seed of the draws.
    """

    tokens: int
    length: int
    texts: int = 64
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.tokens, self.length - 1, self.texts) < 1:
            raise ValueError(f"{self} writes nothing")
        if not 0 < self.temperature < float("inf"):
            raise ValueError(f"the temperature must be finite and above 0, and is {self.temperature}")

    @property
    def count(self) -> int:
        """How many texts that takes."""
        return -(-self.tokens // self.length)


def start_tokens(tokenizer: "Tokenizer") -> tuple[int, ...]:
    """Tokens with which a text may begin: whole capitalised words; where there are none, all that are not special."""
    special = set(tokenizer.get_added_tokens_decoder())
    plain = {token: number for token, number in tokenizer.get_vocab().items() if number not in special}
    words = sorted(number for token, number in plain.items() if _FIRST_WORD.fullmatch(token))
    return tuple(words or sorted(plain.values()))


def self_written(
    model: "nnx.Module",
    config: "TransformerConfig",
    starts: Sequence[int],
    writing: Writing,
    folder: Path,
    stamp: str,
    report: Callable[[int, int], None] | None = None,
) -> TrainingText:
    """Texts that a model writes: each from one of the start tokens, drawn at random, on to its length.

    A text depends on the seed and its own number alone, not on how many are written (to float32 rounding, not on how
    many at once). What ends a text for the model is a token like others: the next text of its own follows.

    Texts are stored under `folder` in batches as they are written, NumPy archives without pickle; those that are there
    are read, so that a run that goes on learns from the same tokens. Files of another model, other options or other
    code (`stamp`: `environment.stamp()` and the hash of the model) are written anew. `report(done, of)` is told of
    every batch of texts. ValueError for a length beyond the context of the model and for no start tokens.

    Liu et al., LLM-QAT: Data-Free Quantization Aware Training for Large Language Models, 2023, section 3.1.
    """
    if writing.length > config.context:
        raise ValueError(f"texts of {writing.length} tokens are longer than the context of {config.context}")
    if not len(starts):
        raise ValueError("there is no token to start with")
    whole = "\n".join([stamp, repr(writing), _sha256(np.asarray(starts, np.int64).tobytes())])
    store = PointStore(folder, _sha256(whole.encode()))
    write: Callable[[np.ndarray, int], np.ndarray] | None = None
    batches = []
    total = -(-writing.count // writing.texts)
    for number in range(total):
        held = store.load(f"self-{number:05d}")
        if held is None:
            write = write or _writer(model, config, writing)
            held = {"tokens": write(_first_tokens(starts, writing, number), number * writing.texts)}
            store.save(f"self-{number:05d}", held)
        batches.append(held["tokens"])
        if report is not None:
            report(number + 1, total)
    tokens = np.concatenate(batches)[: writing.count].reshape(-1)
    facts = dataclasses.asdict(writing) | {"tokens": len(tokens)}
    source = f"text that the digital model wrote (temperature {writing.temperature:g}, seed {writing.seed})"
    return TrainingText(source, tokens, _sha256(tokens.tobytes()), one_document=False, facts={"writing": facts})


def _first_tokens(starts: Sequence[int], writing: Writing, batch: int) -> np.ndarray:
    """The first token of each text of a batch, (texts,)."""
    drawn = np.random.Philox(key=np.array([writing.seed, _TEXTS_STREAM], np.uint64)).random_raw(
        (batch + 1) * writing.texts
    )[-writing.texts :]
    return np.asarray(starts, np.int32)[drawn % np.uint64(len(starts))]


def _writer(
    model: "nnx.Module", config: "TransformerConfig", writing: Writing
) -> Callable[[np.ndarray, int], np.ndarray]:
    """From first tokens (texts,) and the number of the first text to whole texts (texts, length); compiled once."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from models.transformer.cache import KeyValueCache, empty_cache
    from models.transformer.sampling import sample

    graph, state = nnx.split(model)

    @functools.partial(jax.jit, donate_argnums=1)
    def following(
        state: nnx.State, cache: KeyValueCache, tokens: jax.Array, keys: jax.Array, place: jax.Array
    ) -> tuple[jax.Array, KeyValueCache]:
        merged: Any = nnx.merge(graph, state)
        logits, cache = merged.extend(tokens[:, None], cache, last_only=True)
        keys = jax.vmap(lambda key: jax.random.fold_in(key, place))(keys)
        return sample(keys, logits[:, 0], writing.temperature, writing.top_p), cache

    def write(first: np.ndarray, number: int) -> np.ndarray:
        root = jax.random.fold_in(jax.random.key(writing.seed), _TEXTS_STREAM)
        keys = jax.vmap(lambda text: jax.random.fold_in(root, text))(number + jnp.arange(len(first)))
        cache = empty_cache(config, len(first), writing.length)
        texts = np.empty((len(first), writing.length), np.int32)
        texts[:, 0] = first
        for place in range(1, writing.length):
            drawn, cache = following(state, cache, jnp.asarray(texts[:, place - 1]), keys, jnp.int32(place))
            texts[:, place] = np.asarray(drawn)
        return texts

    return write


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
