"""Random draws that belong to a place: one stream for each key, tile and kind of noise, never shared.

Normal draws are the largest cost of simulated noise on a CPU, so they are made here: a counter hash of (key, row,
column) that the compiler fuses into its consumer, and the inverse of the normal distribution. Every draw is a pure
function of its place, hence the same for any batch split, device or host. Keys themselves are JAX's (Threefry).

The mixing step is the 32-bit finaliser "lowbias32" found by the public hash-prospector search (C. Wellons, 2018;
constants from memory of that work, not verified against it). Its quality here is tested, not assumed:
`tests/photonics/test_draws.py` and `docs/randomness.md`.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array

_MULTIPLIERS = (0x7FEB352D, 0x846CA68B)


def check_key(key: Array, leading: Sequence[int]) -> None:
    """Raise unless `key` is a typed PRNG key whose shape begins the shape of the rows, `leading`.

    A key of shape () serves all rows of one call; a key of shape (batch,) gives each sequence its own draws, which
    then do not depend on how sequences are gathered into batches.
    """
    if not (hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        raise TypeError(f"the key must come from jax.random.key (a typed PRNG key), not {type(key).__name__}")
    if key.shape != tuple(leading[: key.ndim]):
        raise ValueError(
            f"keys of shape {key.shape} do not lead the rows of shape {tuple(leading)}: "
            "give one key for the call, or one per sequence"
        )


def stream(key: Array, *place: int | Array) -> Array:
    """The key(s) of one place: `key` of any shape with every index of `place` folded in, in order."""
    fold = jax.random.fold_in
    for _ in range(key.ndim):
        fold = jax.vmap(fold, in_axes=(0, None))
    for index in place:
        key = fold(key, index)
    return key


def standard_normal(key: Array, shape: tuple[int, ...]) -> Array:
    """Independent N(0, 1) draws, float32, to 6.3 sigma; `key` leads `shape` as in `check_key`.

    The draw at one position depends on its key, on its row among the rows of that key and on its column; not on the
    number of rows or columns, nor on other keys.
    """
    return _inverse_normal(_words_of_shape(key, shape)).reshape(shape)


def sum_of_bytes(key: Array, shape: tuple[int, ...]) -> Array:
    """Independent draws of mean 0 and variance 1, nearly normal: the sum of four random bytes (Irwin-Hall).

    Excess kurtosis -0.3 and no value beyond 3.45, for a quarter of the cost of `standard_normal`. For noise that is
    summed over many sources before anyone sees it; places as in `standard_normal`.
    """
    return _sum_of_bytes(_words_of_shape(key, shape)).reshape(shape)


def _words_of_shape(key: Array, shape: tuple[int, ...]) -> Array:
    *leading, columns = shape
    rows = math.prod(leading[key.ndim :])
    seeds = jax.vmap(lambda one: jax.random.bits(one, (2,)))(key.reshape(-1))
    return _words(seeds, rows, columns)


def _words(seeds: Array, rows: int, columns: int) -> Array:
    """Random words (keys, rows, columns) uint32 from key words (keys, 2).

    A row has two words of its own, both from the whole key; a column passes between them. Two rows share a draw only
    if both words agree, so no row is a shifted copy of another.
    """
    row = jax.lax.broadcasted_iota(jnp.uint32, (1, rows, 1), 1)
    first = _mix(_mix(row ^ seeds[:, :1, None]) ^ seeds[:, 1:, None])
    second = _mix(first + seeds[:, 1:, None])
    column = jax.lax.broadcasted_iota(jnp.uint32, (1, 1, columns), 2)
    return _mix(_mix(column ^ first) ^ second)


def _mix(word: Array) -> Array:
    """A bijection of 32-bit words in which every input bit moves every output bit about half of the time."""
    word = (word ^ (word >> 16)) * jnp.uint32(_MULTIPLIERS[0])
    word = (word ^ (word >> 15)) * jnp.uint32(_MULTIPLIERS[1])
    return word ^ (word >> 16)


def _inverse_normal(word: Array) -> Array:
    """N(0, 1) from a uniform uint32 word: one bit for the sign, 31 for the tail probability p in (0, 1/2).

        |z| = Q(t),   t = sqrt(2 ln 2 L),   L = -log2 p

    Q and the logarithm of a mantissa are polynomial fits; together they are right to 4e-5 in z over all p that occur:
    a Kolmogorov-Smirnov test would need several 1e9 draws to see it.
    """
    # p = scaled / 2^32; through int32, because that conversion is one instruction.
    scaled = jax.lax.bitcast_convert_type((word >> 1).astype(jnp.int32).astype(jnp.float32) + 0.5, jnp.int32)
    exponent = (_EXPONENT_BIAS + 32 - (scaled >> _MANTISSA_BITS)).astype(jnp.float32)
    # The mantissa with the exponent of 2 is 2 m in [2, 4), so this is 2 m - 3 in [-1, 1).
    mantissa = jax.lax.bitcast_convert_type((scaled & ((1 << _MANTISSA_BITS) - 1)) | 0x40000000, jnp.float32) - 3.0
    information = exponent - _polynomial(_LOG2, mantissa)
    scale = math.sqrt(2.0 * math.log(2.0)) / _HALF_WIDTH
    magnitude = _polynomial(_QUANTILE, jnp.sqrt(information) * np.float32(scale) - np.float32(_MIDDLE / _HALF_WIDTH))
    # Even words are the lower half.
    sign = ~word << 31
    return jax.lax.bitcast_convert_type(jax.lax.bitcast_convert_type(magnitude, jnp.uint32) ^ sign, jnp.float32)


def _sum_of_bytes(word: Array) -> Array:
    total = (word & 255) + ((word >> 8) & 255) + ((word >> 16) & 255) + (word >> 24)
    # Four bytes: mean 4 * 127.5, variance 4 (256^2 - 1) / 12.
    return (total.astype(jnp.int32).astype(jnp.float32) - 510.0) * np.float32(1.0 / math.sqrt((256**2 - 1) / 3.0))


def _polynomial(coefficients: np.ndarray, argument: Array) -> Array:
    value = jnp.full((), coefficients[-1], jnp.float32)
    for coefficient in coefficients[-2::-1]:
        value = value * argument + np.float32(coefficient)
    return value


def _fit_quantile(degree: int) -> np.ndarray:
    """Coefficients of Q in the argument scaled to [-1, 1], fitted at Chebyshev points."""
    argument = np.cos(np.linspace(0.0, np.pi, 2001))
    t = _MIDDLE + _HALF_WIDTH * argument
    return np.polynomial.polynomial.polyfit(argument, -scipy.special.ndtri(np.exp(-t * t / 2)), degree)


def _fit_log2(degree: int) -> np.ndarray:
    """Coefficients of log2 m, m in [1, 2), in 2 m - 3."""
    argument = np.cos(np.linspace(0.0, np.pi, 2001))
    return np.polynomial.polynomial.polyfit(argument, np.log2((argument + 3.0) / 2.0), degree)


_MANTISSA_BITS, _EXPONENT_BIAS = 23, 127
_LARGEST, _SMALLEST = 0.5, 0.5 * 2.0**-32
_T_RANGE = [math.sqrt(-2.0 * math.log(p)) for p in (_LARGEST, _SMALLEST)]
_MIDDLE, _HALF_WIDTH = sum(_T_RANGE) / 2, (_T_RANGE[1] - _T_RANGE[0]) / 2
_QUANTILE = _fit_quantile(9)
_LOG2 = _fit_log2(5)
