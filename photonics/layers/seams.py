"""Finding the weight products of a flax nnx model: layers with a seam, their names, their place in a scanned stack."""

import dataclasses
import math
import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import jax
from flax import nnx
from jax import Array

if TYPE_CHECKING:
    from photonics.layers.optical_dot import OpticalDot

Path = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Seam:
    """A layer whose product can be replaced.

    Attributes:
        module: `nnx.Linear`, `nnx.LinearGeneral`, `nnx.Einsum`, or any module with an attribute `dot_general` and a
            method `weight_matrix()` that returns its weights as (k, n).
        path: where it stands in the model.
        layers: how many layers a scanned stack holds there; None outside of a stack.
        names: its name, or one per layer of the stack with the layer's index after the name of the stack.
    """

    module: Any
    path: Path
    layers: int | None
    names: tuple[str, ...]

    @property
    def stack_name(self) -> str:
        """Its place in the model, as "layers/mlp/down": one name for all layers of a stack."""
        return _join(self.path)

    def install(self, dot: "OpticalDot", einsum: Callable[["OpticalDot"], nnx.Module]) -> None:
        """Put an optical product into the layer, in place."""
        if isinstance(self.module, nnx.Einsum):
            self.module.einsum_op = nnx.data(einsum(dot))
            return
        if hasattr(self.module, "dot_general_cls"):
            # It would win over `dot_general`.
            self.module.dot_general_cls = None
        self.module.dot_general = nnx.data(dot)

    def dot(self) -> Any:
        """The optical product that stands in the layer, or None."""
        if isinstance(self.module, nnx.Einsum):
            return getattr(self.module.einsum_op, "dot", None)
        # Told by what it holds: somebody else's module may stand there as well.
        return self.module.dot_general if hasattr(self.module.dot_general, "hardware") else None

    def weights(self) -> Array | None:
        """Weights as (k, n), (layers, k, n) in a stack, or None where only a call tells (einsum without equation)."""
        if hasattr(self.module, "weight_matrix"):
            return self.module.weight_matrix()
        kernel, lead = self.module.kernel[...], 0 if self.layers is None else 1
        if isinstance(self.module, nnx.Einsum):
            if self.module.einsum_str is None:
                return None
            order, contracted = _kernel_order(self.module.einsum_str)
            kernel = kernel.transpose(*range(lead), *(axis + lead for axis in order))
        elif isinstance(self.module, nnx.LinearGeneral):
            contracted = len(self.module.in_features)
        else:
            contracted = 1
        k = math.prod(kernel.shape[lead : lead + contracted])
        return kernel.reshape(*kernel.shape[:lead], k, -1)


def find_seams(model: nnx.Module) -> list[Seam]:
    """All layers of a model that have a seam, ordered by path."""
    found, shapes = [], _parameter_shapes(model)
    for path, module in nnx.iter_modules(model):
        stacked = _stacked(module)
        if stacked is None:
            continue
        layers, names = None, (_join(path),)
        if stacked:
            layers = _weight_shape(module)[0]
            root = _stack_root(shapes, path, layers)
            names = tuple(_join((*path[:root], index, *path[root:])) for index in range(layers))
        found.append(Seam(module, path, layers, names))
    return sorted(found, key=lambda seam: tuple(map(str, seam.path)))


def unreachable(model: nnx.Module, seams: Iterable[Seam]) -> list[str]:
    """Modules that hold weight matrices which no seam reaches, as "path (type)".

    An `nnx.Embed` is a lookup and counts only if its matrix also serves no reached layer: then a call of its `attend`
    would be a product that stays digital. A module with an attribute `multiplies = False` has no product at all.
    """
    seams = list(seams)
    reached = {id(param) for seam in seams for _, param in _params(seam.module)}
    reached_modules = {id(seam.module) for seam in seams}
    shapes = _parameter_shapes(model)
    roots = [(seam.path[: _stack_root(shapes, seam.path, seam.layers)]) for seam in seams if seam.layers is not None]
    left = []
    for path, module in nnx.iter_modules(model):
        if not getattr(module, "multiplies", True):
            continue
        lead = 1 if any(path[: len(root)] == root for root in roots) else 0
        own = [param for _, param in _params(module, deep=False) if id(param) not in reached]
        if id(module) not in reached_modules and any(len(_shape(param)) - lead >= 2 for param in own):
            left.append(f"{_join(path) or '.'} ({type(module).__name__})")
    return left


