"""The three matrix products of the fast path, each in the precision that it needs, and how a CPU computes them fast.

    exact     integer codes times integer codes: bfloat16 operands, float32 sums, nothing lost up to 2^24
    float32   drives that carry noise times weights that carry errors
    light     all light that reaches a detector: bfloat16, because it only sets a variance

What is written here against the grain of the compiler was measured (`docs/speed.md`): on a CPU, XLA's fast products do
not contract the first axis of an operand, and bfloat16 that a loop slices is widened to float32 as a whole.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array


def bits_of(weights: Array) -> Array | None:
    """The 16 bits of bfloat16 weights, any shape, to be sliced by a loop beside them; None for other types."""
    return jax.lax.bitcast_convert_type(weights, jnp.uint16) if weights.dtype == jnp.bfloat16 else None


@jax.custom_vjp
def exact_product(codes: Array, weights: Array, bits: Array | None = None) -> Array:
    """Product of integer codes (m, k) float32 and (k, n) bfloat16: exact, at the speed of bfloat16.

    Integers up to 256 are exact in bfloat16 and their products are summed in float32, so up to 2^24 nothing is
    lost. The backward pass runs in float32, because cotangents are no integers. `bits`, from `bits_of`, are read
    instead of `weights` where given.
    """
    return _narrow(codes.astype(jnp.bfloat16), _weights(weights, bits))


def _exact_forward(codes: Array, weights: Array, bits: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
    return exact_product(codes, weights, bits), (codes, weights)


def _exact_backward(residuals: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array, None]:
    codes, weights = residuals
    by_weights = _transposed(codes) @ cotangent
    return cotangent @ weights.astype(jnp.float32).T, by_weights.astype(weights.dtype), None


exact_product.defvjp(_exact_forward, _exact_backward)


@jax.custom_vjp
def float32_product(drive: Array, weights: Array) -> Array:
    """Product of drives (m, k) and weights (k, n) in float32, both ways."""
    return drive @ weights


def _float32_backward(residuals: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    drive, weights = residuals
    return cotangent @ weights.T, _transposed(drive) @ cotangent


float32_product.defvjp(lambda drive, weights: (float32_product(drive, weights), (drive, weights)), _float32_backward)


@jax.custom_vjp
def light_product(light: Array, transmissions: Array, bits: Array | None = None) -> Array:
    """Light of the sources (m, k) times transmissions (k, n) bfloat16, (m, n) float32.

    Its cotangents are rounded to bfloat16 as well: the part of a gradient that goes through the width of the noise,
    right to 2^-9, at half the cost of a float32 product each. `bits` as in `exact_product`.
    """
    return _narrow(_to_bfloat16(light), _weights(transmissions, bits))


def _light_forward(light: Array, transmissions: Array, bits: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
    # By its own name, so that it keeps its derivative where this pass is derived in turn, for second derivatives.
    return light_product(light, transmissions, bits), (_to_bfloat16(light), transmissions)


def _light_backward(residuals: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array, None]:
    light, transmissions = residuals
    narrow = _to_bfloat16(cotangent)
    by_light = jax.lax.dot_general(narrow, transmissions, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)
    return by_light, _narrow(_transposed(light), narrow).astype(transmissions.dtype), None


light_product.defvjp(_light_forward, _light_backward)


def _narrow(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


def _weights(weights: Array, bits: Array | None) -> Array:
    return weights if bits is None else jax.lax.bitcast_convert_type(bits, jnp.bfloat16)


@jax.custom_jvp
def _to_bfloat16(value: Array) -> Array:
    """Finite float32 numbers to the nearest bfloat16, halves away from zero; its derivative is 1.

    In three integer operations: the compiler's own conversion also takes care of NaN and of ties.
    """
    bits = jax.lax.bitcast_convert_type(value.astype(jnp.float32), jnp.uint32)
    return jax.lax.bitcast_convert_type(((bits + 0x8000) >> 16).astype(jnp.uint16), jnp.bfloat16)


@_to_bfloat16.defjvp
def _to_bfloat16_jvp(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return _to_bfloat16(*primals), tangents[0].astype(jnp.bfloat16)


def _transposed(a: Array) -> Array:
    """a (m, k) as (k, m), in memory. In three axes, because the compiler would undo a transposition of two."""
    m, k = a.shape
    part = math.gcd(k, 128)
    return a.reshape(m, k // part, part).transpose(1, 2, 0).reshape(k, m)
