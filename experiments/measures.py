"""By which quantity the answers of the optical and the digital model are compared, for each task; plain data."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

TaskName = Literal["perplexity", "embed", "classify"]


@dataclasses.dataclass(frozen=True)
class Measure:
    """How far optical answers are from digital ones: 0 where they are the same, falling with light.

    Attributes:
        key: its name in `result.json` and in the tables.
        name: its name in a sentence.
        unit: what stands behind a number of it, "" for a ratio.
        targets: values for which the least light is sought: hardly to tell from digital, good, usable.
        compared: values at which rotation is compared; wherever both settings arrive, however poor the weaker is.
        title: heading of its figure.
        axis: words at its axis.
    """

    key: str
    name: str
    unit: str
    targets: tuple[float, ...]
    compared: tuple[float, ...]
    title: str
    axis: str

    def words(self, value: float) -> str:
        """A value with its unit."""
        return f"{value:g} {self.unit}".strip()


_KL_TARGETS_NATS = (0.02, 0.05, 0.1)
_KL_TITLE = "Divergence from the digital model's predictions"
_COSINE_TARGETS = (0.001, 0.01, 0.05)

KL_OF_TOKENS = Measure(
    key="kl_nats",
    name="KL",
    unit="nats",
    targets=_KL_TARGETS_NATS,
    compared=(*_KL_TARGETS_NATS, 0.2, 0.5, 1.0, 2.0),
    title=_KL_TITLE,
    axis="KL divergence (nats per token)",
)
KL_OF_CLASSES = dataclasses.replace(KL_OF_TOKENS, axis="KL divergence (nats per sample)")
COSINE = Measure(
    key="cosine_distance",
    name="cosine distance",
    unit="",
    targets=_COSINE_TARGETS,
    compared=(*_COSINE_TARGETS, 0.1, 0.2, 0.5),
    title="Distance from the digital model's embeddings",
    axis="1 - cosine, mean over samples",
)

MEASURES: dict[str, Measure] = {"perplexity": KL_OF_TOKENS, "embed": COSINE, "classify": KL_OF_CLASSES}
"""The measure of each task."""


def token_name(document: Mapping[str, Any]) -> str:
    """What one vector that goes through the layers is called, from a run's configuration or its result."""
    return document.get("data", {}).get("token", "token")
