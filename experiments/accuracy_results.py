"""From scored tokens and costs to the numbers of `result.json`; plain arithmetic on finished evaluations."""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from experiments.accuracy_settings import ROUNDING, Setting
from experiments.measures import KL_OF_TOKENS, Measure

if TYPE_CHECKING:
    from photonics.cost import Cost
    from photonics.engine import Engine
    from photonics.work import Work

# exp of more overflows a double.
_LOSS_MAX_NATS = 700.0


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Scores of one setting on all tokens: arrays (windows, time - 1), and the digital loss of the same tokens."""

    nll_nats: np.ndarray
    kl_nats: np.ndarray
    agrees: np.ndarray
    digital_nll_nats: np.ndarray

    def summary(self) -> dict[str, Any]:
        """Means over tokens.

            loss = mean(-log q(token))      kl = mean_tokens sum_v p(v) log(p(v) / q(v))      p digital, q optical
            standard error = std(-log q + log p of the same token) / sqrt(tokens)

        The error is paired: the text is the same, so its own spread cancels. Tokens count as independent.
        """
        paired = (self.nll_nats - self.digital_nll_nats).ravel()
        spread = float(np.std(paired, ddof=1)) / math.sqrt(paired.size) if paired.size > 1 else math.nan
        kl_spread = float(np.std(self.kl_nats, ddof=1)) / math.sqrt(paired.size) if paired.size > 1 else math.nan
        return {
            **losses(self.nll_nats),
            "loss_increase_nats": float(np.mean(paired, dtype=np.float64)),
            "standard_error_nats": spread,
            "kl_nats": float(np.mean(self.kl_nats, dtype=np.float64)),
            "kl_standard_error_nats": kl_spread,
            "top1_agreement": float(np.mean(self.agrees)),
        }

    def baseline(self) -> dict[str, Any]:
        """The digital model on the same tokens, and how many there are."""
        return {**losses(self.digital_nll_nats), "tokens": int(self.digital_nll_nats.size)}

    def by_part(self) -> list[dict[str, Any]]:
        """Means over the tokens of each window."""
        return [
            {
                "window": index,
                "loss_nats": float(np.mean(self.nll_nats[index])),
                "digital_loss_nats": float(np.mean(self.digital_nll_nats[index])),
                "kl_nats": float(np.mean(self.kl_nats[index])),
                "top1_agreement": float(np.mean(self.agrees[index])),
            }
            for index in range(len(self.nll_nats))
        ]


class Judged(Protocol):
    """Scores of one setting on everything that was measured, whatever the task."""

    def summary(self) -> dict[str, Any]:
        """Means over everything, as they stand in a point of `result.json`."""
        ...

    def baseline(self) -> dict[str, Any]:
        """The digital model on the same, as it stands in `result.json`."""
        ...

    def by_part(self) -> list[dict[str, Any]]:
        """One row per window of text or per sample."""
        ...


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """Everything that was found out at one rotate setting.

    Attributes:
        rotate: whether the contraction axis was rotated.
        engine: the engine as asked for, with this rotate setting.
        points: (setting, scores, layers) for each power of the sweep, ascending.
        explanations: (setting, scores) for the states that explain the plateau, in order.
    """

    rotate: bool
    engine: "Engine"
    points: list[tuple[Setting, Judged, dict[str, np.ndarray]]]
    explanations: list[tuple[Setting, Judged]]


def losses(nll_nats: np.ndarray) -> dict[str, Any]:
    """Mean loss and perplexity exp(loss), None where it overflows."""
    loss = float(np.mean(nll_nats, dtype=np.float64))
    return {"loss_nats": loss, "perplexity": math.exp(loss) if loss < _LOSS_MAX_NATS else None}


def cost_summary(cost: "Cost", tokens: int) -> dict[str, Any]:
    """Energy, power and efficiency of one setting, per token of the work that was counted.

    launched_energy_per_mac_j is light sent out over MACs done optically; energy_per_mac_j the whole over all MACs.
    """
    parts = {part: float(energy_j) / tokens for part, energy_j in cost.energy_j.items()}
    optical_macs = float(cost.optical_macs)
    return {
        # The sum of the parts as written, so that they add up to the last digit.
        "energy_per_token_j": math.fsum(parts.values()),
        "energy_per_mac_j": float(cost.total_energy_j) / float(cost.macs),
        "launched_energy_per_mac_j": float(cost.launched_energy_j) / optical_macs,
        "tops_per_w": float(cost.tops_per_w),
        "power_w": float(cost.power_w),
        "energy_breakdown_j": parts,
    }


def layer_summary(layers: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """photons_per_mac: photoelectrons of all layers over their MACs; snr_db: the mean over layers of the dB of each."""
    return {
        "photons_per_mac": float(np.average(layers["electrons_per_mac"], weights=layers["macs"])),
        "snr_db": float(np.mean(layers["snr_db"])),
    }


def inputs_per_tile(work: "Work", fan_in: int, digital: Sequence[str] = ()) -> float | None:
    """Inputs that one tile sums, k / ceil(k / fan-in), as the mean over the MACs of weight products in light.

    None where all weight products are digital. `digital` are the patterns of `Engine.cost`.
    """
    optical = [
        one for one in work.expand() if one.weights and not any(re.search(pattern, one.name) for pattern in digital)
    ]
    macs = sum(one.macs for one in optical)
    return math.fsum(one.macs * one.k / math.ceil(one.k / fan_in) for one in optical if one.k) / macs if macs else None


def iso_accuracy(
    points: Sequence[Mapping[str, Any]], power_max_w: float, measure: Measure = KL_OF_TOKENS
) -> list[dict[str, Any]]:
    """Least laser power and energy per token for each target, per rotate setting; None where it is not reached.

    Between the last point above the target and the first from which the measure stays below it, its logarithm is taken
    as linear in log power; energy is linear in power. Where already the weakest point is good enough, that point is
    given and `below_sweep` says so; `beyond_power_max` marks a power above `power_max_w`, which the source cannot give.
    """
    rows = []
    for rotate in dict.fromkeys(point["rotate"] for point in points):
        for target in measure.targets:
            least = _least([point for point in points if point["rotate"] == rotate], target, measure.key)
            power_w = least["laser_power_w"]
            beyond = None if power_w is None else power_w > power_max_w
            rows.append({"rotate": rotate, measure.key: target, **least, "beyond_power_max": beyond})
    return rows


def least_power(
    points: Sequence[Mapping[str, Any]], target: float, key: str = KL_OF_TOKENS.key
) -> tuple[float | None, bool]:
    """Least laser power [W] for one target, of points of one rotate setting, and whether it is below the sweep.

    Interpolated as `iso_accuracy` says; None where the target is not reached.
    """
    points = sorted(points, key=lambda point: point["laser_power_w"])
    first = len(points)
    while first > 0 and points[first - 1][key] <= target:
        first -= 1
    if first == len(points):
        return None, False
    good = points[first]
    if first == 0:
        return good["laser_power_w"], True
    poor = points[first - 1]
    low, high = math.log(poor["laser_power_w"]), math.log(good["laser_power_w"])
    # An exact engine has no divergence at all; any small number stands for it here.
    drop = math.log(poor[key]) - math.log(max(good[key], 1e-12))
    return math.exp(low + (high - low) * (math.log(poor[key]) - math.log(target)) / drop), False


def _least(points: Sequence[Mapping[str, Any]], target: float, key: str) -> dict[str, Any]:
    power_w, below_sweep = least_power(points, target, key)
    if power_w is None:
        return {"laser_power_w": None, "energy_per_token_j": None, "below_sweep": False}
    points = sorted(points, key=lambda point: point["laser_power_w"])
    powers_w, energies_j = ([point[name] for point in points] for name in ("laser_power_w", "energy_per_token_j"))
    energy_j = float(np.interp(power_w, powers_w, energies_j))
    return {"laser_power_w": power_w, "energy_per_token_j": energy_j, "below_sweep": below_sweep}


def rotation_saving(points: Sequence[Mapping[str, Any]], measure: Measure = KL_OF_TOKENS) -> list[dict[str, Any]]:
    """Laser power and energy without rotation over those with it, at every level of the measure that both reach.

    One row per level, the smallest first; none where only one setting was run. `bounded_by_sweep` says that one
    side was good enough at the weakest power already, so that its true need is lower still.
    """
    rows = []
    for target in measure.compared:
        on, off = (
            _least([p for p in points if p["rotate"] is rotate], target, measure.key) for rotate in (True, False)
        )
        if on["laser_power_w"] is None or off["laser_power_w"] is None:
            continue
        rows.append(
            {
                measure.key: target,
                "laser_power_ratio": off["laser_power_w"] / on["laser_power_w"],
                "energy_ratio": off["energy_per_token_j"] / on["energy_per_token_j"],
                "energy_per_token_rotated_j": on["energy_per_token_j"],
                "energy_per_token_not_rotated_j": off["energy_per_token_j"],
                "bounded_by_sweep": on["below_sweep"] or off["below_sweep"],
            }
        )
    return rows


def plateau(level: float, steps: Sequence[tuple[str, float]], measure: Measure = KL_OF_TOKENS) -> dict[str, Any]:
    """What the measure at the highest power, `level`, consists of, and its largest part.

    `steps` are (cause, measure once it is switched off as well), in order. The difference of neighbours is the share
    of the cause, what remains at the end that of rounding and clipping; shares add up to the whole. Shares of a few
    1e-3 nats are within the error of 1,024 tokens, and may come out negative.
    """
    causes, before = {}, level
    for cause, after in steps:
        causes[cause] = before - after
        before = after
    causes[ROUNDING] = before
    return {measure.key: level, "causes": causes, "set_by": max(causes, key=lambda cause: causes[cause])}
