"""Rotation of the contraction axis by a block-Hadamard matrix with random signs: flat vectors for the same product."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

# The signs depend on the length alone, so equal inputs of several products are rotated once by the compiler.
_SIGN_SEED = 20231


def blocks(k: int) -> tuple[int, ...]:
    """Lengths of the Hadamard blocks that cover k: the powers of two of its binary digits, largest first."""
    return tuple(1 << bit for bit in range(k.bit_length() - 1, -1, -1) if k >> bit & 1)


def rotation_additions(k: int) -> int:
    """Additions of the fast Walsh-Hadamard transform over the blocks of one vector: sum of b log2 b."""
    return sum(block * (block.bit_length() - 1) for block in blocks(k))


def rotate(x: Array) -> Array:
    """x (..., k) times the orthogonal block-Hadamard matrix of length k; any floating type, any k.

        y_b = H_b diag(s) x_b / sqrt(b)    for each block b of `blocks(k)`, s = +-1 fixed by k

    Norms and inner products are kept to rounding. Ashkboos et al., QuaRot, 2024 (arXiv 2404.00456) use the same
    transform for 4-bit models. A block of length 1 is only multiplied by its sign.
    """
    k = x.shape[-1]
    x = x * jnp.asarray(_signs(k), x.dtype)
    parts, start = [], 0
    for block in blocks(k):
        parts.append(_hadamard(x[..., start : start + block]))
        start += block
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)


def rotate_weights(w: Array) -> Array:
    """The orthogonal matrix of `rotate`, transposed, times w (k, n): rotate(x) @ rotate_weights(w) = x @ w.

    The same as rotating the rows of w.T, without a transposition in memory.
    """
    k = w.shape[0]
    w = w * jnp.asarray(_signs(k), w.dtype)[:, None]
    parts, start = [], 0
    for block in blocks(k):
        outer, inner = _factors(block)
        part = _across(w[start : start + block].reshape(outer, inner, -1))
        parts.append(_across(part.reshape(1, outer, -1)).reshape(block, -1))
        start += block
    return parts[0] if len(parts) == 1 else jnp.concatenate(parts)


@functools.cache
def _signs(k: int) -> np.ndarray:
    return np.random.default_rng([_SIGN_SEED, k]).choice([-1.0, 1.0], size=k)


@functools.cache
def _sylvester(order: int) -> np.ndarray:
    matrix = np.ones((1, 1))
    while matrix.shape[0] < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix / math.sqrt(order)


def _factors(size: int) -> tuple[int, int]:
    """(p, q) with p q = size for H_(pq) = H_p (x) H_q: two small products beat log2(size) passes over memory.

    The larger one runs over contiguous memory; measured to be the fastest split.
    """
    inner = min(size, 2 << size.bit_length() // 2)
    return size // inner, inner


def _hadamard(x: Array) -> Array:
    outer, inner = _factors(x.shape[-1])
    y = (x.reshape(-1, inner) @ jnp.asarray(_sylvester(inner), x.dtype)).reshape(-1, outer, inner)
    return _across(y).reshape(x.shape)


@jax.custom_vjp
def _across(y: Array) -> Array:
    """H_p times y (m, p, q), p a power of two; its transpose is itself, which XLA would not see."""
    size = y.shape[1]
    return jnp.matmul(jnp.broadcast_to(jnp.asarray(_sylvester(size), y.dtype), (y.shape[0], size, size)), y)


_across.defvjp(lambda y: (_across(y), None), lambda _, cotangent: (_across(cotangent),))
