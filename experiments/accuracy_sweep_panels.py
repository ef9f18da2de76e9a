"""Which values of an engine reach its panels or its answers, so that nothing is computed again without need."""

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal

if TYPE_CHECKING:
    from photonics.engine import Engine

# Any matrix and sample will do: what is read depends on bits and switches alone.
_WEIGHTS, _SAMPLE = (6, 2), (3, 6)


def values_on_panels(engine: "Engine") -> tuple[float, ...]:
    """Values of the engine that encoded weights, or the ranges set from a sample, depend on, in a fixed order.

    Two engines of one structure for which they are equal have the same panels and ranges. Told from the trace of
    `Engine.load_panel`: a value that no step of it needs for its results does not count.
    """
    return _values(engine, _load)


def values_in_answers(engine: "Engine") -> tuple[float, ...]:
    """As `values_on_panels`, values that products and their light depend on, panels included; others only cost."""
    return _values(engine, _multiply)


def _load(engine: "Engine") -> Any:
    return engine.load_panel(jnp.ones(_WEIGHTS), sample=jnp.ones(_SAMPLE), instance=jnp.zeros((), jnp.uint32))


def _multiply(engine: "Engine") -> Any:
    panel, x = _load(engine), jnp.ones(_SAMPLE)
    return engine.matmul(jax.random.key(0), x, panel), engine.detected_electrons(x, panel)


def _values(engine: "Engine", run: Callable[["Engine"], Any]) -> tuple[float, ...]:
    leaves, structure = jax.tree.flatten(engine.replace(name=""))
    reaching = _reaching(structure, run)
    # In float32, as everything is computed: what is equal there gives equal results.
    return tuple(float(np.float32(leaf)) for leaf, reaches in zip(leaves, reaching, strict=True) if reaches)


@functools.lru_cache(maxsize=64)
def _reaching(structure: Any, run: Callable[["Engine"], Any]) -> tuple[bool, ...]:
    scalar = jax.ShapeDtypeStruct((), jnp.float32)
    traced = jax.make_jaxpr(lambda *leaves: jax.tree.leaves(run(jax.tree.unflatten(structure, leaves))))
    jaxpr = traced(*[scalar] * structure.num_leaves).jaxpr
    return tuple(_needed(jaxpr, [True] * len(jaxpr.outvars)))


def _needed(jaxpr: Any, outputs: Sequence[bool]) -> list[bool]:
    """Which inputs of a jaxpr its wanted outputs need; what loops and branches take in counts as needed."""
    wanted = {v for v, out in zip(jaxpr.outvars, outputs, strict=True) if out and not isinstance(v, Literal)}
    for equation in reversed(jaxpr.eqns):
        used = [v in wanted for v in equation.outvars]
        if not any(used):
            continue
        inner = equation.params["jaxpr"].jaxpr if equation.primitive.name in ("jit", "pjit") else None
        needs = [True] * len(equation.invars) if inner is None else _needed(inner, used)
        wanted |= {v for v, need in zip(equation.invars, needs, strict=True) if need and not isinstance(v, Literal)}
    return [v in wanted for v in jaxpr.invars]
