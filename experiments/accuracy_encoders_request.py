"""From the options of `exalight accuracy --task embed|classify` to an encoder and its samples; refuses without JAX."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.accuracy_config import CALIBRATION_TOKENS, AccuracyConfig
from experiments.errors import RequestError
from experiments.labelled import Labelled, read_images, read_texts
from experiments.model_source import IMAGE_ENCODERS, TEXT_ENCODERS, model_type

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from experiments.samples import Images, Passages
    from models.encoder.checkpoint import StoredEncoder

Checked = tuple["StoredEncoder", "Passages | Images", dict[str, Any]]


def encoder_and_samples(config: AccuracyConfig) -> Checked:
    """The model, what is measured, and the tables that tell the data from others.

    RequestError for a model that cannot do the task, and for data that it cannot read.
    """
    kind = model_type(config.model)
    path = Path(config.model)
    if not os.path.isdir(path):  # unlike Path.is_dir, false for names that no file can have
        raise RequestError(f"--model {path}: there is no such folder; --task {config.task} needs that of an encoder")
    if kind in TEXT_ENCODERS:
        return _text_encoder(config)
    if kind in IMAGE_ENCODERS:
        return _image_encoder(config)
    what = f"is a {kind}" if kind else "has no config.json with a model_type"
    raise RequestError(
        f"--model {path} {what}; --task {config.task} needs an encoder: {', '.join((*TEXT_ENCODERS, *IMAGE_ENCODERS))}"
    )


def _text_encoder(config: AccuracyConfig) -> Checked:
    from models.encoder.load import check_encoder

    try:
        stored = check_encoder(config.model)
    except ValueError as error:
        raise RequestError(f"--model: {error}") from error
    if config.context > stored.config.context:
        raise RequestError(
            f"--context {config.context} is more than the {stored.config.context} positions of {config.model}; "
            "give fewer tokens"
        )
    tokenizer = stored.tokenizer
    assert tokenizer is not None, "check_encoder reads one"
    special = tokenizer.num_special_tokens_to_add(False)
    if config.context <= special:
        raise RequestError(
            f"--context {config.context} leaves no room for text beside the {special} special tokens of {config.model}"
        )
    tokenizer.enable_truncation(config.context)
    if config.data is None:
        samples, source = _passages_of_text(config, tokenizer)
        return stored, samples, {"text": source}
    _check_classifier(config, stored)
    given = read_texts(Path(config.data), labels=config.task == "classify")
    samples, source = _passages_of_data(config, tokenizer, given, _labels(config, given, stored))
    return stored, samples, {"data": source}


def _passages_of_text(config: AccuracyConfig, tokenizer: "Tokenizer") -> tuple["Passages", dict[str, Any]]:
    """Lines of a text, long ones in pieces: from its start until there are enough tokens, and from its end."""
    from experiments.samples import Passages
    from experiments.text import read_text, too_short

    text = read_text(config.text, config.tokens + CALIBRATION_TOKENS)
    pieces = _pieces(tokenizer, text.measured)
    measured, there = _until(config.tokens, pieces)
    if text.calibration is None:
        calibration, kept = _until(CALIBRATION_TOKENS, reversed([*pieces]))
    else:
        calibration, kept = _until(CALIBRATION_TOKENS, _pieces(tokenizer, text.calibration))
    if there < config.tokens or kept < CALIBRATION_TOKENS:
        raise too_short(text.source, there + kept, config.tokens + CALIBRATION_TOKENS)
    return Passages(tuple(measured), tuple(calibration)), {"source": text.source, "sha256": text.sha256}


def _until(tokens: int, pieces: Iterator[tuple[int, ...]]) -> tuple[list[tuple[int, ...]], int]:
    """Pieces until there are so many tokens, and how many there are; the others stay in the iterator."""
    taken, there = [], 0
    while there < tokens and (piece := next(pieces, None)) is not None:
        taken.append(piece)
        there += len(piece)
    return taken, there


def _pieces(tokenizer: "Tokenizer", text: str) -> Iterator[tuple[int, ...]]:
    """Token ids of every line that holds something, one piece after the other."""
    for line in text.splitlines():
        if line.strip():
            encoding = tokenizer.encode(line)
            yield from (tuple(piece.ids) for piece in (encoding, *encoding.overflowing))


def _passages_of_data(
    config: AccuracyConfig, tokenizer: "Tokenizer", given: Labelled, labels: list[int] | None
) -> tuple["Passages", dict[str, Any]]:
    from experiments.samples import Passages, chosen, digest

    measured, for_ranges = chosen(len(given.values), config.samples, given.source)
    rows, calibration = ([tuple(tokenizer.encode(given.values[i]).ids) for i in own] for own in (measured, for_ranges))
    right = None if labels is None else tuple(labels[index] for index in measured)
    used = (f"{given.values[i]}\0{labels and labels[i]}".encode() for i in (*measured, *for_ranges))
    source = {"source": given.source, "sha256": digest(used), "samples": len(given.values)}
    return Passages(tuple(rows), tuple(calibration), right), source


def _image_encoder(config: AccuracyConfig) -> Checked:
    from models.vision.load import check_vision

    if config.data is None:
        raise RequestError(f"--model {config.model} looks at images; give them with --data")
    try:
        stored = check_vision(config.model)
    except ValueError as error:
        raise RequestError(f"--model: {error}") from error
    _check_classifier(config, stored)
    given = read_images(Path(config.data), labels=config.task == "classify")
    samples, source = _images_of_data(config, stored, given, _labels(config, given, stored))
    return stored, samples, {"data": source}


def _images_of_data(
    config: AccuracyConfig, stored: "StoredEncoder", given: Labelled, labels: list[int] | None
) -> tuple["Images", dict[str, Any]]:
    from experiments.images import read_image
    from experiments.samples import Images, chosen, digest

    measured, for_ranges = chosen(len(given.values), config.samples, given.source)
    paths, calibration = (tuple(Path(given.values[index]) for index in own) for own in (measured, for_ranges))
    pixels = (
        # Read now, so that an image that does not fit is refused before anything is computed.
        read_image(path, stored.config.image_size, stored.config.channels).tobytes()
        for path in (*paths, *calibration)
    )
    right = None if labels is None else tuple(labels[index] for index in measured)
    source = {
        "source": given.source,
        "sha256": digest((digest(pixels).encode(), repr(right).encode())),
        "samples": len(given.values),
        "token": "patch",
    }
    return Images(paths, calibration, stored.config, right), source


def _check_classifier(config: AccuracyConfig, stored: "StoredEncoder") -> None:
    if config.task == "classify" and len(stored.config.labels) < 2:
        raise RequestError(
            f"--model {config.model} has no classifier of two or more classes; give another model or --task embed"
        )


def _labels(config: AccuracyConfig, given: Labelled, stored: "StoredEncoder") -> list[int] | None:
    return given.numbers(stored.config.labels) if config.task == "classify" else None
