"""Repetition of a product, and what the signs of the operands cost: nothing, because fields have signs."""

from photonics.stage import stage, static


@stage
class HomodyneEncoding:
    """Fields carry signs, so a signed operand takes one symbol; a product may be repeated and averaged.

        y = 1/R sum_r y_r        deviation / sqrt(R),   symbols, drives and conversions times R

    Repetition: Garg, Lou, Jain, Nahmias, Dynamic Precision Analog Computing, 2021 (arXiv 2102.06365). Rounding is
    averaged only as far as noise spreads it over several codes. Fixed errors of an instance are not averaged.

    Attributes:
        repetitions: times R that a product is streamed, integrated and converted.
        rotate: rotate the contraction axis (block Hadamard, `photonics.rotation`).
    """

    repetitions: int = static()
    rotate: bool = static()
