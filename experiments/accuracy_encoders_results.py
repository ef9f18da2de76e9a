"""From scored samples to the numbers of `result.json` for embeddings and classes; plain arithmetic."""

import dataclasses
import math
from typing import Any

import numpy as np

from experiments.accuracy_results import Evaluation

_LOW_PERCENTILE = 5


@dataclasses.dataclass(frozen=True)
class EmbeddingScores:
    """Scores of one setting on all samples, arrays (samples,): the optical embedding b beside the digital one a.

    cosine = a . b / (|a| |b|)      cosine distance = 1 - cosine      relative error = |b - a| / |a|
    """

    cosine: np.ndarray
    cosine_distance: np.ndarray
    relative_error: np.ndarray

    def summary(self) -> dict[str, Any]:
        """Means over samples, and the cosine that 5 % of them do not reach; the error is that of the mean."""
        count = self.cosine.size
        spread = float(np.std(self.cosine_distance, ddof=1)) / math.sqrt(count) if count > 1 else math.nan
        return {
            "cosine_mean": float(np.mean(self.cosine, dtype=np.float64)),
            "cosine_p5": float(np.percentile(self.cosine, _LOW_PERCENTILE)),
            "cosine_distance": float(np.mean(self.cosine_distance, dtype=np.float64)),
            "cosine_standard_error": spread,
            "relative_error": float(np.mean(self.relative_error, dtype=np.float64)),
        }

    def baseline(self) -> dict[str, Any]:
        """How many samples there are: the digital embedding is what the others are compared with."""
        return {"samples": int(self.cosine.size)}

    def by_part(self) -> list[dict[str, Any]]:
        """One row per sample."""
        return [
            {"sample": index, "cosine": float(cosine), "relative_error": float(error)}
            for index, (cosine, error) in enumerate(zip(self.cosine, self.relative_error, strict=True))
        ]


@dataclasses.dataclass(frozen=True)
class ClassScores:
    """Scores of one setting on all samples, arrays (samples,), and those of the digital model.

    Loss is that of the right class, divergence that of the digital distribution over the classes.
    """

    nll_nats: np.ndarray
    kl_nats: np.ndarray
    agrees: np.ndarray
    predicted: np.ndarray
    right: np.ndarray
    digital_nll_nats: np.ndarray
    digital_predicted: np.ndarray
    digital_right: np.ndarray

    def summary(self) -> dict[str, Any]:
        """Means over samples, as those of a text over its tokens, and the share of right answers.

            accuracy = share of samples whose likeliest class is the right one
            its standard error = std(right - right of the digital model) / sqrt(samples)

        The error is paired: the samples are the same, so their own spread cancels.
        """
        paired = self.right.astype(float) - self.digital_right
        spread = float(np.std(paired, ddof=1)) / math.sqrt(paired.size) if paired.size > 1 else math.nan
        losses = self._losses().summary()
        del losses["perplexity"]  # of a word, not of a class
        return {
            "accuracy": float(np.mean(self.right)),
            "digital_accuracy": float(np.mean(self.digital_right)),
            "accuracy_change": float(np.mean(paired)),
            "accuracy_standard_error": spread,
            **losses,
        }

    def baseline(self) -> dict[str, Any]:
        """The digital model on the same samples, and how many there are."""
        return {
            "accuracy": float(np.mean(self.digital_right)),
            "loss_nats": float(np.mean(self.digital_nll_nats, dtype=np.float64)),
            "samples": int(self.right.size),
        }

    def by_part(self) -> list[dict[str, Any]]:
        """One row per sample; classes by index."""
        return [
            {
                "sample": index,
                "predicted": int(self.predicted[index]),
                "digital_predicted": int(self.digital_predicted[index]),
                "right": bool(self.right[index]),
                "digital_right": bool(self.digital_right[index]),
                "loss_nats": float(self.nll_nats[index]),
                "kl_nats": float(self.kl_nats[index]),
            }
            for index in range(self.right.size)
        ]

    def _losses(self) -> Evaluation:
        scores = (self.nll_nats, self.kl_nats, self.agrees, self.digital_nll_nats)
        return Evaluation(*(score[:, None] for score in scores))
