import itertools
import math

import pytest

from photonics.residue.moduli import coprime_moduli, guaranteed_range, largest_range, largest_sum, sums


@pytest.mark.parametrize(
    ("bits", "moduli"),
    # 6 bits: as published (Demirkiran 2024). The others follow from the rule, done by hand.
    [(6, (63, 62, 61, 59)), (4, (15, 14, 13, 11)), (5, (31, 29, 28, 27)), (7, (127, 126, 125)), (8, (255, 254, 253))],
)
def test_the_moduli_of_some_converters(bits, moduli):
    assert coprime_moduli(bits, len(moduli)) == moduli


@pytest.mark.parametrize(("bits", "count"), [(3, 2), (3, 3), (4, 2), (4, 3), (4, 4), (5, 3), (5, 4)])
def test_no_coprime_integers_have_a_larger_product(bits, count):
    chosen = coprime_moduli(bits, count)
    assert all(math.gcd(one, other) == 1 for one, other in itertools.combinations(chosen, 2))
    best = max(
        math.prod(candidate)
        for candidate in itertools.combinations(range(2, 2**bits), count)
        if all(math.gcd(one, other) == 1 for one, other in itertools.combinations(candidate, 2))
    )
    assert math.prod(chosen) == best


def test_more_moduli_than_there_are_is_an_error():
    # 2, 3, 5, 7 are coprime below 8; a fifth would share a prime with one of them.
    assert sorted(coprime_moduli(3, 4)) == [3, 4, 5, 7]
    with pytest.raises(ValueError, match=r"no 5 pairwise coprime moduli below 2\^3 = 8"):
        coprime_moduli(3, 5)


def test_four_moduli_of_six_bits_tell_the_products_of_128_inputs_apart_and_three_do_not():
    moduli = coprime_moduli(6, 4)
    assert largest_sum(128, 6) == 128 * 31**2
    assert sums(128, 6) == 246_017
    # 23.7 bits, as computed from the published moduli.
    assert math.log2(guaranteed_range(moduli, 0)) == pytest.approx(23.745, abs=5e-4)
    assert guaranteed_range(coprime_moduli(6, 3), 0) == 238_266 < sums(128, 6)


def test_redundant_moduli_leave_the_range_of_the_smallest_others():
    assert guaranteed_range((63, 62, 61, 59), 1) == 62 * 61 * 59
    assert largest_range((63, 62, 61, 59), 1) == 63 * 62 * 61
