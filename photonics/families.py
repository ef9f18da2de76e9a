"""The families of engines that an engine file can belong to. No JAX."""

from collections.abc import Mapping

from photonics.analog_optical_computer.rows import FAMILY as ANALOG_OPTICAL_COMPUTER
from photonics.block_floating_point.rows import FAMILY as BLOCK_FLOATING_POINT
from photonics.dynamic_operand.rows import FAMILY as DYNAMIC_OPERAND
from photonics.families_schema import Family
from photonics.free_space_rows import FAMILY as FREE_SPACE
from photonics.homodyne.rows import FAMILY as HOMODYNE
from photonics.optical_transformer.rows import FAMILY as OPTICAL_TRANSFORMER
from photonics.residue.rows import FAMILY as RESIDUE
from photonics.schema import Decibel, Row

_ALL = (
    FREE_SPACE,
    ANALOG_OPTICAL_COMPUTER,
    BLOCK_FLOATING_POINT,
    RESIDUE,
    HOMODYNE,
    DYNAMIC_OPERAND,
    OPTICAL_TRANSFORMER,
)
FAMILIES: Mapping[str, Family] = {family.name: family for family in _ALL}
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
