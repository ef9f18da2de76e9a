"""Sampling: shares of tokens over many keys against the exact distribution, and independence of rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from models.transformer.sampling import sample

SHARES = np.array([0.15, 0.4, 0.05, 0.3, 0.1])
LOGITS = jnp.log(jnp.array(SHARES)) + 3.0
N = 20_000
KEYS = jax.random.split(jax.random.key(5), N)


def shares(temperature, top_p=1.0) -> np.ndarray:
    drawn = sample(KEYS, jnp.broadcast_to(LOGITS, (N, 5)), temperature, top_p)
    return np.bincount(np.asarray(drawn), minlength=5) / N


def check(measured, expected):
    # Five standard deviations of a binomial share: a false alarm in about 2 million per share.
    np.testing.assert_array_less(np.abs(measured - expected), 5 * np.sqrt(expected * (1 - expected) / N) + 1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_shares_follow_the_temperature(temperature):
    expected = SHARES ** (1 / temperature)
    check(shares(temperature), expected / expected.sum())
    if temperature != 1:
        with pytest.raises(AssertionError):
            check(shares(temperature), SHARES)  # the comparison can fail


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.3, [1]), (0.5, [1, 3]), (0.72, [0, 1, 3]), (0.9, [0, 1, 3, 4]), (0.999, [0, 1, 2, 3, 4])]
)
def test_the_nucleus_is_the_smallest_set_with_enough_probability(top_p, kept):
    expected = np.where(np.isin(np.arange(5), kept), SHARES, 0)
    check(shares(1.0, top_p), expected / expected.sum())


def test_temperature_comes_before_the_nucleus():
    warmed = SHARES**0.5 / np.sum(SHARES**0.5)  # the two most probable together: 0.552; 0.7 unwarmed
    assert set(np.flatnonzero(shares(2.0, 0.6))) == {0, 1, 3}
    assert 0.5 < warmed[1] + warmed[3] < 0.6


def test_temperature_zero_is_the_largest_and_of_equals_the_first():
    logits = jnp.array([[1.0, 5.0, 2.0], [4.0, 0.0, 4.0]])
    keys = jax.random.split(jax.random.key(0), 2)
    np.testing.assert_array_equal(sample(keys, logits, 0.0), [1, 0])
    compiled = jax.jit(sample)(keys, logits, jnp.array([0.0, 1e-30]), jnp.float32(0.9))
    np.testing.assert_array_equal(compiled[0], 1)
    assert compiled[1] in (0, 2)


def test_rows_with_their_own_settings_are_rows_alone():
    logits = jax.random.normal(jax.random.key(1), (4, 50))
    keys = jax.random.split(jax.random.key(2), 4)
    temperature, top_p = jnp.array([0.0, 0.7, 1.0, 3.0]), jnp.array([1.0, 0.9, 0.5, 1.0])
    together = sample(keys, logits, temperature, top_p)
    alone = [sample(keys[i], logits[i], temperature[i], top_p[i]) for i in range(4)]
    np.testing.assert_array_equal(together, alone)
    assert together.dtype == jnp.int32
    flipped = sample(keys[::-1], logits[::-1], temperature[::-1], top_p[::-1])
    np.testing.assert_array_equal(flipped[::-1], together)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((KEYS[:3], jnp.zeros((2, 5))), r"keys have shape \(3,\), logits \(2, 5\)"),
        ((KEYS[0], jnp.zeros((2, 5))), "one key per row"),
        ((KEYS[0], LOGITS, -1.0), r"temperature must be zero or positive and finite, not -1\.0"),
        ((KEYS[0], LOGITS, float("nan")), "temperature must be"),
        ((KEYS[0], LOGITS, 1.0, 0.0), r"top_p must lie in \(0, 1\], not 0\.0"),
        ((KEYS[0], LOGITS, 1.0, 1.5), "top_p must lie"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        sample(*arguments)
