"""Options of `exalight validate`; standard library and tyro only, so that bad options are refused at once."""

import dataclasses
import re
from typing import Annotated

import tyro

from experiments.errors import RequestError
from experiments.option_checks import check_not_empty


@dataclasses.dataclass(frozen=True, kw_only=True)
class ValidateConfig:
    """Published results beside what this simulator gives, case by case, with the source of each number.

    A case is data: an engine, a quantity with arguments, the published value or curve, and how near is near enough.
    The command ends with status 1 if a case fails. Cases that take minutes, or data that is not here, are skipped and
    listed with the reason.

    For example:

    exalight validate

    exalight validate --list

    exalight validate --only "^O1|adc"

    exalight validate --cases my-cases.toml --slow
    """

    cases: Annotated[str | None, tyro.conf.arg(metavar="FILE.toml", help_behavior_hint="(default: those shipped)")] = (
        None
    )
    """Cases to run instead of the shipped ones, written as those in experiments/validation_cases.toml."""

    only: Annotated[str, tyro.conf.arg(metavar="PATTERN", help_behavior_hint="(default: all)")] = ""
    """Only cases whose id, quantity or engine a regular expression finds."""

    list: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print the quantities that a case may ask for, with arguments and units, and the cases; compute nothing."""

    slow: tyro.conf.FlagCreatePairsOff[bool] = False
    """Run cases that take minutes, too."""

    mnist: Annotated[str | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="(default: skipped)")] = None
    """Folder with the four IDX files of MNIST, compressed or not; nothing else stands in for them. Training takes
    minutes."""

    plot: bool = True
    """Draw simulated over published for all cases."""

    out: Annotated[
        str | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/validate/<hash of the options>)")
    ] = None
    """Folder of the results. One that holds another configuration is refused."""


def check_options(config: ValidateConfig) -> None:
    """Refuse options that are wrong whatever the files hold; RequestError names option, value and what is right."""
    try:
        re.compile(config.only)
    except re.error as error:
        raise RequestError(f"--only {config.only!r} is not a regular expression: {error}") from error
    check_not_empty(config, ("cases", "mnist", "out"))
    if config.list and config.out is not None:
        raise RequestError("--list computes nothing, so there is nothing to put into --out; leave one of them out")
