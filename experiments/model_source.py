"""Which kind of model a folder holds, told by its `config.json` alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from experiments.errors import RequestError

T = TypeVar("T")

TEXT_ENCODERS, IMAGE_ENCODERS = ("bert", "roberta"), ("vit",)
ENCODER_TYPES = (*TEXT_ENCODERS, *IMAGE_ENCODERS)
"""Values of `model_type` of models that answer about a whole text or image."""


def model_type(source: str) -> str | None:
    """`model_type` of a Hugging Face folder; None for anything else, which readers of models refuse."""
    try:
        content = json.loads((Path(source) / "config.json").read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    kind = content.get("model_type") if isinstance(content, dict) else None
    return kind if isinstance(kind, str) else None


def loaded(load: Callable[[], T]) -> T:
    """What `load` returns; RequestError where weights that passed the check of the files cannot be used after all."""
    try:
        return load()
    except (ValueError, OSError) as error:
        raise RequestError(f"--model: {error}") from error
