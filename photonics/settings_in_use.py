"""Which settings of an engine have no effect: found by tracing the product and its cost, not from a list of cases.

A leaf is read if the traced product, or the traced cost, still needs it once dead code is removed; a bit width if
another value makes another program. So what is switched off is told from what is merely zero or cancels: a dark
current of 0 A is read, a crosstalk residual without crosstalk is not. Only the structure of an engine counts, never
its numbers, hence one answer for a whole sweep.
"""

import dataclasses
import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
from jax.interpreters import partial_eval

from photonics.families import FAMILIES, row_of
from photonics.work import Contraction, Work

if TYPE_CHECKING:
    from photonics.engine import Engine

Reader = Literal["product", "cost"]

# A limit is what the engine is compared with, and changes neither product nor cost.
_LIMIT = re.compile(r"_max(_|$)")
# Addresses of functions in a printed program; no two traces have the same.
_ADDRESS = re.compile(r"0x[0-9a-f]+")
# Two full tiles of inputs and two panels of outputs: one source or output less would take another tile.
_SIZES = {"source.count": 8, "panel.outputs": 4}
_TOKENS, _K, _N = 3, 16, 8


@dataclasses.dataclass(frozen=True)
class Unused:
    """A setting that does nothing for the product.

    Attributes:
        path: dotted path of the setting.
        costs: whether energy or time depend on it all the same.
    """

    path: str
    costs: bool


@dataclasses.dataclass(frozen=True)
class Reason:
    """What keeps a setting idle.

    Attributes:
        switch: dotted path of a switch or choice.
        needed: the value of it that would put the setting to use.
    """

    switch: str
    needed: bool | str


@dataclasses.dataclass(frozen=True)
class _Program:
    """What a traced function reads: paths of leaves, and a hash of all that is left without dead code."""

    leaves: frozenset[str]
    hash: int


def unused_settings(engine: "Engine") -> tuple[Unused, ...]:
    """Settings of `engine` that change neither product nor cost, and those that cost while their stage is idealised.

    What only costs by nature (a supply voltage, an efficiency) is not idle and not listed, nor are switches and
    choices, which always may be idle. About a second for a structure that was not asked about before; an engine that
    cannot be traced has none.
    """
    return _unused(_structure(engine))


def reason(engine: "Engine", path: str) -> Reason | None:
    """The switch that keeps the unused setting at `path` idle; None where no single one does.

    Looks at the switches of the same stage first. Up to a tenth of a second for each that it has to try.
    """
    return _reason(_structure(engine), path)


@functools.lru_cache(maxsize=64)
def _unused(structure: Any) -> tuple[Unused, ...]:
    engine = _filled(structure)
    product, cost = _program("product", structure), _program("cost", structure)
    if product is None or cost is None:
        return ()
    found, leaves = [], _leaf_paths(engine)
    for path in _settings(engine):
        if path in leaves and path not in product.leaves:
            if path not in cost.leaves:
                found.append(Unused(path, costs=False))
            elif any(_reads("product", engine, path, switch) for switch in _turned_on(engine, path)):
                found.append(Unused(path, costs=True))
        # Bits always count, but where there is no rounding.
        elif path.endswith(".bits") and not _reads("product", engine, path):
            found.append(Unused(path, costs=_reads("cost", engine, path)))
    return tuple(found)


@functools.lru_cache(maxsize=256)
def _reason(structure: Any, path: str) -> Reason | None:
    engine = _filled(structure)
    switches = list(_switches(engine))
    same = [switch for switch in switches if _stage(switch.switch) == _stage(path)]
    # Cost is ten times quicker to trace than the product; off stands before other choices of far-away stages.
    far = sorted((s for s in switches if s not in same), key=lambda switch: switch.needed is not True)
    readers: tuple[Reader, ...] = ("product",) if _reads("cost", engine, path) else ("cost", "product")
    for near in (same, far):
        for reader in readers:
            for switch in near:
                if _reads(reader, engine, path, switch):
                    return switch
    return None


