"""One function that loads a vision transformer from a Hugging Face folder, and one that refuses a bad one quickly."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from models.encoder.checkpoint import Place, StoredEncoder, check_tensors, layer_places, linear, norm
from models.encoder.folder import in_one_sentence, open_encoder_folder
from models.transformer.huggingface import read_json
from models.vision.config import VisionConfig

if TYPE_CHECKING:
    from models.vision.model import VisionTransformer

HEAD = ("classifier",)
"""Modules that only a classification needs."""

_LAYER = {
    "attention/query": "attention.attention.query",
    "attention/key": "attention.attention.key",
    "attention/value": "attention.attention.value",
    "attention/output": "attention.output.dense",
    "attention_norm": "layernorm_before",
    "mlp/up": "intermediate.dense",
    "mlp/down": "output.dense",
    "mlp_norm": "layernorm_after",
}

# Heads of pre-training, and the token that stands for hidden patches there.
_UNUSED = ("pooler.", "decoder.", "embeddings.mask_token")


@dataclasses.dataclass(frozen=True)
class LoadedVision:
    """A vision transformer with its shape and where it came from."""

    model: "VisionTransformer"
    config: VisionConfig
    source: StoredEncoder[VisionConfig]


def check_vision(folder: str | Path) -> StoredEncoder[VisionConfig]:
    """Checks a Hugging Face folder with `model_type` vit, without JAX and without reading weights.

    ValueError, one sentence, for a folder that is incomplete or damaged, an unsupported architecture, and tensors that
    are missing, unexpected or misshapen.
    """
    return in_one_sentence(Path(folder), _checked)


def load_vision(source: str | Path | StoredEncoder[VisionConfig], *, head: bool = True) -> LoadedVision:
    """Loads a vision transformer from a folder or from what `check_vision` returned, with or without its classifier.

    ValueError as `check_vision`.
    """
    from models.encoder.placement import build
    from models.vision.model import VisionTransformer

    stored = source if isinstance(source, StoredEncoder) else check_vision(source)
    skip = () if head else HEAD
    model = build(lambda rngs: VisionTransformer(stored.config, head=head, rngs=rngs), stored, skip=skip)
    return LoadedVision(model, stored.config, stored)


def _checked(path: Path) -> StoredEncoder[VisionConfig]:
    folder = open_encoder_folder(path, prefixes=("vit.",), ignored=lambda name: name.startswith(_UNUSED))
    preprocessor = path / "preprocessor_config.json"
    try:
        # A damaged shape may have no axes at all.
        classes = (*folder.shapes.get("classifier.weight", ()), 0)[0]
        wanted = read_json(preprocessor) if preprocessor.is_file() else {}
        config = VisionConfig.from_huggingface(folder.config, wanted, classes=classes)
    except ValueError as error:
        raise ValueError(f"the model folder {path} is not supported: {error}") from error
    stored = StoredEncoder(path, config, _places(config), None, folder.shapes, folder.read, folder.files)
    check_tensors(stored)
    return stored


def _places(config: VisionConfig) -> tuple[Place, ...]:
    """Every parameter of a vision transformer of this shape."""
    width, patch = config.width, config.patch_size
    convolution = "embeddings.patch_embeddings.projection"
    places = [
        Place(
            path=("patch", "kernel"),
            name=f"{convolution}.weight",
            shape=(width, config.channels, patch, patch),
            arrange=lambda stored: stored.reshape(width, -1).T,
        ),
        Place(path=("patch", "bias"), name=f"{convolution}.bias", shape=(width,)),
        Place(path=("class_token",), name="embeddings.cls_token", shape=(1, 1, width), arrange=lambda t: t[0, 0]),
        Place(
            path=("positions", "table"),
            name="embeddings.position_embeddings",
            shape=(1, config.tokens, width),
            arrange=lambda stored: stored[0],
        ),
    ]
    names = {module: f"encoder.layer.{{}}.{name}" for module, name in _LAYER.items()}
    places += layer_places(names, width, config.hidden_width, config.layers, input_bias=config.input_bias)
    places += norm("final_norm", "layernorm", width)
    if config.labels:
        places += linear("classifier", "classifier", width, len(config.labels))
    return tuple(places)
