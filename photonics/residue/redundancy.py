"""Redundant residues: which number is right when some residues were misread, and what finding out costs."""

import itertools
import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from photonics.residue.residues import recover, recovery_operations


def groups(moduli: Sequence[int], count: int) -> tuple[tuple[int, ...], ...]:
    """Indices of every group of `count` moduli, that of the first ones first."""
    return tuple(itertools.combinations(range(len(moduli)), count))


def decode(remainders: Array, moduli: Sequence[int], count: int, largest: int, erases: bool = True) -> Array:
    """Integers (...) int32 from residues (N, ...) of which any `count` are enough, by votes of the groups.

    Every group of `count` residues recovers a number; one beyond `largest` in magnitude, the largest sum that can
    occur, has no vote. The number with most votes wins, the first group's among equals. Of r redundant residues
    t = floor(r / 2) misread ones are always corrected: the groups without them agree. With `erases` a number with
    fewer votes than those groups, C(N - t, count), is replaced by 0; without it the winner stands, whatever it is.
    Without redundant residues only the range speaks.

    Redundant residue numbers as in Demirkiran et al., Nat. Commun. 15 (2024), which repeats the product where the
    vote fails; here it is not repeated. Voting is the published way, though not the cheapest. 0 is our choice:
    products are small against their range, so it errs least.
    """
    chosen = groups(moduli, count)
    numbers = jnp.stack([recover([remainders[i] for i in group], [moduli[i] for i in group]) for group in chosen])
    legitimate = jnp.abs(numbers) <= largest
    if len(chosen) == 1:
        return jnp.where(legitimate[0], numbers[0], 0) if erases else numbers[0]
    votes = jnp.stack([jnp.sum((numbers == number) & legitimate, axis=0) for number in numbers])
    winner = jnp.argmax(jnp.where(legitimate, votes, 0), axis=0)[None]
    number = jnp.take_along_axis(numbers, winner, axis=0)[0]
    if not erases:
        return number
    enough = math.comb(len(moduli) - correctable(len(moduli) - count), count)
    return jnp.where(jnp.take_along_axis(jnp.where(legitimate, votes, 0), winner, axis=0)[0] >= enough, number, 0)


def decoding_operations(count: int, redundant: int, erases: bool = True) -> int:
    """Digital operations of one `decode`: all recoveries, one range check each, every pair of groups compared."""
    recoveries = math.comb(count + redundant, count)
    checks = recoveries if redundant or erases else 0
    return recoveries * recovery_operations(count) + checks + math.comb(recoveries, 2)


def correctable(redundant: int) -> int:
    """Misread residues that are corrected whatever they were misread as: floor(r / 2)."""
    return redundant // 2
