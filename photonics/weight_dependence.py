"""Which values of a traced function are weights: the origin of a value, and the trace of a call with its origins."""

import functools
import inspect
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr

Path = tuple[int, ...]
"""Where an equation stands: its index in the outermost jaxpr, then in the jaxprs inside it."""


@dataclass(frozen=True)
class Origin:
    """What a traced value depends on; `a | b` is the origin of a value computed from both.

    Literals, arrays made inside the function and arrays that it captured depend on neither weights nor data.

    Attributes:
        weights: on at least one weight.
        data: on at least one traced argument that is no weight (activations, caches, random keys).
        loops: the loops in which the value is another one at each step; not followed for data.
    """

    weights: bool = False
    data: bool = False
    loops: frozenset[Path] = frozenset()

    @property
    def is_weight(self) -> bool:
        """Whether the value could be held on a panel: it depends on weights and on no data."""
        return self.weights and not self.data

    def __or__(self, other: "Origin") -> "Origin":
        data = self.data or other.data
        return Origin(self.weights or other.weights, data, frozenset() if data else self.loops | other.loops)

    def inside(self, loop: Path) -> "Origin":
        """The origin of a value that `loop` renews at each step."""
        return self | Origin(loops=frozenset((loop,)))

    def after(self, loop: Path) -> "Origin":
        """The origin of the same value once `loop` has ended."""
        return Origin(self.weights, self.data, self.loops - {loop})


CONSTANT = Origin()
WEIGHT = Origin(weights=True)
DATA = Origin(data=True)


def join(origins: Sequence[Origin]) -> Origin:
    """The origin of a value computed from all of `origins`; of a constant if there are none."""
    return functools.reduce(Origin.__or__, origins, CONSTANT)


class _SplitModule(NamedTuple):
    """A flax nnx module taken apart, a pytree whose leaves are arrays."""

    graph: Any
    state: Any


def trace_call(
    fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], weights: Collection[int] = ()
) -> tuple[ClosedJaxpr, list[Origin]]:
    """The jaxpr of fn(*args, **kwargs), from shapes alone, and the origin of each of its inputs.

    Leaves with a shape and a dtype are traced; every other leaf (Python number, flag, string, function) keeps its
    value and counts as a constant. `nnx.Param` leaves are weights, and so is every array in the arguments at the
    positions `weights`; all other arrays are data. `fn` may itself be an nnx module,
    a bound method of one, or a `functools.partial` of any of these.

    Raises:
        TypeError: fn cannot be called.
    """
    if not callable(fn):
        raise TypeError(f"fn must be a function or a module that can be called, not {type(fn).__name__}")
    call, bound, named = _unbound(fn)
    slots = [_split_modules(slot) for slot in (bound, *args, {**named, **kwargs})]
    leaves, treedef = jax.tree.flatten(slots)
    # Slot 0 is what fn is bound to: argument i stands in slot i + 1.
    origins = [origin for i, slot in enumerate(slots) for origin in _leaf_origins(slot, i - 1 in weights)]
    traced = [i for i, leaf in enumerate(leaves) if hasattr(leaf, "shape") and hasattr(leaf, "dtype")]

    def run(*arrays: Any) -> list[Any]:
        filled = list(leaves)
        for i, array in zip(traced, arrays, strict=True):
            filled[i] = array
        bound, *inputs, named = _merge_modules(jax.tree.unflatten(treedef, filled))
        out = call(*bound, *inputs, **named)
        return [leaf for leaf in jax.tree.leaves(out) if isinstance(leaf, jax.Array)]

    return jax.make_jaxpr(run)(*(leaves[i] for i in traced)), [origins[i] for i in traced]


def _unbound(fn: Callable[..., Any]) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    """A plain function and the first and named arguments that fn brings along: a module, what a partial holds."""
    if isinstance(fn, functools.partial):
        call, bound, named = _unbound(fn.func)
        return call, bound + fn.args, {**named, **fn.keywords}
    if _is_module(fn):
        return type(fn).__call__, (fn,), {}
    if inspect.ismethod(fn) and _is_module(fn.__self__):
        return fn.__func__, (fn.__self__,), {}
    return fn, (), {}


def _leaf_origins(tree: Any, is_weight: bool) -> list[Origin]:
    """One origin per leaf of `tree`, in order; all of them weights if `is_weight`."""
    nnx = _nnx()
    variable, param = (nnx.Variable, nnx.Param) if nnx else ((), ())
    origins = []
    for leaf in jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, variable)):
        origin = WEIGHT if is_weight or isinstance(leaf, param) else DATA
        origins += [origin] * len(jax.tree.leaves(leaf))
    return origins


def _nnx() -> ModuleType | None:
    # Whoever hands us a module has imported flax; importing it here would cost everybody else a second.
    return sys.modules.get("flax.nnx")


def _is_module(value: Any) -> bool:
    nnx = _nnx()
    return nnx is not None and isinstance(value, nnx.Pytree)


def _split_modules(tree: Any) -> Any:
    nnx = _nnx()
    if nnx is None:
        return tree
    return jax.tree.map(
        lambda node: _SplitModule(*nnx.split(node)) if _is_module(node) else node, tree, is_leaf=_is_module
    )


def _merge_modules(tree: Any) -> Any:
    nnx = _nnx()
    if nnx is None:
        return tree
    return jax.tree.map(
        lambda node: nnx.merge(*node) if isinstance(node, _SplitModule) else node,
        tree,
        is_leaf=lambda node: isinstance(node, _SplitModule),
    )
