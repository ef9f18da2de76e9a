"""Spread over fabricated engines and over noise: many instances and many runs of one product in one compiled call."""

from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
from jax import Array

from photonics.draws import check_key, stream

if TYPE_CHECKING:
    from photonics.engine import Engine

# Which engines are built, and what noise they see, come from separate parts of the key.
_INSTANCES, _RUNS = 0, 1


# Compiled once for all instances and runs; `instances` and `runs` are shapes.
def monte_carlo(
    engine: "Engine", key: Array, x: Array, w: Array, *, instances: int, runs: int = 1, sample: Array | None = None
) -> Array:
    """Products x (..., k) times w (k, n) of many fabricated engines: (instances, runs, ..., n).

    Every instance has its own pixels, rails, sources and electronics, drawn from `key`; every run has its own noise.
    Converters are ranged on `sample` (..., k) where it is given. All in one `jax.jit`, one instance at a time, so
    memory holds one panel. Raises ValueError for fewer than one instance or run.

        spread between engines:  monte_carlo(...).mean(axis=1).std(axis=0)       with noise averaged out over runs
        spread by noise:         monte_carlo(...).std(axis=1)
    """
    if instances < 1 or runs < 1:
        raise ValueError(f"a Monte Carlo takes at least one instance and one run, not {instances} and {runs}")
    check_key(key, ())
    return _monte_carlo(engine, key, jnp.asarray(x), jnp.asarray(w), sample, instances, runs)


def instance_keys(key: Array, instances: int) -> Array:
    """The keys (instances,) of the engines that `monte_carlo` builds, for `Engine.load_panel(instance=...)`."""
    return jax.vmap(lambda number: stream(key, _INSTANCES, number))(jnp.arange(instances))


@jax.jit(static_argnums=(5, 6))
def _monte_carlo(
    engine: "Engine", key: Array, x: Array, w: Array, sample: Array | None, instances: int, runs: int
) -> Array:
    noise = jax.vmap(lambda number: stream(key, _RUNS, number))(jnp.arange(instances * runs)).reshape(instances, runs)

    def one_engine(inputs: tuple[Array, Array]) -> Array:
        instance, own = inputs
        panel = engine.load_panel(w, sample=sample, instance=instance)
        return jax.lax.map(lambda run: engine.matmul(run, x, panel), own)

    return jax.lax.map(one_engine, (instance_keys(key, instances), noise))
