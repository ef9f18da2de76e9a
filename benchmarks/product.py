"""The optical product against the plain jitted float32 product, interleaved: `uv run python -m benchmarks.product`.

Cases: panel loaded and from weights, forward and with backward, for the catalogue engine and for the same engine
without what makes weights or drives non-integer. Prints the median ratio, its quartiles and both times.
"""

import argparse
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

import photonics
from benchmarks.interleave import interleave
from photonics.engine import Engine

SHAPES = ((512, 1024, 1024), (512, 768, 3072))


def main() -> None:
    """Run all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=21, help="interleaved pairs per case (default 21)")
    parser.add_argument("--engine", default="free-space-1024", help="catalogue name or TOML file")
    pairs, name = parser.parse_args().pairs, parser.parse_args().engine
    engine = jax.tree.map(jnp.float32, photonics.load_engine(name))
    bare = engine.replace(**{"panel.fixed_pattern": False, "optics.crosstalk": False, "source.noise": "none"})
    print(f"{'case':58} ratio       quartiles         plain       optical")
    for m, k, n in SHAPES:
        x = jax.random.normal(jax.random.key(1), (m, k))
        w = jax.random.normal(jax.random.key(2), (k, n)) / jnp.sqrt(k)
        for label, case in ((name, engine), (f"{name}, integer weights, no RIN", bare)):
            for kind, plain, optical in _cases(case, x, w):
                print(f"{f'{m}x{k}x{n} {label}, {kind}':58} {interleave(plain, optical, pairs)}", flush=True)


def _cases(engine: Engine, x: Array, w: Array) -> list[tuple[str, Callable[[], Array], Callable[[], Array]]]:
    key = jax.random.key(0)
    panel = jax.jit(lambda engine, w: engine.load_panel(w))(engine, w)
    plain = jax.jit(jnp.matmul)
    loaded = jax.jit(lambda engine, key, x, panel: engine.matmul(key, x, panel))
    encoded = jax.jit(lambda engine, key, x, w: engine.matmul(key, x, w))
    plain_gradient = jax.jit(jax.grad(lambda x, w: jnp.sum(jnp.square(x @ w)), argnums=(0, 1)))
    gradient = jax.jit(
        jax.grad(lambda x, w, engine, key: jnp.sum(jnp.square(engine.matmul(key, x, w))), argnums=(0, 1))
    )
    return [
        ("forward, panel loaded", lambda: plain(x, w), lambda: loaded(engine, key, x, panel)),
        ("forward from weights", lambda: plain(x, w), lambda: encoded(engine, key, x, w)),
        ("with backward from weights", lambda: plain_gradient(x, w), lambda: gradient(x, w, engine, key)),
    ]


if __name__ == "__main__":
    main()
