"""A model as a Hugging Face folder, which `load_model` and every other reader of that layout take.

    DIR/model.safetensors        weights (names and axes of the transformers library), texts in its header
    DIR/tokenizer.json           DIR/tokenizer_config.json, with the special tokens and the chat template
    DIR/generation_config.json   the tokens that end a text
    DIR/config.json              written last: a folder without it is refused, so that none is half a model

Imports no JAX, so that a command can refuse a model that cannot be saved before it is trained.
"""

import contextlib
import functools
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from models.transformer.chat import stop_tokens
from models.transformer.checkpoint import Checkpoint, Place, places
from models.transformer.config import TransformerConfig
from models.transformer.huggingface import SINGLE
from models.transformer.safetensors_file import write_safetensors
from models.transformer.to_huggingface import config_to_huggingface

if TYPE_CHECKING:
    from models.transformer.model import Transformer

_CONFIG, _TOKENIZER, _GENERATION = "config.json", "tokenizer.json", "generation_config.json"
_TOKENIZER_CONFIG = "tokenizer_config.json"

# What a folder may say about its tokens beside tokenizer.json; copied as it is.
_COPIED = (_TOKENIZER_CONFIG, "special_tokens_map.json", "chat_template.jinja", _GENERATION)

_WRITTEN = (SINGLE, _TOKENIZER, *_COPIED, _CONFIG)
_TEMPORARY = ".part"


def save_huggingface(
    folder: Path,
    model: "Transformer",
    tokenizer: Tokenizer,
    *,
    source: Checkpoint | None = None,
    dtype: Literal["float32", "bfloat16"] = "float32",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a model with its tokenizer so that `load_model(folder)` gives the same parameters and token numbers.

    Matrices (kernels and embedding) are stored as `dtype`, norms and biases as float32: loading a "bfloat16" folder
    gives what holding the matrices in bfloat16 gives. A tied head is not stored. Foreign modules inside (optical
    products, their ranges) are left out: state what is needed of them in `metadata`, texts by name for the header of
    the weight file, which `saved_metadata` reads.

    `source`, the checkpoint that the model came from, adds what is no weight: other fields of its config.json, special
    tokens, chat template and end tokens. Query and key rows of a GGUF source were reordered when they were read, so
    nothing is left to undo.

    All files are written under temporary names first and renamed when all are there, config.json last; whatever of
    this layout an earlier save left and this one does not have is removed. Files of other names stay. At most one
    parameter is in memory beside the model. ValueError, with the folder as it was, for a configuration that no
    config.json can state, another dtype, metadata that are not texts, a folder that is a file or that `source` was read
    from, and weights that are not finite or do not fit the configuration. OSError if the folder cannot be written.
    Left out: shards, adapters (`save_adapter`), tokenizer files of older readers (vocab.json, merges.txt).
    """
    if dtype not in ("float32", "bfloat16"):
        raise ValueError(f"weights can be stored as 'float32' or 'bfloat16', not {dtype!r}")
    _check_place(folder, source)
    config = model.config
    texts = surrounding_texts(config, tokenizer, source, dtype)
    tensors, owners = {}, {}
    for place in places(config):
        for layer in range(config.layers if place.stacked else 1):
            name = place.name("huggingface", layer)
            tensors[name] = (dtype if place.is_matrix else "float32", place.shape(config))
            owners[name] = (place, layer)
    value = _one_parameter(model)
    contents: dict[str, Callable[[Path], object]] = {
        name: functools.partial(Path.write_bytes, data=content) for name, content in texts.items()
    }
    contents[SINGLE] = lambda path: write_safetensors(
        path, tensors, lambda name: _stored(value(owners[name][0]), *owners[name]), metadata or {}
    )
    write_together(folder, contents, _WRITTEN)


def surrounding_texts(
    config: TransformerConfig, tokenizer: Tokenizer, source: Checkpoint | None, dtype: str = "float32"
) -> dict[str, bytes]:
    """Every file of a saved folder but its weights, by name. ValueError if no config.json can state the model."""
    folder = source.path if source is not None and source.kind == "huggingface" else None
    like = source.metadata if source is not None and folder is not None else None
    stated = config_to_huggingface(config, like) | {"torch_dtype": dtype}
    files = {_TOKENIZER: tokenizer.to_str(pretty=False).encode()}
    if source is not None and folder is not None:
        files |= {name: (folder / name).read_bytes() for name in _COPIED if (folder / name).is_file()}
        ends = source.metadata.get("eos_token_id")  # of another configuration than the source's, tokens are the same
        numbers = {} if ends is None else {"eos_token_id": ends}
    else:
        numbers = _token_numbers(source)
        files[_TOKENIZER_CONFIG] = _json(_tokenizer_config(config, source))
        if numbers:
            files[_GENERATION] = _json(numbers)
    files[_CONFIG] = _json(numbers | stated)
    return files


def saved_metadata(folder: Path) -> dict[str, str]:
    """Texts in the header of a saved folder's weight file, {} if it has none. ValueError if it cannot be read."""
    try:
        with safe_open(folder / SINGLE, framework="np") as file:
            found = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{folder / SINGLE} cannot be read: {error}") from error
    return {name: text for name, text in found.items() if name != "format"}


def write_together(folder: Path, contents: Mapping[str, Callable[[Path], object]], names: tuple[str, ...]) -> None:
    """Fills a folder with files, by name the function that writes each to a path, so that none is ever seen half-way.

    All are written beside their places first; if one fails, the folder is as it was. Then the last of `names`, without
    which the folder is refused, is removed, the others are renamed into place or, if they have no content, removed,
    and the last one comes back. A kill in between leaves a folder that is refused, not one of two models.
    """
    made = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in (path for name in names for path in folder.glob(f".{name}.*{_TEMPORARY}")):  # of a killed process
        leftover.unlink(missing_ok=True)
    parts = {name: folder / f".{name}.{os.getpid()}{_TEMPORARY}" for name in contents}
    try:
        for name, write in contents.items():
            write(parts[name])
        (folder / names[-1]).unlink(missing_ok=True)
        for name in names:
            if name in parts:
                parts[name].replace(folder / name)
            else:
                (folder / name).unlink(missing_ok=True)
    except BaseException:
        with contextlib.suppress(OSError):
            for part in parts.values():
                part.unlink(missing_ok=True)
            if made:
                folder.rmdir()
        raise


def _check_place(folder: Path, source: Checkpoint | None) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"the model cannot be saved at {folder}, which is a file; give a folder")
    if source is not None and source.path.is_dir() and folder.resolve() == source.path.resolve():
        raise ValueError(f"the model cannot be saved at {folder}, where it was read from; give another folder")


