"""How good a model is through light, on held-out text: every noise seed on every fabricated engine at every power."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from calibration.light_allocation import PerLayer, install, scaled
from experiments.accuracy_results import losses
from experiments.errors import Stopped
from experiments.evaluation import DigitalModel, joined, machine_key, window_keys
from photonics.layers import load_panels, refabricate, reseed, set_engine

if TYPE_CHECKING:
    from experiments.finetune_signals import Finishing
    from experiments.language_task import LanguageModelling
    from experiments.progress import Progress
    from experiments.runs import PointStore
    from photonics.engine import Engine

FACTORS = (1.0, 0.5, 0.25)
"""Laser powers at which a model is judged, over that of the training."""

# What is told of each power, as mean and spread over seeds and machines.
MEASURES = ("loss_nats", "perplexity", "kl_nats", "top1_agreement")


@dataclasses.dataclass
class Judge:
    """Compares models with the original digital model, on the same windows and with the same noise.

    Attributes:
        task: the held-out text.
        original: the digital model that all divergences are from.
        engine: the machine, at the laser power of the training.
        seeds: noise seeds.
        machines: fabricated engines; the first is the engine as it is, none of them is one that a training draws.
        store: where finished points go.
    """

    task: "LanguageModelling"
    original: DigitalModel
    engine: "Engine"
    seeds: int
    machines: int
    store: "PointStore"

    def __post_init__(self) -> None:
        self._references: list[Any] = []

    @property
    def powers_w(self) -> list[float]:
        """Laser powers at which models are judged, the highest first [W]."""
        power_w = float(self.engine.operating_point.laser_power_w)
        return [power_w * factor for factor in FACTORS]

    @property
    def points(self) -> int:
        """Points of one model."""
        return len(FACTORS) * self.seeds * self.machines

    def digital(self, model: nnx.Module) -> dict[str, Any]:
        """Loss, perplexity, divergence from the original and agreement with it of a model with exact products."""
        graph, state = nnx.split(model)
        parts = [self._scores(graph, state, index) for index in range(len(self.task.batches))]
        return _row(joined(parts))

    def optical(
        self,
        name: str,
        model: nnx.Module,
        progress: "Progress",
        finishing: "Finishing",
        light: PerLayer | None = None,
    ) -> list[dict[str, Any]]:
        """One row per laser power of an optical model that has its ranges: means and spreads, and all runs.

        `light` are laser powers of the layers at the laser power of the training; at others they are in proportion.
        Finished points are read from the store; Stopped where a signal asks for it.
        """
        runs: dict[float, list[dict[str, Any]]] = {power_w: [] for power_w in self.powers_w}
        bare = nnx.split(model)
        for machine in range(self.machines):
            # Variables of its own, so that no machine inherits from the one before.
            current = nnx.merge(*bare, copy=True)
            if machine:
                refabricate(current, machine_key(machine))
            loaded = False
            for power_w, seed, label in self._labels(name, machine):
                held = self.store.load(label)
                if held is None:
                    if finishing.requested is not None:
                        raise Stopped("stopped while the model was judged", status=finishing.status)
                    if not loaded:
                        load_panels(current)
                        loaded = True
                    set_engine(current, self.engine.at(laser_power_w=power_w))
                    if light is not None:
                        install(current, scaled(light, power_w / self.powers_w[0]))
                    held = self._noisy(current, seed)
                    self.store.save(label, held)
                row = {"machine": machine, "seed": seed, **_row(held)}
                runs[power_w].append(row)
                progress.step(
                    f"{name}, {power_w * 1e3:.4g} mW, machine {machine}, seed {seed}: KL {row['kl_nats']:.4g} nats"
                )
        return [_summary(power_w, factor, rows) for (power_w, rows), factor in zip(runs.items(), FACTORS, strict=True)]

    def _labels(self, name: str, machine: int) -> Iterator[tuple[float, int, str]]:
        for power_w in self.powers_w:
            for seed in range(self.seeds):
                yield power_w, seed, f"{name}_machine-{machine}_power-{power_w!r}_seed-{seed}"

    def _noisy(self, model: nnx.Module, seed: int) -> dict[str, np.ndarray]:
        parts = []
        for index, batch in enumerate(self.task.batches):
            rows = batch.tokens.shape[0]
            numbers = jnp.asarray([*batch.windows, *[batch.windows[0]] * (rows - len(batch.windows))])
            reseed(model, window_keys(seed, numbers))
            parts.append(self._scores(*nnx.split(model), index))
        return joined(parts)

    def _scores(self, graph: nnx.GraphDef, state: nnx.State, index: int) -> dict[str, np.ndarray]:
        batch = self.task.batches[index]
        scores = self.task.score(graph, state, batch, self._reference(index))
        return {key: np.asarray(value)[: len(batch.windows)] for key, value in scores.items()}

    def _reference(self, index: int) -> Any:
        while len(self._references) <= index:
            batch = self.task.batches[len(self._references)]
            self._references.append(self.task.reference(self.original, batch))
        return self._references[index]


def _row(scores: dict[str, np.ndarray]) -> dict[str, Any]:
    return {
        **losses(scores["nll_nats"]),
        "kl_nats": float(np.mean(scores["kl_nats"], dtype=np.float64)),
        "top1_agreement": float(np.mean(scores["agrees"])),
    }


def _summary(power_w: float, factor: float, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean and sample standard deviation of every measure over runs; None where one run has none."""
    told: dict[str, Any] = {"laser_power_w": power_w, "laser_power_factor": factor}
    for key in MEASURES:
        values = [row[key] for row in rows]
        whole = all(value is not None for value in values)
        told[key] = float(np.mean(values)) if whole else None
        told[f"{key}_spread"] = float(np.std(values, ddof=1)) if whole and len(values) > 1 else None
    return told | {"runs": list(rows)}
