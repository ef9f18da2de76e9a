"""A weight matrix as an engine of tiles has it: encoded tile by tile, with the errors of one instance."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from photonics.stage import stage, static


class Encoded(NamedTuple):
    """What a family makes of the weights of all tiles.

    Attributes:
        values: arrays (tiles, ...) that the family's `analog` reads, one slice for each tile.
        scale: (tiles, n) weight that a normalised product of 1 is worth.
    """

    values: dict[str, Array]
    scale: Array


@stage
class LoadedTiles:
    """Weights (k, n) of an engine that works tile by tile; encode once, multiply often.

    Attributes:
        values: arrays (tiles, ...) that the engine's family reads.
        scale: (tiles, n) weight that a normalised product of 1 is worth.
        full_scale: (tiles, n) half range of the ADC in units of the normalised product.
        activation_scale: () full drive in units of x, for static activation scales; 1 otherwise.
        k: length of the vectors.
        n: outputs.
        rows: inputs of one tile.
    """

    values: dict[str, Array]
    scale: Array
    full_scale: Array
    activation_scale: Array
    k: int = static()
    n: int = static()
    rows: int = static()

    @property
    def tiles(self) -> int:
        """Parts that the contraction is cut into."""
        return self.scale.shape[0]

    def of_tile(self, index: int) -> dict[str, Array]:
        """The values of one tile."""
        return {name: value[index] for name, value in self.values.items()}


def no_tiles(k: int, n: int) -> LoadedTiles:
    """A matrix without entries."""
    ones = jnp.ones((1, n))
    return LoadedTiles(values={}, scale=ones, full_scale=ones, activation_scale=jnp.ones(()), k=k, n=n, rows=max(k, 1))
