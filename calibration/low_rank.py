"""Low-rank adapters (LoRA): a product of two thin matrices is added to a weight before the weight is put on a panel.

    W' = W + (alpha / rank) A B         W (k, n),  A (k, rank),  B (rank, n)

Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021 (arXiv 2106.09685). There the two products are
computed one after the other; here W' is formed first, because the panel of an engine shows W' as a whole: its column
scales, codes and errors are those of the sum, in training as in inference.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import Array

from photonics.draws import stream

Adapter = dict[str, Array]
"""`a` (..., k, rank) and `b` (..., rank, n), with the leading axes of the weight."""


def begin(key: Array, shapes: Mapping[str, tuple[int, ...]], rank: int) -> dict[str, Adapter]:
    """Adapters that change nothing yet, for weights (..., k, n) by name: A normal with variance 1/k, B zero.

    ValueError for a rank below 1 or above the smaller side of a weight, where it would not be low any more.
    """
    adapters = {}
    for number, (name, shape) in enumerate(sorted(shapes.items())):
        *lead, k, n = shape
        if not 1 <= rank <= min(k, n):
            raise ValueError(f"rank {rank} does not suit {name} of shape {(k, n)}: take 1 to {min(k, n)}")
        a = jax.random.normal(stream(key, number), (*lead, k, rank)) * k**-0.5
        adapters[name] = {"a": a, "b": jnp.zeros((*lead, rank, n))}
    return adapters


def formed(weight: Array, adapter: Mapping[str, Array], alpha: float) -> Array:
    """W' (..., k, n) of a weight and its adapter; the gradient reaches both factors, and the weight if it is traced."""
    rank = adapter["a"].shape[-1]
    return weight + (alpha / rank) * (adapter["a"] @ adapter["b"])
