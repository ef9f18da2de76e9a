"""What a fine-tuning was worth: the share of the divergence that is gone, and the light that is saved at equal quality.

recovery = 1 - KL_after / KL_before           both from the original digital model, at the training's laser power
saving   = P / P',   KL_after(P') = KL_before(P)      between measured powers, log KL over log power, never beyond
"""

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Saving:
    """Laser power before over after at equal divergence.

    Attributes:
        factor: P / P'; None where the tuned model is worse at every power that was measured.
        laser_power_w: P' [W].
        at_least: whether even the lowest measured power is better, so that the factor is a lower bound.
    """

    factor: float | None
    laser_power_w: float | None
    at_least: bool


def recovery(before: Sequence[float], after: Sequence[float]) -> dict[str, float | None]:
    """Recovery and its standard error from runs (seeds and machines) that are paired; None without a gap to close.

    The error is that of the ratio of means of n pairs, to first order: s(a_i - (1 - R) b_i) / (sqrt(n) mean b).
    """
    if len(before) != len(after) or not before:
        raise ValueError(f"{len(before)} runs before and {len(after)} after are no pairs")
    if not all(map(math.isfinite, (*before, *after))):
        raise ValueError("a divergence is no number")
    mean = sum(before) / len(before)
    if mean <= 0.0:
        return {"recovery": None, "standard_error": None}
    ratio = sum(after) / sum(before)
    if len(before) == 1:
        return {"recovery": 1.0 - ratio, "standard_error": None}
    left = [a - ratio * b for a, b in zip(after, before, strict=True)]
    variance = sum(one * one for one in left) / (len(left) - 1)
    return {"recovery": 1.0 - ratio, "standard_error": math.sqrt(variance / len(left)) / mean}


def saving(power_w: float, kl_before: float, after: Mapping[float, float]) -> Saving:
    """The power at which the tuned model diverges as the untuned did at `power_w`; `after` is its KL by power.

    From the highest power downwards the first crossing counts, so that a curve which is not monotone gives the smaller
    saving.
    """
    powers = sorted(after, reverse=True)
    if after[powers[0]] > kl_before:
        return Saving(None, None, at_least=False)
    for higher, lower in itertools.pairwise(powers):
        if after[lower] > kl_before:
            share = math.log(kl_before / after[higher]) / math.log(after[lower] / after[higher])
            found = math.exp(math.log(higher) + share * math.log(lower / higher))
            return Saving(power_w / found, found, at_least=False)
    return Saving(power_w / powers[-1], powers[-1], at_least=True)
