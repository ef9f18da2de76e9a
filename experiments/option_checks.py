"""Checks of options that several commands have; standard library only. Each raises RequestError."""

import math
import re
from collections.abc import Iterable

from experiments.errors import RequestError


def check_power(power_w: float) -> None:
    """Refuse a laser power that no laser has."""
    if not (math.isfinite(power_w) and power_w > 0):
        raise RequestError(f"--laser-power-w {power_w:g}: a laser power must be finite and above 0 W")


def check_seed(seed: int) -> None:
    """Refuse a seed that a PRNG key cannot take."""
    if not 0 <= seed < 2**32:
        raise RequestError(f"--seed {seed}: give a whole number from 0 to {2**32 - 1}")


def check_patterns(patterns: Iterable[str], option: str = "digital") -> None:
    """Refuse layer patterns that are no regular expressions."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise RequestError(f"--{option} {pattern!r} is not a regular expression: {error}") from error


def check_not_empty(config: object, options: Iterable[str]) -> None:
    """Refuse options that were given without a value, such as an unset shell variable."""
    for option in options:
        if getattr(config, option) == "":
            raise RequestError(f"--{option} is empty; leave it out for the default")
