"""The noise generator: its law, its independence of place, and what a draw depends on.

`benchmarks/randomness.py` asks the same of a hundred times as many draws; `docs/randomness.md` has the numbers.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scipy.stats import binom, chi2, kstest

from photonics.draws import _inverse_normal, _words, check_key, generator, standard_normal, stream, sum_of_bits
from tests.photonics.agreement import assert_normal, assert_uncorrelated

_KEY = jax.random.key(20_231)


@pytest.fixture(scope="module")
def normals():
    return jax.jit(standard_normal, static_argnums=1)


@pytest.fixture(scope="module")
def million(normals) -> np.ndarray:
    """2^20 draws: 4 keys, 256 rows, 1024 columns."""
    return np.asarray(normals(jax.random.split(_KEY, 4), (4, 256, 1024)), np.float64)


@pytest.fixture(scope="module")
def words() -> np.ndarray:
    """2^20 words: 4 keys, 256 rows, 1024 columns."""
    seeds = jax.vmap(lambda key: jax.random.bits(key, (2,)))(jax.random.split(_KEY, 4))
    return np.asarray(jax.jit(_words, static_argnums=(1, 2))(seeds, 256, 1024))


# The law ---------------------------------------------------------------------------------------------------------


def test_moments_to_the_fourth_order(million):
    # Mean and variance over n of z^p: E z^p and (E z^2p - (E z^p)^2) / n.
    n = million.size
    for power, mean, variance in ((1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)):
        assert abs(np.mean(million**power) - mean) < 5 * np.sqrt(variance / n), power


def test_the_distribution_is_normal(million):
    assert_normal(million, least=1e-3)


def test_the_test_of_the_distribution_can_fail(million):
    # A width or a mean wrong by two or one per cent are seen in a million draws.
    assert kstest(million.ravel() * 1.02, "norm").pvalue < 1e-9
    assert kstest(million.ravel() + 0.01, "norm").pvalue < 1e-9


def test_tails_come_at_the_right_rate(normals):
    # 2^23 draws in all: 57 beyond 4.5 sigma, 4.8 beyond 5.
    counts = {3.0: 0, 4.0: 0, 4.5: 0, 5.0: 0}
    n, largest = 0, 0.0
    for key in jax.random.split(jax.random.fold_in(_KEY, 1), 2):
        magnitude = np.abs(np.asarray(normals(key, (4096, 1024))))
        n, largest = n + magnitude.size, max(largest, float(magnitude.max()))
        for sigma in counts:
            counts[sigma] += int(np.sum(magnitude > sigma))
    for sigma, count in counts.items():
        expected = n * 2 * ndtr(-sigma)
        assert abs(count - expected) < 5 * np.sqrt(expected), (sigma, count, expected)
    assert 4.8 < largest < 6.3


def test_the_inverse_is_exact_over_all_words():
    # Powers of two reach the far tail, the stretch between them the middle; negative integers are the lower half.
    half = np.unique(np.concatenate([[0], 2 ** np.arange(31), np.linspace(0, 2**31 - 1, 20_001).astype(np.int64)]))
    z = np.asarray(_inverse_normal(jnp.asarray(half.astype(np.uint32))), np.float64)
    # 2e-5 in probability would shift a Kolmogorov-Smirnov statistic as much as 1e9 draws scatter it.
    np.testing.assert_allclose(ndtr(-z), (half + 0.5) * 2.0**-32, atol=2.5e-5)
    np.testing.assert_allclose(ndtr(-z), (half + 0.5) * 2.0**-32, rtol=1e-2)
    np.testing.assert_allclose(-z, ndtri((half + 0.5) * 2.0**-32), atol=2e-3)
    # -1 - i mirrors i: the number half a step above it is as far from 0.
    mirrored = _inverse_normal(jnp.asarray((2**32 - 1 - half).astype(np.uint32)))
    np.testing.assert_allclose(np.asarray(mirrored, np.float64), -z, atol=1e-5)  # rounding of the polynomial
    assert 6.2 < np.abs(z).max() < 6.4


def test_sums_of_bits_have_the_moments_they_state():
    draws = np.asarray(jax.jit(sum_of_bits, static_argnums=1)(jax.random.split(_KEY, 4), (4, 256, 1024)), np.float64)
    # Of (B - n p) / sqrt(n p q), n = 32 and p = 1/2: means of z^p, and their variances from the moments up to z^8.
    values, chances = (np.arange(33) - 16) / np.sqrt(8), binom.pmf(np.arange(33), 32, 0.5)
    for power in (1, 2, 3, 4):
        mean = np.sum(chances * values**power)
        variance = np.sum(chances * values ** (2 * power)) - mean**2
        assert abs(np.mean(draws**power) - mean) < 5 * np.sqrt(variance / draws.size), power
    assert abs(np.sum(chances * values**4) - (3 - 1 / 16)) < 1e-12
    assert 4.2 < np.abs(draws).max() < 5.66
    for axis in (0, 1, 2):
        early, late = np.moveaxis(draws, axis, 0)[:-1], np.moveaxis(draws, axis, 0)[1:]
        assert_uncorrelated(early, late)
        assert_uncorrelated(early**2, late**2)


def test_a_sum_over_many_sources_is_normal():
    # As the engine uses them: 32 draws of unequal weight in one output.
    draws = np.asarray(sum_of_bits(_KEY, (20_000, 32)), np.float64)
    weights = np.random.default_rng(0).standard_normal(32)
    assert_normal(draws @ weights / np.linalg.norm(weights))


# Independence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [1, 2, 3, 4, 8, 16, 64, 128])
@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("power", [1, 2])
def test_no_correlation_along_rows_and_columns(million, axis, lag, power):
    # Squares too: a shared magnitude with random sign would not show in the draws themselves.
    z = million**power
    early, late = np.moveaxis(z, axis, 0)[:-lag].ravel(), np.moveaxis(z, axis, 0)[lag:].ravel()
    assert abs(np.corrcoef(early, late)[0, 1]) < 5 / np.sqrt(early.size)


@pytest.mark.parametrize(("row", "column"), [(1, 1), (1, -1), (2, 1), (16, 16)])
def test_no_correlation_along_diagonals(million, row, column):
    shifted = np.roll(million, (-row, -column), axis=(1, 2))
    assert abs(np.corrcoef(million.ravel(), shifted.ravel())[0, 1]) < 5 / np.sqrt(million.size)


def test_no_correlation_between_keys(normals):
    # Keys next to each other, and keys that differ by what was folded in: 8 choose 2 pairs of 2^17 draws.
    keys = jnp.stack([jax.random.key(0), jax.random.key(1), *(stream(_KEY, i) for i in (0, 1)), *_nested()])
    draws = np.asarray(normals(keys, (8, 256, 512)), np.float64).reshape(8, -1)
    correlation = np.asarray(np.corrcoef(draws))[np.triu_indices(8, 1)]
    assert np.abs(correlation).max() < 5.5 / np.sqrt(draws.shape[1])


def _nested():
    return [stream(_KEY, 0, 0), stream(_KEY, 0, 1), stream(_KEY, 1, 0), stream(_KEY, 1, 1)]


def test_rows_share_no_stretch_of_words(words):
    # Shifted copies would repeat words: 2^20 words collide 2^40 / 2^33 = 128 times by chance, as often as here.
    distinct = np.unique(words)
    collisions = words.size - distinct.size
    assert abs(collisions - 128) < 5 * np.sqrt(128)


def test_every_bit_of_a_word_is_fair_and_follows_no_other(words):
    bits = (words.reshape(-1, 1) >> np.arange(32, dtype=np.uint32)) & 1
    signs = 2.0 * bits - 1.0
    n = len(signs)
    assert np.abs(signs.mean(axis=0)).max() < 5 / np.sqrt(n)
    products = np.abs(signs.T @ signs / n)[np.triu_indices(32, 1)]
    assert products.max() < 5.5 / np.sqrt(n)


def test_pairs_of_neighbours_fill_the_square(words):
    # Serial test: top five bits of a word and of the next column, and of the next row, 1024 cells.
    top = words >> 27
    for early, late in ((top[..., :-1:2], top[..., 1::2]), (top[:, :-1:2], top[:, 1::2])):
        counts = np.bincount((early.astype(np.int64) * 32 + late).ravel(), minlength=1024)
        expected = early.size / 1024
        statistic = np.sum((counts - expected) ** 2) / expected
        assert 1e-4 < chi2.sf(statistic, 1023) < 1 - 1e-4


# What a draw depends on --------------------------------------------------------------------------------------------


def test_words_are_the_same_in_any_shape_and_any_split():
    seeds = jax.vmap(lambda key: jax.random.bits(key, (2,)))(jax.random.split(_KEY, 5))
    whole, compiled = np.asarray(_words(seeds, 33, 129)), jax.jit(_words, static_argnums=(1, 2))
    np.testing.assert_array_equal(compiled(seeds[2:4], 33, 129), whole[2:4])
    np.testing.assert_array_equal(compiled(seeds, 7, 129), whole[:, :7])
    np.testing.assert_array_equal(compiled(seeds, 33, 17), whole[:, :, :17])
    np.testing.assert_array_equal(compiled(seeds, 33, 129), whole)


@pytest.mark.parametrize("name", ["counter", "threefry"])
def test_draws_are_float32_and_the_same_where_jax_counts_in_64_bits(name, normals):
    keys = jax.random.split(_KEY, 2)
    with generator(name):
        usual = np.asarray(normals(keys, (2, 5, 17)))
        with jax.enable_x64(True):
            wide = np.asarray(normals(keys, (2, 5, 17)))
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide, usual)


@pytest.mark.parametrize("split", [(1, 4), (2, 3), (1, 1, 1, 1, 1)])
def test_draws_are_bit_identical_under_any_batch_split(normals, split):
    keys = jax.random.split(_KEY, 5)
    whole = np.asarray(normals(keys, (5, 33, 129)))
    start, parts = 0, []
    for size in split:
        parts.append(np.asarray(normals(keys[start : start + size], (size, 33, 129))))
        start += size
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_another_compilation_differs_by_rounding_only(normals):
    # The words are the same; compilers round the logarithm and the polynomial differently.
    keys = jax.random.split(_KEY, 2)
    apart = np.abs(np.asarray(normals(keys, (2, 33, 129))) - np.asarray(standard_normal(keys, (2, 33, 129))))
    assert apart.max() < 1e-5


# Threefry ----------------------------------------------------------------------------------------------------------


def test_threefry_gives_other_draws_of_the_same_law():
    keys = jax.random.split(_KEY, 4)
    # A function of its own: the context is part of the key of everything compiled.
    draw = jax.jit(lambda keys: standard_normal(keys, (4, 64, 256)))
    counter = np.asarray(draw(keys), np.float64)
    with generator("threefry"):
        threefry = np.asarray(draw(keys), np.float64)
    np.testing.assert_array_equal(np.asarray(draw(keys), np.float64), counter)
    assert_normal(threefry, least=1e-3)
    assert_uncorrelated(counter, threefry)
    assert_uncorrelated(threefry[:, :-1], threefry[:, 1:])


def test_threefry_draws_depend_on_their_place_alone():
    keys = jax.random.split(_KEY, 3)
    with generator("threefry"):
        whole = np.asarray(standard_normal(keys, (3, 7, 33)))
        np.testing.assert_array_equal(standard_normal(keys[1:], (2, 7, 33)), whole[1:])
        np.testing.assert_array_equal(standard_normal(keys, (3, 5, 33)), whole[:, :5])
        np.testing.assert_array_equal(standard_normal(keys, (3, 7, 17)), whole[:, :, :17])


def test_another_generator_is_refused():
    with pytest.raises(ValueError, match="no generator is called 'philox'; there are counter, threefry"):
        generator("philox")  # pyright: ignore[reportArgumentType]


def test_same_key_repeats_and_another_does_not(normals):
    first, again, other = (np.asarray(normals(key, (40, 30))) for key in (_KEY, _KEY, jax.random.fold_in(_KEY, 0)))
    np.testing.assert_array_equal(first, again)
    assert np.mean(first == other) < 0.01


def test_streams_fold_in_order_and_keep_the_shape_of_the_keys():
    keys = jax.random.split(_KEY, 6).reshape(2, 3)
    folded = stream(keys, 4, 7)
    assert folded.shape == (2, 3)
    one = jax.random.fold_in(jax.random.fold_in(keys[1, 2], 4), 7)
    assert jnp.array_equal(jax.random.key_data(folded[1, 2]), jax.random.key_data(one))
    assert not jnp.array_equal(jax.random.key_data(stream(keys, 7, 4)), jax.random.key_data(folded))


def test_keys_are_checked():
    check_key(_KEY, (3, 4))
    check_key(jax.random.split(_KEY, 3), (3, 4))
    with pytest.raises(ValueError, match=r"\(3,\) do not lead the rows of shape \(4, 3\)"):
        check_key(jax.random.split(_KEY, 3), (4, 3))
    with pytest.raises(ValueError, match="do not lead"):
        check_key(jax.random.split(_KEY, 3), ())
    for wrong in (0, jax.random.PRNGKey(0), None):
        with pytest.raises(TypeError, match=r"jax\.random\.key"):
            check_key(wrong, (3,))  # pyright: ignore[reportArgumentType]
