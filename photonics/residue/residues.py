"""Residues of integers, and the integer back from them: exact, in 32-bit integers."""

import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import Array

from photonics.residue.moduli import coprime_moduli
from photonics.stage import stage, static


@stage
class ResidueEncoding:
    """Signed integers as remainders: x -> (x mod m_1, ..., x mod m_N), one core for each modulus.

        codes         x_k, w_k in -Q..Q,  Q = 2^(b-1) - 1,  b = dac.bits of both operands
        products      |sum_k x_k w_k| <= h Q^2,  told apart by any `moduli` of the residues: product of m > 2 h Q^2
        moduli        the pairwise coprime integers below 2^residue_bits of largest product (`coprime_moduli`)

    Sums and products of residues are residues of sums and products, so that a converter of `residue_bits` bits loses
    nothing of a product that has about 2 b + log2 h - 1 bits. Negative numbers are the upper half of the range.
    With `redundant_moduli` the groups of `moduli` residues vote (`photonics.residue.redundancy`).

    Garner, The residue number system, IRE Trans. Electron. Comput. EC-8, 140 (1959); Demirkiran et al., Nat. Commun.
    15 (2024), s41467-024-49324-8. Left out: a number system other than residues inside a core.

    Attributes:
        residue_bits: bits of the converters; every modulus is below 2^residue_bits.
        moduli: how many residues tell all products apart.
        redundant_moduli: further residues that correct misread ones.
        erases: whether a result that cannot occur, or that too few groups agree on, is replaced by 0.
    """

    residue_bits: int = static()
    moduli: int = static()
    redundant_moduli: int = static()
    erases: bool = static()

    def all_moduli(self) -> tuple[int, ...]:
        """Every modulus, in falling order; those of the first recovery stand first."""
        return coprime_moduli(self.residue_bits, self.moduli + self.redundant_moduli)

    @property
    def cores(self) -> int:
        """Cores that work side by side, one for each modulus."""
        return self.moduli + self.redundant_moduli


def residues(integers: Any, moduli: Sequence[int]) -> Array:
    """Remainders (N, ...) int32 in [0, m) of integers (...), negative ones included."""
    whole = jnp.asarray(integers).astype(jnp.int32)
    return jnp.stack([jnp.mod(whole, modulus) for modulus in moduli])


def recover(remainders: Array | Sequence[Array], moduli: Sequence[int]) -> Array:
    """The integers (...) int32 in (-M/2, M/2] that have these remainders (N, ...), M the product of the moduli.

        v_i = (... ((r_i - v_1) c_1i - v_2) c_2i ...) mod m_i,   c_ji = m_j^-1 mod m_i
        x   = v_1 + v_2 m_1 + v_3 m_1 m_2 + ...                  minus M where x > M / 2

    Mixed-radix conversion (Garner 1959): every intermediate stays below the product of two moduli, the result below
    M, which has to be below 2^31. The Chinese remainder theorem gives the same number by way of larger ones. Raises
    ValueError for moduli that are not coprime, or whose product is larger.
    """
    total = math.prod(moduli)
    if total >= 2**31:
        raise ValueError(f"the product {total} of the moduli {tuple(moduli)} does not fit 32-bit integers")
    digits: list[Array] = []
    for index, modulus in enumerate(moduli):
        digit = remainders[index]
        for known, lower in zip(digits, moduli, strict=False):
            # Python raises ValueError itself where there is no inverse.
            digit = jnp.mod((digit - known) * pow(lower, -1, modulus), modulus)
        digits.append(digit)
    number, weight = jnp.zeros_like(digits[0]), 1
    for digit, modulus in zip(digits, moduli, strict=True):
        number, weight = number + digit * weight, weight * modulus
    return jnp.where(number > total // 2, number - total, number)


def recovery_operations(count: int) -> int:
    """Digital operations of one recovery from `count` residues.

    A subtraction and a modular multiplication for each pair, a multiplication and an addition for each further digit,
    one comparison and one subtraction for the sign; a modular multiplication of so few bits counts as one operation.
    """
    return count * (count - 1) + 2 * (count - 1) + 2
