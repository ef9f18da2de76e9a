import math

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonics.residue.moduli import coprime_moduli, guaranteed_range, sums
from photonics.residue.residues import ResidueEncoding, recover, recovery_operations, residues

_SYSTEMS = st.tuples(st.integers(3, 8), st.integers(2, 4)).filter(
    lambda system: math.prod(coprime_moduli(*system)) < 2**31
)


@settings(max_examples=60, deadline=None)
@given(_SYSTEMS, st.lists(st.floats(-1, 1), min_size=6, max_size=6))
def test_every_integer_of_the_range_is_recovered(system, shares):
    moduli = coprime_moduli(*system)
    highest = math.prod(moduli) // 2
    lowest = highest + 1 - math.prod(moduli)
    integers = [lowest, highest, *(round(share * highest) for share in shares)]
    integers = np.clip(np.array(integers), lowest, highest)
    np.testing.assert_array_equal(recover(residues(integers, moduli), moduli), integers)


@settings(max_examples=60, deadline=None)
@given(_SYSTEMS, st.integers(2, 7), st.sampled_from([1, 4, 32, 128]), st.integers(0, 2**32 - 1), st.booleans())
def test_every_product_of_the_range_is_recovered_from_products_of_residues(system, bits, inputs, seed, extreme):
    moduli = coprime_moduli(*system)
    if guaranteed_range(moduli, 0) < sums(inputs, bits):
        return
    random, levels = np.random.default_rng(seed), 2 ** (bits - 1) - 1
    # Padded with zeros to one shape, so that nothing is compiled again.
    x, w = np.zeros((3, 128), np.int64), np.zeros((128, 3), np.int64)
    x[:, :inputs] = random.integers(-levels, levels, (3, inputs), endpoint=True)
    w[:inputs] = random.integers(-levels, levels, (inputs, 3), endpoint=True)
    if extreme:
        x, w = levels * np.where(x < 0, -1, x > 0), levels * np.where(w < 0, -1, w > 0)
    remainders = [
        np.mod(np.asarray(a, np.int64) @ np.asarray(b, np.int64), modulus)
        for a, b, modulus in zip(residues(x, moduli), residues(w, moduli), moduli, strict=True)
    ]
    np.testing.assert_array_equal(recover(jnp.asarray(np.array(remainders), jnp.int32), moduli), x @ w)


def test_residues_are_not_negative():
    np.testing.assert_array_equal(residues(jnp.array([-1.0, 0.0, 64.0]), (63, 62)), [[62, 0, 1], [61, 0, 2]])


def test_one_number_beyond_the_range_wraps():
    moduli = (7, 5, 3)
    integers = np.arange(-52, 53)
    np.testing.assert_array_equal(recover(residues(integers, moduli), moduli), integers)
    assert int(recover(residues(np.array([53]), moduli), moduli)[0]) == 53 - 105


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="32-bit"):
        recover(residues(jnp.zeros(1), (2047, 2046, 2045)), (2047, 2046, 2045))
    with pytest.raises(ValueError, match="not invertible"):
        recover(residues(jnp.zeros(1), (4, 6)), (4, 6))


def test_the_encoding_names_its_moduli():
    encoding = ResidueEncoding(residue_bits=6, moduli=4, redundant_moduli=2, erases=True)
    assert encoding.all_moduli() == (63, 62, 61, 59, 55, 53)
    assert encoding.cores == 6


def test_operations_of_a_recovery():
    # One pair: subtract, multiply; one digit: multiply, add; sign: compare, subtract.
    assert recovery_operations(2) == 2 + 2 + 2
    assert recovery_operations(4) == 12 + 6 + 2
