import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from photonics.residue.moduli import coprime_moduli, guaranteed_range, largest_sum, sums
from photonics.residue.redundancy import correctable, decode, decoding_operations, groups
from photonics.residue.residues import recovery_operations, residues

_LARGEST = largest_sum(128, 6)
_NUMBERS = jnp.array([-_LARGEST, -1, 0, 17, 50_000, _LARGEST])


def _misread(remainders, index, by, modulus):
    return remainders.at[index].set((remainders[index] + by) % modulus)


@pytest.mark.parametrize("redundant", [0, 1, 2])
def test_without_errors_every_number_is_right(redundant):
    moduli = coprime_moduli(6, 4 + redundant)
    assert guaranteed_range(moduli, redundant) >= sums(128, 6)
    np.testing.assert_array_equal(decode(residues(_NUMBERS, moduli), moduli, 4, _LARGEST), _NUMBERS)


def test_two_redundant_residues_correct_any_one_error():
    moduli = coprime_moduli(6, 6)
    assert correctable(2) == 1 and correctable(1) == 0
    right, run = residues(_NUMBERS, moduli), jax.jit(lambda read: decode(read, moduli, 4, _LARGEST))
    for index, by in itertools.product(range(6), (1, -1, 20)):
        read = _misread(right, index, by, moduli[index])
        np.testing.assert_array_equal(run(read), _NUMBERS)


def test_one_error_without_redundancy_is_erased_or_wrong():
    moduli = coprime_moduli(6, 4)
    read = _misread(residues(_NUMBERS, moduli), 0, 1, 63)
    wrong = decode(read, moduli, 4, _LARGEST, erases=False)
    assert (wrong != _NUMBERS).all()
    # A step of one residue is a step of millions, so here nothing stays inside the range of the products.
    assert (jnp.abs(wrong) > _LARGEST).all()
    np.testing.assert_array_equal(decode(read, moduli, 4, _LARGEST), jnp.zeros_like(_NUMBERS))


def test_what_too_few_groups_agree_on_is_erased():
    # Two or three of six residues wrong: at most one group is free of them, and one vote is not enough.
    moduli = coprime_moduli(6, 6)
    read = residues(_NUMBERS, moduli)
    for wrong in range(3):
        read = _misread(read, wrong, 7, moduli[wrong])
        number = decode(read, moduli, 4, _LARGEST)
        np.testing.assert_array_equal(number, _NUMBERS if wrong == 0 else 0)
    assert (decode(read, moduli, 4, _LARGEST, erases=False) != 0).all()


def test_one_redundant_residue_detects_an_error_and_corrects_most():
    # By plurality: of five groups, four are spoiled, and a spoiled one is legitimate with the share of the range that
    # products fill: 246,017 of about 1e7, 2 %. 5 residues, 2 steps, 400 numbers; 10 % is the allowance.
    moduli = coprime_moduli(6, 5)
    numbers = jax.random.randint(jax.random.key(0), (400,), 1, _LARGEST)
    right, wrong = residues(numbers, moduli), []
    for index, by in itertools.product(range(5), (1, -1)):
        read = _misread(right, index, by, moduli[index])
        wrong.append(jnp.mean(decode(read, moduli, 4, _LARGEST, erases=False) != numbers))
        np.testing.assert_array_equal(decode(read, moduli, 4, _LARGEST), jnp.zeros_like(numbers))
    assert 0 <= float(np.mean(wrong)) < 0.1


def test_the_first_group_stands_first():
    assert groups((7, 5, 3), 2) == ((0, 1), (0, 2), (1, 2))


def test_operations_of_a_decode():
    assert decoding_operations(4, 0, erases=False) == recovery_operations(4)
    assert decoding_operations(4, 0) == recovery_operations(4) + 1
    # 15 groups of 4 out of 6, a range check each, and 105 pairs.
    assert decoding_operations(4, 2) == 15 * (recovery_operations(4) + 1) + 105
