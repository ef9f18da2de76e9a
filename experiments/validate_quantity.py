"""What a case of `exalight validate` may ask for: a named quantity with its unit and its arguments. No JAX."""

import dataclasses
import importlib
import math
import sys
from collections.abc import Callable
from typing import Any, Literal

from experiments.errors import RequestError
from photonics.schema import nearest

Type = Literal["number", "whole", "choice", "text"]


@dataclasses.dataclass(frozen=True)
class Argument:
    """One argument of a quantity.

    Attributes:
        name: as in a case.
        type: number, whole number, one of some words, or any text.
        default: value without one; None where `otherwise` says what is taken, or where it has to be given.
        unit: SI unit, "1" for ratios and counts, "" for words.
        meaning: one line.
        otherwise: what is taken without a value, "" where the default says it or there is none.
        choices: the words of a choice.
        least: smallest number.
    """

    name: str
    type: Type
    default: Any
    unit: str
    meaning: str
    otherwise: str = ""
    choices: tuple[str, ...] = ()
    least: float = -math.inf

    @property
    def needed(self) -> bool:
        """Whether a case has to state it."""
        return self.default is None and not self.otherwise

    def read(self, value: object) -> Any:
        """`value` in the type of the argument; ValueError says what would be right."""
        if self.type == "choice":
            if value in self.choices:
                return value
        elif self.type == "text":
            if isinstance(value, str):
                return value
        elif (
            isinstance(value, int | float) and not isinstance(value, bool) and self.least <= value < sys.float_info.max
        ):
            if self.type == "number":
                return float(value)
            if float(value).is_integer():
                return int(value)
        raise ValueError(f"argument {self.name} is {value!r}; it should be {self.describe()}")

    def describe(self) -> str:
        """What a value has to be, as the end of the sentence "it should be ..."."""
        if self.type == "choice":
            return f"one of {', '.join(self.choices)}"
        if self.type == "text":
            return "a text"
        noun = "a whole number" if self.type == "whole" else "a number"
        return noun + ("" if self.least == -math.inf else f" of {self.least:g} or more")

    def shown_default(self) -> str:
        """What is taken without a value."""
        return self.otherwise or ("has to be given" if self.default is None else f"{self.default}")


@dataclasses.dataclass(frozen=True)
class Quantity:
    """One thing that a case may ask for.

    Attributes:
        name: as in a case, and of the function that computes it.
        unit: SI unit of the value, "1" for ratios and counts.
        meaning: one line.
        room: module that holds the function: experiments.validate_quantities_ROOM.
        arguments: what it may be given.
        family: family of engines that it is about; None for any, "" for a quantity that needs no engine.
        needs: data that may be absent: "mnist" or "smollm2"; "" for none.
    """

    name: str
    unit: str
    meaning: str
    room: str
    arguments: tuple[Argument, ...] = ()
    family: str | None = None
    needs: str = ""

    def argument(self, name: str) -> Argument:
        """An argument by name; ValueError names those that exist."""
        found = next((argument for argument in self.arguments if argument.name == name), None)
        if found is None:
            raise ValueError(self._no_argument(name))
        return found

    def filled(self, given: dict[str, Any]) -> dict[str, Any]:
        """All arguments with their defaults; ValueError for unknown, missing and wrong ones."""
        for name in given:
            self.argument(name)
        values = {}
        for argument in self.arguments:
            if argument.name in given:
                values[argument.name] = argument.read(given[argument.name])
            elif argument.needed:
                raise ValueError(f"quantity {self.name} needs the argument {argument.name}: {argument.meaning}")
            else:
                values[argument.name] = argument.default
        return values

    def function(self) -> Callable[..., float]:
        """The function that computes it; imports JAX."""
        return getattr(importlib.import_module(f"experiments.validate_quantities_{self.room}"), self.name)

    def _no_argument(self, name: str) -> str:
        names = [argument.name for argument in self.arguments]
        if not names:
            return f"quantity {self.name} has no argument {name!r}; it takes none"
        return (
            f"quantity {self.name} has no argument {name!r}; the nearest is {nearest(name, names)!r} "
            f"(arguments: {', '.join(names)})"
        )


def by_name(name: str, quantities: dict[str, Quantity]) -> Quantity:
    """A quantity by name; RequestError names the nearest and all that exist."""
    if name not in quantities:
        raise RequestError(
            f"there is no quantity {name!r}; the nearest is {nearest(name, quantities)!r} "
            f"(quantities: {', '.join(quantities)})"
        )
    return quantities[name]
