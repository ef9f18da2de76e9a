"""One function that loads an encoder from a Hugging Face folder, and one that refuses a bad folder without JAX."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from models.encoder.checkpoint import Place, StoredEncoder, check_tensors, layer_places, linear, norm
from models.encoder.config import EncoderConfig, Pooling
from models.encoder.fields import Fields
from models.encoder.folder import in_one_sentence, open_encoder_folder
from models.transformer.huggingface import read_json
from models.transformer.tokenizer import tokenizer_from_file

if TYPE_CHECKING:
    from models.encoder.model import Encoder

HEAD = ("pooler", "classifier")
"""Modules that only a classification needs."""

# Heads of other tasks, and buffers that follow from the configuration.
_OTHER_HEADS = ("cls.", "lm_head.", "qa_outputs.")
_BUFFERS = ("embeddings.position_ids", "embeddings.token_type_ids")

_LAYER = {
    "attention/query": "attention.self.query",
    "attention/key": "attention.self.key",
    "attention/value": "attention.self.value",
    "attention/output": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "mlp/up": "intermediate.dense",
    "mlp/down": "output.dense",
    "mlp_norm": "output.LayerNorm",
}

# Where the two kinds of folder keep the classifier: its hidden layer and its last one.
_HEAD_NAMES = {"bert": ("pooler.dense", "classifier"), "roberta": ("classifier.dense", "classifier.out_proj")}


@dataclasses.dataclass(frozen=True)
class LoadedEncoder:
    """An encoder with its tokenizer, its shape and where it came from."""

    model: "Encoder"
    tokenizer: Tokenizer
    config: EncoderConfig
    source: StoredEncoder[EncoderConfig]


def check_encoder(folder: str | Path) -> StoredEncoder[EncoderConfig]:
    """Checks a Hugging Face folder with `model_type` bert or roberta, without JAX and without reading weights.

    ValueError, one sentence, for a folder that is incomplete or damaged, an unsupported architecture, and tensors that
    are missing, unexpected or misshapen. Heads of other tasks than classifying a whole sequence are left aside. Pooling
    is that of `1_Pooling/config.json`, where sentence-transformers state it, else the mean; a dense layer behind the
    pooling is not read.
    """
    return in_one_sentence(Path(folder), _checked)


def load_encoder(source: str | Path | StoredEncoder[EncoderConfig], *, head: bool = True) -> LoadedEncoder:
    """Loads an encoder from a folder or from what `check_encoder` returned, float32, with or without its classifier.

    ValueError as `check_encoder`.
    """
    from models.encoder.model import Encoder
    from models.encoder.placement import build

    stored = source if isinstance(source, StoredEncoder) else check_encoder(source)
    skip = () if head else HEAD
    model = build(lambda rngs: Encoder(stored.config, head=head, rngs=rngs), stored, skip=skip)
    assert stored.tokenizer is not None, "check_encoder reads one"
    return LoadedEncoder(model, stored.tokenizer, stored.config, stored)


def _checked(path: Path) -> StoredEncoder[EncoderConfig]:
    if not (path / "tokenizer.json").is_file():
        raise ValueError(f"the model folder {path} has no tokenizer.json")
    folder = open_encoder_folder(path, prefixes=("bert.", "roberta."), ignored=_other)
    hidden, last = _HEAD_NAMES.get(str(folder.config.get("model_type")), _HEAD_NAMES["bert"])
    shapes = dict(folder.shapes)
    complete = f"{hidden}.weight" in shapes and f"{last}.weight" in shapes
    if not complete:  # a pooler alone, or a classifier of single tokens
        shapes = {name: shape for name, shape in shapes.items() if name.partition(".")[0] not in HEAD}
    elif hidden != "pooler.dense":
        shapes = {name: shape for name, shape in shapes.items() if not name.startswith("pooler.")}
    try:
        classes = (*shapes[f"{last}.weight"], 0)[0] if complete else 0  # a damaged shape may have no axes
        config = EncoderConfig.from_huggingface(folder.config, classes=classes, pooling=_pooling(path))
    except ValueError as error:
        raise ValueError(f"the model folder {path} is not supported: {error}") from error
    tokenizer = tokenizer_from_file(path / "tokenizer.json")
    # Files may ask for padding and cutting that suit somebody's batches; both are the caller's.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    places = _places(config, hidden, last)
    stored = StoredEncoder(path, config, places, tokenizer, shapes, folder.read, folder.files)
    check_tensors(stored)
    tokens = tokenizer.get_vocab_size()
    if tokens > config.vocabulary:
        raise ValueError(
            f"the tokenizer of {path} has {tokens} tokens, more than the vocabulary of {config.vocabulary} "
            "in its configuration"
        )
    return stored


def _other(name: str) -> bool:
    return name.startswith(_OTHER_HEADS) or name in _BUFFERS


def _pooling(path: Path) -> Pooling:
    file = path / "1_Pooling" / "config.json"
    if not file.is_file():
        return "mean"
    field = Fields(read_json(file), str(file))
    mean, cls = field.value("pooling_mode_mean_tokens", False), field.value("pooling_mode_cls_token", False)
    if bool(mean) == bool(cls):
        raise ValueError(f"{file} must choose one of the means of tokens and the first token; others are not supported")
    return "mean" if mean else "cls"


def _places(config: EncoderConfig, hidden: str, last: str) -> tuple[Place, ...]:
    """Every parameter of an encoder of this shape."""
    tables = {
        "words": ("word_embeddings", config.vocabulary),
        "positions": ("position_embeddings", config.position_offset + config.context),
        "kinds": ("token_type_embeddings", config.kinds),
    }
    places = [
        Place(path=(module, "table"), name=f"embeddings.{name}.weight", shape=(rows, config.width))
        for module, (name, rows) in tables.items()
    ]
    places += norm("embedding_norm", "embeddings.LayerNorm", config.width)
    names = {module: f"encoder.layer.{{}}.{name}" for module, name in _LAYER.items()}
    places += layer_places(names, config.width, config.hidden_width, config.layers)
    if config.labels:
        places += linear("pooler", hidden, config.width, config.width)
        places += linear("classifier", last, config.width, len(config.labels))
    return tuple(places)
