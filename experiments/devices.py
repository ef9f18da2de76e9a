"""Data-parallel evaluation: the sequences of a batch spread over the devices that JAX sees, by sharding alone.

Weights and panels are copied to every device; tokens, keys and all that follows from them are cut along the batch
axis. Each sequence has its own key, so that its draws do not depend on where it is computed.
"""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from experiments.errors import RequestError

_AXIS = "sequences"


@dataclasses.dataclass(frozen=True)
class Devices:
    """Devices that share the sequences of every batch.

    With one device nothing is moved anywhere: JAX puts arrays where it always does.

    Attributes:
        devices: at least one, as `jax.devices` gives them.
    """

    devices: tuple[Any, ...]

    @classmethod
    def chosen(cls, wanted: Literal["all"] | int) -> "Devices":
        """So many devices, the first ones; RequestError where there are fewer."""
        there = jax.devices()
        if wanted != "all" and wanted > len(there):
            raise RequestError(
                f"--devices {wanted}: JAX sees {len(there)} ({there[0].platform}); give a number up to that, or all"
            )
        return cls(tuple(there if wanted == "all" else there[:wanted]))

    def __len__(self) -> int:
        return len(self.devices)

    def on_all(self, tree: Any) -> Any:
        """Arrays of a pytree, whole on every device."""
        return tree if len(self) == 1 else jax.device_put(tree, self._sharding(PartitionSpec()))

    def spread(self, tree: Any) -> Any:
        """Arrays (batch, ...) of a pytree, cut along the batch and filled up with their first row to divide evenly."""
        return tree if len(self) == 1 else jax.tree.map(self._spread, tree)

    def rows(self, count: int) -> int:
        """Rows of a batch of `count` sequences once it is spread."""
        return -(-count // len(self)) * len(self)

    def _spread(self, array: Array) -> Array:
        missing = self.rows(array.shape[0]) - array.shape[0]
        if missing:
            array = jnp.concatenate([array, *[array[:1]] * missing])
        return jax.device_put(array, self._sharding(PartitionSpec(_AXIS)))

    def _sharding(self, spec: PartitionSpec) -> NamedSharding:
        return NamedSharding(Mesh(self.devices, (_AXIS,)), spec)