def _reads(reader: Reader, engine: "Engine", path: str, switch: Reason | None = None) -> bool:
    """Whether product or cost depend on a setting, as the engine is or with one switch at another value."""
    if switch is not None:
        engine = engine.replace(**{switch.switch: switch.needed})
    program = _program(reader, _structure(engine))
    if program is None:
        return False
    if path in _leaf_paths(engine):
        return path in program.leaves
    other = _program(reader, _structure(engine.replace(**{path: _another(path, _value(engine, path))})))
    return other is None or other.hash != program.hash


# What one structure is asked with another value of a switch, the other structure is asked as it is.
@functools.lru_cache(maxsize=1024)
def _program(reader: Reader, structure: Any) -> _Program | None:
    """The program of a structure of engine; None where it refuses to run."""
    engine = _filled(structure)
    key, x, w = jax.random.key(0), jnp.zeros((_TOKENS, _K)), jnp.zeros((_K, _N))
    try:
        closed = jax.make_jaxpr(_product if reader == "product" else _cost)(engine, key, x, w)
    except (ValueError, TypeError):
        return None
    live, used = partial_eval.dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    read = frozenset(path for path, kept in zip(_leaf_paths(engine), used, strict=False) if kept)
    return _Program(read, hash(_ADDRESS.sub("", f"{live} {closed.consts}")))


def _product(engine: "Engine", key: jax.Array, x: jax.Array, w: jax.Array) -> jax.Array:
    return engine.matmul(key, x, engine.load_panel(w, sample=x))


def _cost(engine: "Engine", key: jax.Array, x: jax.Array, w: jax.Array) -> list[Any]:
    del key, x, w
    weights = Contraction("", batch=1, m=_TOKENS, k=_K, n=_N, weights=True)
    work = Work((weights, dataclasses.replace(weights, weights=False)))
    costs = [engine.cost(work), engine.cost(work, panels=1)]
    return [(cost.energy_j, cost.time_s, cost.passes, cost.launched_energy_j) for cost in costs]


def _structure(engine: "Engine") -> Any:
    """All that is static about an engine, in the sizes that are traced; its name does not matter."""
    known = FAMILIES[engine.family].row_of
    sizes = {path: size for path, size in _SIZES.items() if path in known}
    return jax.tree_util.tree_structure(engine.replace(name="", **sizes))


def _filled(structure: Any) -> "Engine":
    """An engine of that structure; its numbers do not matter, because they become arguments of the trace."""
    return jax.tree_util.tree_unflatten(structure, [1.0] * structure.num_leaves)


def _leaf_paths(engine: "Engine") -> tuple[str, ...]:
    paths = (path for path, _ in jax.tree_util.tree_leaves_with_path(engine))
    return tuple(".".join(part.name for part in path) for path in paths)


def _settings(engine: "Engine") -> list[str]:
    return [row.path for row in engine.parameters() if not _LIMIT.search(row.path)]


def _switches(engine: "Engine") -> Iterator[Reason]:
    """Every other value of every switch and choice."""
    rows = FAMILIES[engine.family].row_of
    for path in _settings(engine):
        value = _value(engine, path)
        if isinstance(value, bool):
            yield Reason(path, not value)
        elif isinstance(value, str) and path in rows:
            yield from (Reason(path, choice) for choice in rows[path].choices if choice != value)


def _turned_on(engine: "Engine", path: str) -> Iterator[Reason]:
    """The switches of the stage of `path` whose effect is off, turned on."""
    for switch in _switches(engine):
        # `ideal` is the one switch that is on where an effect is off.
        turned_on = switch.needed is (not switch.switch.endswith(".ideal"))
        if turned_on and _stage(switch.switch) == _stage(path):
            yield switch


def _value(engine: "Engine", path: str) -> Any:
    stage, _, field = path.partition(".")
    return getattr(getattr(engine, stage), field)


def _another(path: str, value: Any) -> Any:
    """Another value of a bit width."""
    row = row_of(path)
    lowest = int(row.interval[1:-1].split(",")[0]) if row else 2
    return value - 1 if value > lowest else value + 1


def _stage(path: str) -> str:
    return path.partition(".")[0]
