"""Which layer is computed by which engine: ordered rules on layer names, and the few structures they come down to."""

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

if TYPE_CHECKING:
    from photonics.engine import Engine

Rule = tuple[str, "Engine | None"]


def check_rules(rules: Sequence[Rule], names: Sequence[str]) -> None:
    """Raise ValueError for a pattern that is no regular expression or matches none of the layer names."""
    for pattern, _ in rules:
        try:
            matches = any(re.search(pattern, name) for name in names)
        except re.error as error:
            raise ValueError(f"rule {pattern!r} is not a regular expression: {error}") from None
        if not matches:
            shown = ", ".join(list(names)[:8]) + (", ..." if len(names) > 8 else "")
            raise ValueError(f"rule {pattern!r} matches no layer; layers are {shown or 'none at all'}")


def engine_for(name: str, rules: Sequence[Rule]) -> "Engine | None":
    """The engine of the first rule whose pattern is found in `name`; None (digital) if no rule is."""
    return next((engine for pattern, engine in rules if re.search(pattern, name)), None)


@dataclasses.dataclass(frozen=True)
class Assignment:
    """Engines of the layers of one seam: one layer, or the layers of a stack.

    Attributes:
        engines: the distinct structures in use, each with leaves as float32 arrays, stacked along a leading layer
            axis if the seam is a stack; a layer that uses another structure carries a copy that is never read.
        choice: per layer, the index into (digital, *engines), or into `engines` where no layer is digital.
        digital: whether some layer is digital.
    """

    engines: tuple["Engine", ...]
    choice: np.ndarray
    digital: bool


def assign(engines: Sequence["Engine | None"], stacked: bool) -> Assignment:
    """Group the engines of the layers of one seam by structure; `engines` has one entry unless `stacked`."""
    engines = [None if engine is None else as_arrays(engine) for engine in engines]
    structures: list[Any] = []
    for engine in engines:
        if engine is not None and jax.tree.structure(engine) not in structures:
            structures.append(jax.tree.structure(engine))
    digital = any(engine is None for engine in engines)
    offset = 1 if digital else 0
    choice = np.array(
        [0 if e is None else offset + structures.index(jax.tree.structure(e)) for e in engines], dtype=np.int32
    )
    groups = []
    for structure in structures:
        members = [e if e is not None and jax.tree.structure(e) == structure else None for e in engines]
        spare = next(member for member in members if member is not None)
        filled = [spare if member is None else member for member in members]
        groups.append(jax.tree.map(lambda *leaves: jnp.stack(leaves), *filled) if stacked else filled[0])
    return Assignment(tuple(groups), choice, digital)


def as_arrays(engine: "Engine") -> "Engine":
    """The engine with every physical value as a float32 array, so that none of them is a constant of a compilation.

    It loses its name, which would make two equal machines different structures.
    """
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), engine.replace(name=""))
