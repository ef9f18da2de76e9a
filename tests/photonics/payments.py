"""What a better value of each leaf costs: the ruler of the tests that nothing which buys accuracy is free.

Noise is the mean squared error of a product with the draws held fixed (`error_of`), or a measure that a test brings; a
leaf that no noise depends on leaves it exactly as it was. Energy is that of one symbol, all parts of `power_budget`
over the symbol rate. A price below a share of what the same relative change of the laser power costs is none: more
light draws photocurrent, no payment for it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from photonics.engine import Engine

_LIGHT = "operating_point.laser_power_w"


class Response(NamedTuple):
    """Of one leaf: change of the noise by finite difference and by gradient, and change of the energy by gradient."""

    felt: float
    slope: float
    price: float


def leaves(engine: Engine) -> dict[str, Any]:
    """Every leaf by its dotted path."""
    found = jax.tree_util.tree_leaves_with_path(engine)
    return {".".join(part.name for part in path): leaf for path, leaf in found}


def error_of(x: Array, w: Array) -> Callable[[Engine], Array]:
    """Mean squared error of the product of x and w, always with the same draws."""

    def error(engine: Engine) -> Array:
        return jnp.mean(jnp.square(engine.matmul(jax.random.key(0), x, w) - x @ w))

    return error


def energy_j(engine: Engine) -> Any:
    """Energy of one symbol of a full engine, all parts [J]."""
    return sum(engine.power_budget().values()) / engine.operating_point.symbol_rate_hz


def responses(
    engine: Engine, noise: Callable[[Any], Any], compiled: Callable[..., Any] = jax.jit
) -> dict[str, Response]:
    """By leaf, per relative change of it; `compiled` is `jax.jit` or something like it."""
    engine = jax.tree.map(jnp.float32, engine)
    of_noise, slope = compiled(noise), leaves(compiled(jax.grad(noise))(engine))
    price = leaves(compiled(jax.grad(energy_j))(engine))
    table = {}
    for path, value in leaves(engine).items():
        above, below = (float(of_noise(engine.replace(**{path: value * factor}))) for factor in (1.1, 0.9))
        table[path] = Response(above - below, float(slope[path] * value), float(price[path] * value))
    return table


def felt(table: dict[str, Response]) -> set[str]:
    """Leaves that change the noise."""
    return {path for path, own in table.items() if own.felt}


def unpaid(table: dict[str, Response], share: float) -> set[str]:
    """Leaves that change the noise, and whose better value costs no more energy worth the name."""
    least = share * abs(table[_LIGHT].price)
    return {path for path, own in table.items() if own.felt and (own.felt * own.price >= 0 or abs(own.price) < least)}