def stack_roots(model: nnx.Module, seams: Iterable[Seam]) -> list[tuple[Path, int]]:
    """Path and number of layers of every scanned stack that holds one of the seams."""
    shapes = _parameter_shapes(model)
    roots = {seam.path[: _stack_root(shapes, seam.path, seam.layers)]: seam.layers for seam in seams if seam.layers}
    return list(roots.items())


def named(path: Path, roots: Iterable[tuple[Path, int]]) -> tuple[int | None, tuple[str, ...]]:
    """Layers of the stack that a module without weights stands in, None outside of one, and its names there."""
    for root, layers in roots:
        if path[: len(root)] == root:
            return layers, tuple(_join((*root, index, *path[len(root) :])) for index in range(layers))
    return None, (_join(path),)


def place(name: str) -> int:
    """A number for a layer's name that is the same in every process: CRC-32."""
    return zlib.crc32(name.encode())


def _stacked(module: Any) -> bool | None:
    """Whether a module with a seam carries a leading layer axis; None for a module without a seam."""
    if isinstance(module, nnx.Linear):
        plain = 2
    elif isinstance(module, nnx.LinearGeneral):
        if module.batch_axis:
            return None
        plain = len(module.in_features) + len(module.out_features)
    elif isinstance(module, nnx.Einsum):
        plain = len(module.kernel_shape)
    elif hasattr(module, "dot_general") and hasattr(module, "weight_matrix"):
        plain = 2
    else:
        return None
    return len(_weight_shape(module)) > plain


def _weight_shape(module: Any) -> tuple[int, ...]:
    """Shape of the weights of a module with a seam; they are not read."""
    return jax.eval_shape(module.weight_matrix).shape if hasattr(module, "weight_matrix") else _shape(module.kernel)


def _shape(param: nnx.Variable) -> tuple[int, ...]:
    # Of the raw value: reading the value itself would widen a stack of two-byte weights.
    return param.get_raw_value().shape


def _parameter_shapes(model: nnx.Module) -> list[tuple[Path, tuple[int, ...]]]:
    """Where every parameter stands, and its shape; () for those of layers outside of any stack."""
    plain = {id(p) for _, module in nnx.iter_modules(model) if _stacked(module) is False for _, p in _params(module)}
    return [(where, () if id(param) in plain else _shape(param)) for where, param in _params(model)]


def _stack_root(shapes: list[tuple[Path, tuple[int, ...]]], path: Path, layers: int | None) -> int:
    """How many components of `path` name the stack: the highest module whose parameters all carry the layer axis.

    Weights of a layer outside of any stack carry none, whatever their shape; and a model that holds its one stack
    under a name is not the stack itself.
    """
    first = 1 if len(path) > 1 and len({where[0] for where, _ in shapes}) == 1 else 0
    for depth in range(first, len(path) + 1):
        inside = [shape for where, shape in shapes if where[:depth] == path[:depth]]
        if all(shape[:1] == (layers,) for shape in inside):
            return depth
    return len(path)


def _params(module: Any, deep: bool = True) -> list[tuple[Path, nnx.Param]]:
    if deep:
        return [(path, node) for path, node in nnx.iter_graph(module) if isinstance(node, nnx.Param)]
    return [((name,), value) for name, value in vars(module).items() if isinstance(value, nnx.Param)]


def _kernel_order(equation: str) -> tuple[list[int], int]:
    left, right, _ = equation.replace(" ", "").replace("->", ",").split(",")
    shared = [letter for letter in left if letter in right]
    return [right.index(letter) for letter in shared + [c for c in right if c not in shared]], len(shared)


def _join(path: Path) -> str:
    return "/".join(map(str, path))
