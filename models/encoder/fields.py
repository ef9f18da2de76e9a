"""Typed access to the `config.json` of an encoder: what is absent, null or of another type is refused by name."""

import math
from collections.abc import Mapping
from typing import Any

from models.transformer import fields

_MOST_CLASSES = 2**20


class Fields(fields.Fields):
    """The fields of an encoder's configuration, with choices and class names; numbers are finite."""

    def __init__(self, values: Mapping[str, Any], where: str = "config.json") -> None:
        super().__init__(values, where, "an encoder")

    def value(self, name: str, default: Any = None) -> Any:
        """The field as it stands in the file, or the default."""
        return self.values[name] if self.has(name) else default

    def number(self, name: str, default: Any = fields.MISSING) -> float:
        """A finite number; ValueError where it is missing without a default, or something else."""
        number = super().number(name, default)
        if not math.isfinite(number):
            raise ValueError(f"{name!r} in {self.where} must be a finite number, not {number!r}")
        return number

    def only(self, name: str, allowed: tuple[Any, ...], default: Any) -> Any:
        """A field of which only some values are supported; ValueError names them."""
        value = self.value(name, default)
        if value not in allowed:
            names = ", ".join(repr(choice) for choice in allowed)
            raise ValueError(f"{name!r} in {self.where} is {value!r}; supported: {names}")
        return value

    def labels(self, classes: int) -> tuple[str, ...]:
        """Names of the classes from `id2label`, LABEL_0 and so on where there is none; ValueError where they differ."""
        if classes > _MOST_CLASSES:
            raise ValueError(f"the classifier has {classes} classes; at most {_MOST_CLASSES} are read")
        table = self.value("id2label", {str(number): f"LABEL_{number}" for number in range(classes)})
        wanted = {str(number) for number in range(classes)}
        if not isinstance(table, Mapping) or set(table) != wanted:
            raise ValueError(f"'id2label' in {self.where} must name the {classes} classes of the classifier from 0")
        names = tuple(str(table[str(number)]) for number in range(classes))
        if len({*names}) < classes:
            raise ValueError(f"'id2label' in {self.where} gives two classes the same name")
        return names


def is_number(value: object) -> bool:
    """Whether a value from a file is a finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of hundreds of digits
        return False


def check_sizes(config: Any, names: tuple[str, ...]) -> None:
    """ValueError unless each named attribute is a positive integer."""
    for name in names:
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} of an encoder must be a positive integer, not {value!r}")
