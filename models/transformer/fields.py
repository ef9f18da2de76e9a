"""Typed access to the fields of a configuration that came from a file."""

from collections.abc import Mapping
from typing import Any

MISSING = object()
"""Stands for no default: the field must be there."""
_LARGEST_INTEGER = 2**24


class Fields:
    """Values by name; null counts as absent, as it does in config.json. Every fault is a ValueError of one sentence."""

    def __init__(self, values: Mapping[str, Any], where: str, need: str = "a model") -> None:
        self.values, self.where, self.need = values, where, need

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.values.get(name) is not None

    def _value(self, name: str, default: Any) -> Any:
        value = self.values.get(name)
        if value is None:
            value = default
        if value is MISSING:
            raise ValueError(f"{self.where} has no field {name!r}, which {self.need} needs")
        return value

    def integer(self, name: str, default: Any = MISSING) -> int:
        """A field that must hold one integer."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{name!r} in {self.where} must be one integer, not {value!r}")
        if abs(value) > _LARGEST_INTEGER:  # a damaged size must not decide how much memory is taken
            raise ValueError(f"{name!r} in {self.where} is larger than any size of a model can be")
        return value

    def number(self, name: str, default: Any = MISSING) -> float:
        """A field that must hold a number."""
        value = self._value(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name!r} in {self.where} must be a number, not {value!r}")
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{name!r} in {self.where} is larger than any number can be") from None

    def boolean(self, name: str, default: Any = MISSING) -> bool:
        """A field that must be true or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            raise ValueError(f"{name!r} in {self.where} must be true or false, not {value!r}")
        return value
