"""Which moduli a residue number system uses, and which products it can tell apart. Plain integers, no JAX."""

import functools
import math


@functools.cache
def coprime_moduli(bits: int, count: int) -> tuple[int, ...]:
    """The `count` pairwise coprime integers below 2^bits whose product is largest, in falling order.

    They give the largest range for converters of `bits` bits: 63, 62, 61, 59 for 6 bits and four of them, as in
    Demirkiran et al., A blueprint for precise and fault-tolerant analog neural networks, Nat. Commun. 15 (2024).
    Raises ValueError where there are not that many.
    """
    best: tuple[int, tuple[int, ...]] = (0, ())

    def extend(chosen: tuple[int, ...], product: int, next_lower: int) -> None:
        nonlocal best
        missing = count - len(chosen)
        if missing == 0:
            best = max(best, (product, chosen))
            return
        for candidate in range(next_lower, 1, -1):
            # Not even equal moduli from here on would beat what is known.
            if product * candidate**missing <= best[0]:
                return
            if math.gcd(candidate, product) == 1:
                extend((*chosen, candidate), product * candidate, candidate - 1)

    extend((), 1, 2**bits - 1)
    if not best[1]:
        raise ValueError(f"there are no {count} pairwise coprime moduli below 2^{bits} = {2**bits}")
    return best[1]


def largest_sum(inputs: int, operand_bits: int) -> int:
    """Largest magnitude of a sum of `inputs` products of signed codes: h (2^(b-1) - 1)^2."""
    return inputs * (2 ** (operand_bits - 1) - 1) ** 2


def sums(inputs: int, operand_bits: int) -> int:
    """How many different sums there are, negative ones and zero included: 2 h (2^(b-1) - 1)^2 + 1."""
    return 2 * largest_sum(inputs, operand_bits) + 1


def guaranteed_range(moduli: tuple[int, ...], redundant: int) -> int:
    """Numbers that are told apart whichever `redundant` of the moduli are lost: the product of the smallest others."""
    return math.prod(sorted(moduli)[: len(moduli) - redundant])


def largest_range(moduli: tuple[int, ...], redundant: int) -> int:
    """Product of the largest moduli but `redundant`: the largest integer that a recovery meets."""
    return math.prod(sorted(moduli)[redundant:])
