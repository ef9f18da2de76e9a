"""Options of `exalight bench`; standard library and tyro only, so that bad options are refused at once."""

import dataclasses
import re
from typing import Annotated

import tyro

from experiments.accuracy_config import DEFAULT_MODEL
from experiments.errors import RequestError
from experiments.option_checks import check_not_empty, check_seed

LEAST_PAIRS = 3
"""Fewer measurements have no quartiles."""

DEFAULT_ENGINE = "free-space-1024"
DEFAULT_SHAPES = ("512x1024x1024", "512x768x3072")
_LARGEST_MATRIX = 2**28
_SHAPE = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})x([1-9]\d{0,5})")


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What the simulated product costs over the plain one: both in turn in one process, and the ratio of their times.

    The plain one is JAX's compiled float32 product on the same machine. Ratios hardly depend on who else uses the
    machine; times do. A run that was interrupted goes on where it was; one that is whole is measured anew.

    For example:

    exalight bench

    exalight bench --cases "^catalogued" --pairs 31

    exalight bench --shapes 64x2048x2048 --engine free-space-2048 --set encoding.rotate=false

    exalight bench --cases model --model my-model.gguf
    """

    pairs: Annotated[int, tyro.conf.arg(metavar="N")] = 21
    """Measurements of each case, each the plain function and the optical one in turn."""

    cases: Annotated[str, tyro.conf.arg(metavar="PATTERN", help_behavior_hint="(default: all)")] = ""
    """Only cases whose "NAME MxKxN" a regular expression finds, such as "catalogued" or "1024x1024$"; if none is,
    all are listed."""

    shapes: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MxKxN")] = DEFAULT_SHAPES
    """Shapes of the products: M vectors of length K onto N outputs."""

    engine: Annotated[str, tyro.conf.arg(metavar="NAME|FILE.toml")] = DEFAULT_ENGINE
    """Optical engine from the catalogue (see: exalight engines) or from a file."""

    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH=VALUE", help_behavior_hint="(repeatable)")] = ()
    """Another value for any field of the engine; a case that is about a field sets it after this."""

    model: Annotated[str, tyro.conf.arg(metavar="DIR|FILE.gguf|smollm2-135m")] = DEFAULT_MODEL
    """Decoder of the case "model"; left out with a word if the packaged one is not installed."""

    seed: Annotated[int, tyro.conf.arg(metavar="S")] = 0
    """Seed of operands, tokens and noise."""

    out: Annotated[
        str | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/bench/<hash of the options>)")
    ] = None
    """Folder of the results. One that holds another configuration is refused."""


def check_options(config: BenchConfig) -> None:
    """Refuse options that are wrong whatever the files hold; RequestError names option, value and what is right."""
    if config.pairs < LEAST_PAIRS:
        raise RequestError(
            f"--pairs {config.pairs}: quartiles need at least {LEAST_PAIRS} pairs; 15 or more are steady"
        )
    for text in config.shapes:
        shape(text)
    if len({*config.shapes}) < len(config.shapes):
        raise RequestError("--shapes names the same shape twice; give each shape once")
    try:
        re.compile(config.cases)
    except re.error as error:
        raise RequestError(f"--cases {config.cases!r} is not a regular expression: {error}") from error
    check_seed(config.seed)
    check_not_empty(config, ("engine", "model", "out"))


def shape(text: str) -> tuple[int, int, int]:
    """(m, k, n) from "MxKxN"; RequestError for anything else."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise RequestError(f"--shapes {text}: give MxKxN in whole numbers, for example {DEFAULT_SHAPES[0]}")
    m, k, n = map(int, match.groups())
    if max(m * k, k * n, m * n) > _LARGEST_MATRIX:
        raise RequestError(f"--shapes {text}: no matrix may have more than {_LARGEST_MATRIX} elements (1 GiB)")
    return m, k, n
