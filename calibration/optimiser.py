"""The optimiser of a fine-tuning run, from optax: AdamW, a schedule, clipping of the gradient.

Weights decay towards zero; ranges, gains and clips, which are logarithms of factors, have a learning rate of their own
and no decay. Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2019 (arXiv 1711.05101).
"""

import dataclasses
from typing import Literal

import optax

_WEIGHTS, _FACTORS = "weights", "factors"
_KIND = {"weights": _WEIGHTS, "low_rank": _WEIGHTS}


@dataclasses.dataclass(frozen=True)
class Optimiser:
    """Settings of the optimiser.

    Attributes:
        learning_rate: of the weights, at its highest.
        factor_learning_rate: of ranges, gains and clips, at its highest.
        steps: updates of the whole run; the schedule ends there.
        warmup_steps: updates in which the rate rises from 0.
        schedule: "cosine" or "linear" down to `final_share` of the rate, or "constant".
        final_share: see there.
        weight_decay: AdamW's, of the weights.
        clip_norm: largest norm of the whole gradient.
        beta2: decay of the second moment; short runs want it below the usual 0.999.
    """

    learning_rate: float
    factor_learning_rate: float
    steps: int
    warmup_steps: int = 0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    final_share: float = 0.1
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    beta2: float = 0.99

    def rate(self, highest: float) -> optax.Schedule:
        """The learning rate by update."""
        warmup = min(self.warmup_steps, self.steps)
        rest, last = max(self.steps - warmup, 1), highest * self.final_share
        if self.schedule == "cosine":
            after = optax.cosine_decay_schedule(highest, rest, self.final_share)
        elif self.schedule == "linear":
            after = optax.linear_schedule(highest, last, rest)
        else:
            after = optax.constant_schedule(highest)
        # The first update already moves: a rate of 0 would waste a step that takes seconds.
        return optax.join_schedules([optax.linear_schedule(highest / (warmup + 1), highest, warmup), after], [warmup])

    def transformation(self) -> optax.GradientTransformation:
        """The gradient transformation for a trained tree of `calibration.adaptation`."""
        weights = optax.adamw(self.rate(self.learning_rate), b2=self.beta2, weight_decay=self.weight_decay)
        factors = optax.adam(self.rate(self.factor_learning_rate), b2=self.beta2)
        return optax.chain(
            optax.clip_by_global_norm(self.clip_norm),
            optax.partition({_WEIGHTS: weights, _FACTORS: factors}, _kinds),
        )


def _kinds(trained: dict) -> dict[str, str]:
    return {name: _KIND.get(name, _FACTORS) for name in trained}
