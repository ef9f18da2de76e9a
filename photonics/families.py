"""The families of engines that an engine file can belong to. No JAX."""

from collections.abc import Mapping

from photonics.families_schema import Family
from photonics.free_space_rows import FAMILY as FREE_SPACE
from photonics.schema import Decibel, Row

FAMILIES: Mapping[str, Family] = {family.name: family for family in (FREE_SPACE,)}
DEFAULT = FREE_SPACE.name


def row_of(path: str) -> Row | None:
    """The row of a path in the first family that has it, where no engine says which family is meant."""
    return next((family.row_of[path] for family in FAMILIES.values() if path in family.row_of), None)


def decibel_of(key: str) -> Decibel | None:
    """The same for a spelling in decibels."""
    return next((family.decibels[key] for family in FAMILIES.values() if key in family.decibels), None)


def spellings() -> list[str]:
    """Every key that a file of some family may state."""
    return list(dict.fromkeys(key for family in FAMILIES.values() for key in family.spellings))
