"""Stored tensors of an encoder and the parameters they become; the same for text and images.

A stored matrix has the axes (out, in), a linear layer's kernel (in, out), and the kernels of all layers are one array
(layers, in, out).
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from tokenizers import Tokenizer

from models.transformer.checkpoint import check_fit, sha256_of

ConfigT = TypeVar("ConfigT")
ParamPath = tuple[str, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Place:
    """One parameter, and the tensor (one per layer, if `{}` is in its name) that it comes from."""

    path: ParamPath
    name: str
    shape: tuple[int, ...]
    """Shape of one stored tensor."""
    arrange: Callable[[np.ndarray], np.ndarray] | None = None
    """From the stored tensor to the parameter, where they differ."""
    layers: int | None = None
    """Length of the layer axis; None for a parameter outside of the layers."""

    @property
    def names(self) -> list[str]:
        """Names of the stored tensors, one per layer."""
        return [self.name] if self.layers is None else [self.name.format(layer) for layer in range(self.layers)]

    def value(self, read: Callable[[str], np.ndarray]) -> np.ndarray:
        """The parameter, float32, the layers stacked."""
        if self.layers is None:
            return self._arranged(read(self.name))
        first = self._arranged(read(self.names[0]))
        stack = np.empty((self.layers, *first.shape), np.float32)
        stack[0] = first
        for layer, name in enumerate(self.names[1:], start=1):
            stack[layer] = self._arranged(read(name))
        return stack

    def _arranged(self, stored: np.ndarray) -> np.ndarray:
        return stored if self.arrange is None else self.arrange(stored)


@dataclasses.dataclass(frozen=True)
class StoredEncoder(Generic[ConfigT]):
    """A stored encoder whose files are whole: its shape, its tokenizer if it reads text, tensors read on demand."""

    path: Path
    config: ConfigT
    places: tuple[Place, ...] = dataclasses.field(repr=False)
    tokenizer: Tokenizer | None = dataclasses.field(repr=False)
    shapes: Mapping[str, tuple[int, ...]] = dataclasses.field(repr=False)
    """By the name without the prefix of its model type."""
    read: Callable[[str], np.ndarray] = dataclasses.field(repr=False)
    """One tensor by that name, as float32 in its stored shape."""
    weight_files: tuple[Path, ...]

    @functools.cached_property
    def sha256(self) -> str:
        """SHA-256 (hexadecimal) of the bytes of the weight files, one after the other in the order of their names."""
        return sha256_of(self.weight_files)

    def parameters(self, skip: Sequence[str] = ()) -> Iterator[tuple[ParamPath, np.ndarray]]:
        """Each parameter's path and value, one at a time to bound the memory, but for modules named in `skip`."""
        for place in self.places:
            if place.path[0] not in skip:
                value = place.value(self.read)
                # Both ends are numbers only where all are: no array of truths as large as the tensor.
                if value.size and not (np.isfinite(value.min()) and np.isfinite(value.max())):
                    raise ValueError(f"tensor {place.name!r} in {self.path} holds values that are not finite")
                yield place.path, value


def check_tensors(stored: StoredEncoder) -> None:
    """One ValueError that lists every tensor that is missing, unexpected or of another shape, if there is any."""
    layers = max((place.layers or 0 for place in stored.places), default=0)
    check_fit(
        stored.path,
        layers,
        stored.shapes,
        lambda: {name: place.shape for place in stored.places for name in place.names},
    )


def linear(
    path: str, name: str, inputs: int, outputs: int, *, bias: bool = True, layers: int | None = None
) -> list[Place]:
    """Places of a linear layer; `path` is that of its module, `name` that of its stored tensors without the ending."""
    parts = tuple(path.split("/"))
    kernel = Place(
        path=(*parts, "kernel"), name=f"{name}.weight", shape=(outputs, inputs), arrange=np.transpose, layers=layers
    )
    added = Place(path=(*parts, "bias"), name=f"{name}.bias", shape=(outputs,), layers=layers)
    return [kernel, added] if bias else [kernel]


def norm(path: str, name: str, width: int, *, layers: int | None = None) -> list[Place]:
    """Places of a layer norm."""
    parts = tuple(path.split("/"))
    return [
        Place(path=(*parts, "scale"), name=f"{name}.weight", shape=(width,), layers=layers),
        Place(path=(*parts, "bias"), name=f"{name}.bias", shape=(width,), layers=layers),
    ]


def layer_places(
    stored: Mapping[str, str], width: int, hidden_width: int, layers: int, *, input_bias: bool = True
) -> list[Place]:
    """Places of `layers.EncoderLayer`; `stored` gives the name, with `{}` for the layer, of each of its modules."""
    places = []
    for module, name in stored.items():
        path = f"layers/{module}"
        if module.endswith("norm"):
            places += norm(path, name, width, layers=layers)
            continue
        inputs = hidden_width if module == "mlp/down" else width
        outputs = hidden_width if module == "mlp/up" else width
        bias = input_bias or module not in ("attention/query", "attention/key", "attention/value")
        places += linear(path, name, inputs, outputs, bias=bias, layers=layers)
    return places