def _one_parameter(model: "Transformer") -> Callable[[Place], Any]:
    """A function from a place to its parameter, float32, the layers of a parameter stacked or in a list.

    The last one is kept, so that a stacked parameter is fetched once for all of its layers.
    """

    @functools.lru_cache(maxsize=1)
    def value(path: tuple[str, ...]) -> Any:
        first, rest = getattr(model, path[0]), path[1:]
        modules = list(first) if path[0] == "layers" and _is_list(first) else [first]
        found = [np.asarray(functools.reduce(getattr, rest, module).get_value()) for module in modules]
        return found[0] if modules == [first] else found

    return lambda place: value(place.path)


def _is_list(layers: Any) -> bool:
    from flax import nnx

    return isinstance(layers, nnx.List)


def _stored(value: Any, place: Place, layer: int) -> np.ndarray:
    """One stored tensor (out, in) from a parameter (in, out), or from that of all layers."""
    one = value[layer] if place.stacked else value
    return one.T if place.transposed else one


def _token_numbers(source: Checkpoint | None) -> dict[str, Any]:
    """Numbers of the special tokens of a GGUF file, as config.json and generation_config.json name them."""
    if source is None:
        return {}
    fields = source.metadata
    named = {"bos_token_id": "bos_token_id", "pad_token_id": "padding_token_id"}
    numbers = {name: fields.get(f"tokenizer.ggml.{field}") for name, field in named.items()}
    ends = list(stop_tokens(source))
    numbers["eos_token_id"] = ends[0] if len(ends) == 1 else ends or None
    return {name: number for name, number in numbers.items() if number is not None}


def _tokenizer_config(config: TransformerConfig, source: Checkpoint | None) -> dict[str, Any]:
    """What the transformers library wants to know beside tokenizer.json, from the metadata of a GGUF file."""
    stated: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": config.context,
    }
    if source is None:
        return stated
    fields = source.metadata
    tokens = fields["tokenizer.ggml.tokens"]
    for name in ("bos", "eos", "unknown", "padding"):
        number = fields.get(f"tokenizer.ggml.{name}_token_id")
        if isinstance(number, int) and 0 <= number < len(tokens):
            short = {"unknown": "unk", "padding": "pad"}.get(name, name)
            stated[f"{short}_token"] = tokens[number]
    for name in ("add_bos_token", "add_eos_token"):
        wanted = fields.get(f"tokenizer.ggml.{name}")
        if isinstance(wanted, bool):
            stated[name] = wanted
    template = fields.get("tokenizer.chat_template")
    return stated | ({"chat_template": template} if isinstance(template, str) else {})


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode()
