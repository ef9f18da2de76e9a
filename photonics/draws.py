"""Random draws that belong to a place: one stream for each key, tile and kind of noise, never shared.

Normal draws are the largest cost of simulated noise on a CPU, so they are made here: a counter hash of (key, row,
column) that the compiler fuses into its consumer, and the inverse of the normal distribution. Every draw is a pure
function of its place, hence the same for any batch split, device or host. Keys themselves are JAX's (Threefry), and
so are the words under `generator("threefry")`.

The mixing step is the 32-bit finaliser "lowbias32" found by the public hash-prospector search (C. Wellons, 2018;
constants from memory of that work, not verified against it). Its quality here is tested, not assumed:
`tests/photonics/test_draws.py` and `docs/randomness.md`.
"""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array

Generator = Literal["counter", "threefry"]

_MULTIPLIERS = (0x7FEB352D, 0x846CA68B)
# Part of the key of every compiled function, so that what was compiled for one generator is not used for another.
_generator = jax.make_user_context("counter")


def generator(name: Generator) -> AbstractContextManager[None]:
    """Within `with generator(name):` random words come from this generator; "counter" unless told otherwise.

    "counter" is the hash of this module; "threefry" the one that JAX uses by default (Salmon et al., Parallel Random
    Numbers: As Easy as 1, 2, 3, SC 2011), for a second opinion: other draws of the same law, several times as
    expensive. Whatever is compiled under one is compiled again under the other. Raises ValueError for another name.
    """
    if name not in get_args(Generator):
        raise ValueError(f"no generator is called {name!r}; there are {', '.join(get_args(Generator))}")
    return _generator(name)


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


def sum_of_bits(key: Array, shape: tuple[int, ...]) -> Array:
    """Independent draws of mean 0 and variance 1, nearly normal: (B - 16) / sqrt(8), B the ones among 32 random bits.

    In steps of 0.35, with excess kurtosis -1/16 and no value beyond 5.7, for a quarter of the cost of
    `standard_normal`. For noise that is summed over many sources before anyone sees it; places as in
    `standard_normal`.
    """
    ones = jax.lax.population_count(_words_of_shape(key, shape)).astype(jnp.int32).astype(jnp.float32)
    return ((ones - 16.0) * np.float32(1.0 / math.sqrt(8.0))).reshape(shape)


def _words_of_shape(key: Array, shape: tuple[int, ...]) -> Array:
    *leading, columns = shape
    rows = math.prod(leading[key.ndim :])
    if _generator.value == "threefry":
        return _threefry_words(key.reshape(-1), rows, columns)
    seeds = jax.vmap(lambda one: jax.random.bits(one, (2,), jnp.uint32))(key.reshape(-1))
    return _words(seeds, rows, columns)


def _threefry_words(keys: Array, rows: int, columns: int) -> Array:
    """Random words (keys, rows, columns) uint32, each a Threefry hash of its column under the key of its row."""
    of_rows = jax.vmap(lambda key: jax.vmap(lambda row: jax.random.fold_in(key, row))(jnp.arange(rows)))(keys)
    return jax.vmap(jax.vmap(lambda key: jax.random.bits(key, (columns,), jnp.uint32)))(of_rows)


def _words(seeds: Array, rows: int, columns: int) -> Array:
    """Random words (keys, rows, columns) uint32 from key words (keys, 2).

    A row has two words of its own, both from the whole key: where its counter starts, and an odd stride. Two rows
    count alike only if both words agree, so no row is a shifted copy of another.
    """
    row = jax.lax.broadcasted_iota(jnp.uint32, (1, rows, 1), 1)
    start = _mix(_mix(row ^ seeds[:, :1, None]) ^ seeds[:, 1:, None])
    stride = _mix(start + seeds[:, 1:, None]) | jnp.uint32(1)
    column = jax.lax.broadcasted_iota(jnp.uint32, (1, 1, columns), 2)
    return _mix(column * stride + start)


def _mix(word: Array) -> Array:
    """A bijection of 32-bit words in which every input bit moves every output bit about half of the time."""
    word = (word ^ (word >> 16)) * jnp.uint32(_MULTIPLIERS[0])
    word = (word ^ (word >> 15)) * jnp.uint32(_MULTIPLIERS[1])
    return word ^ (word >> 16)


def _inverse_normal(word: Array) -> Array:
    """N(0, 1) from a uniform uint32 word, read as a signed integer i: its sign, and the tail probability p up to 1/2.

        p = |i + 1/2| / 2^32,   |z| = Q(sqrt(L)),   L = -log2 p

    Q and the logarithm of a mantissa are polynomial fits; together they are right to 2e-5 in probability and to 1.2e-3
    in z over all p that occur: a Kolmogorov-Smirnov test would need 1e9 draws to see it.
    """
    signed = jax.lax.bitcast_convert_type(word, jnp.int32).astype(jnp.float32) + 0.5
    bits = jax.lax.bitcast_convert_type(signed, jnp.uint32)
    exponent = ((bits & 0x7FFFFFFF) >> _MANTISSA_BITS).astype(jnp.int32).astype(jnp.float32)
    # The mantissa with the exponent of 2 is 2 m in [2, 4), so this is 2 m - 3 in [-1, 1).
    mantissa = jax.lax.bitcast_convert_type((bits & ((1 << _MANTISSA_BITS) - 1)) | 0x40000000, jnp.float32) - 3.0
    information = np.float32(_EXPONENT_BIAS + 32) - exponent - _polynomial(_LOG2, mantissa)
    magnitude = _polynomial(_QUANTILE, jnp.sqrt(information))
    return jax.lax.bitcast_convert_type(
        jax.lax.bitcast_convert_type(magnitude, jnp.uint32) ^ (bits & jnp.uint32(0x80000000)), jnp.float32
    )


def _polynomial(coefficients: np.ndarray, argument: Array) -> Array:
    value = jnp.full((), coefficients[-1], jnp.float32)
    for coefficient in coefficients[-2::-1]:
        value = value * argument + np.float32(coefficient)
    return value


def _fit_quantile(degree: int) -> np.ndarray:
    """Coefficients of Q, fitted at Chebyshev points; where draws are rare its error may be larger."""
    low, high = 1.0, math.sqrt(33.0)
    argument = (low + high) / 2 + (high - low) / 2 * np.cos(np.linspace(0.0, np.pi, 4001))
    z = -scipy.special.ndtri(2.0 ** -(argument**2))
    weight = np.maximum(np.exp(-(z**2) / 2), 0.02)
    fit = np.polynomial.Chebyshev.fit(argument, z, degree, domain=[low, high], w=weight)
    return fit.convert(kind=np.polynomial.Polynomial).coef


def _fit_log2(degree: int) -> np.ndarray:
    """Coefficients of log2 m, m in [1, 2), in 2 m - 3."""
    argument = np.cos(np.linspace(0.0, np.pi, 2001))
    return np.polynomial.polynomial.polyfit(argument, np.log2((argument + 3.0) / 2.0), degree)


_MANTISSA_BITS, _EXPONENT_BIAS = 23, 127
_QUANTILE = _fit_quantile(7)
_LOG2 = _fit_log2(5)
