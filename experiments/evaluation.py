"""One model scored against its digital self, whatever it is asked: batches, the baseline, the copy under light."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from calibration.ranges import calibrate_ranges
from experiments.accuracy_results import Judged
from experiments.errors import RequestError
from experiments.measures import Measure
from photonics.layers import load_panels, measure, opticalize, reseed, set_engine

if TYPE_CHECKING:
    from photonics.engine import Engine
    from photonics.work import Work

BATCH_WINDOWS = 8
"""Windows in one call: bounds memory, as the digital distribution of a batch is kept (200 MB for SmolLM2)."""

LAYER_KEYS = ("layer", "snr_db", "electrons_per_mac", "macs")
"""What `OpticalModel.measure_layers` finds out about each layer."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """Windows of text, or samples, that are evaluated together.

    Attributes:
        inputs: arguments of the model, each (batch, ...); a last batch that is not full repeats its first window to
            keep the shape.
        windows: indices of the windows or samples that count.
        first: the same arguments for the first window alone, without any padding.
        labels: (batch,) what is right, where something is.
    """

    inputs: tuple[Array, ...]
    windows: tuple[int, ...]
    first: tuple[Array, ...]
    labels: Array | None = None

    @property
    def tokens(self) -> Array:
        """Token ids (batch, time) of a model that reads text."""
        return self.inputs[0]


class Task(Protocol):
    """What a model is asked, about what, and how an answer through light is judged against the digital one.

    Attributes:
        measure: the quantity in which they are compared; `score` gives an array of its name.
        table: name of the table with a row per window or sample.
        batches: everything that is measured.
        calibration: arguments of the model that set the converter ranges; none of it is measured.
        tokens: vectors that go through the layers for everything that is measured; energies are per token.
        samples: how many texts or images those are, where the answer is about the whole of each.
    """

    measure: Measure
    table: str
    batches: Sequence[Batch]
    calibration: tuple[Array, ...]
    tokens: int
    samples: int | None

    def load(self) -> nnx.Module:
        """The digital model."""
        ...

    def work(self, model: nnx.Module) -> "Work":
        """The products of everything that is measured."""
        ...

    def call(self, model: Any, *inputs: Array) -> Array:
        """The model's answer, (batch, ...)."""
        ...

    def reference(self, digital: "DigitalModel", batch: Batch) -> Array:
        """What optical answers are compared with."""
        ...

    def baseline(self, batch: Batch, reference: Array) -> dict[str, Array]:
        """Scores of the digital model itself, (batch, ...) each."""
        ...

    def score(self, graph: nnx.GraphDef, state: nnx.State, batch: Batch, reference: Array) -> dict[str, Array]:
        """Scores of the model split into graph and state, (batch, ...) each."""
        ...

    def judge(self, scores: dict[str, np.ndarray], baseline: dict[str, np.ndarray]) -> Judged:
        """From the scores of all batches to what is reported."""
        ...


def grouped(count: int, size: int) -> list[tuple[list[int], tuple[int, ...]]]:
    """Indices up to `count` in groups of `size`, the last filled up with its first; beside each those that count."""
    size = min(size, count)
    groups = []
    for start in range(0, count, size):
        indices = tuple(range(start, min(start + size, count)))
        groups.append(([*indices, *[start] * (size - len(indices))], indices))
    return groups


def batches(token_ids: Sequence[int], context: int) -> list[Batch]:
    """Consecutive windows of `context` tokens in batches of at most BATCH_WINDOWS; an unfilled rest is left."""
    count = len(token_ids) // context
    windows = np.asarray(token_ids[: count * context], np.int32).reshape(count, context)
    return [
        Batch((jnp.asarray(windows[padded]),), indices, (jnp.asarray(windows[padded[:1]]),))
        for padded, indices in grouped(count, BATCH_WINDOWS)
    ]


@dataclasses.dataclass(frozen=True)
class DigitalModel:
    """The model with exact products: the baseline, and the weights that every optical copy shares."""

    graph: nnx.GraphDef
    state: nnx.State

    @classmethod
    def of(cls, model: nnx.Module) -> "DigitalModel":
        """From a loaded model; shares its arrays."""
        return cls(*nnx.split(model))

    def copy(self) -> nnx.Module:
        """A new module around the same arrays."""
        return nnx.merge(self.graph, self.state)


def optical_copy(
    digital: DigitalModel,
    engine: "Engine",
    keep_digital: Sequence[str],
    calibration: Array | tuple[Array, ...],
    seed: int,
    call: Callable[..., Any] | None = None,
) -> nnx.Module:
    """A copy of the digital model under light: engine in every layer but those that patterns keep digital.

    Converter ranges come from the calibration sample (see `calibrate_ranges` for `call`); weights are not on their
    panels yet. RequestError for patterns that match nothing or leave nothing to compute with light.
    """
    model = digital.copy()
    rules = [(pattern, None) for pattern in keep_digital] + [(r".*", engine)]
    try:
        report = opticalize(model, engine, rules=rules, rngs=nnx.Rngs(noise=seed))
    except ValueError as error:
        raise RequestError(f"--digital: {error}" if keep_digital else str(error)) from error
    if not report.replaced:
        raise RequestError("--digital names every layer, so that nothing is left to compute with light")
    calibrate_ranges(model, *(calibration if isinstance(calibration, tuple) else (calibration,)), call=call)
    return model


class OpticalModel:
    """A copy of the digital model whose matrix products go through an engine, with ranges set from a sample.

    Changing physical values (`use`) does not compile again; changing bits or switches does.
    """

    def __init__(
        self, digital: DigitalModel, engine: "Engine", keep_digital: Sequence[str], task: Task, seed: int
    ) -> None:
        self._model = optical_copy(digital, engine, keep_digital, task.calibration, seed, task.call)
        self._task, self._seed = task, seed
        self._runs: dict[tuple[int, ...], Callable[[Any], Array]] = {}

    def use(self, engine: "Engine", *, panels_changed: bool) -> None:
        """Continue with other values of the same structure; encode the weights anew where those reach the panels."""
        set_engine(self._model, engine)
        if panels_changed:
            load_panels(self._model)

    def score(self, batch: Batch, reference: Array) -> dict[str, np.ndarray]:
        """The scores of the task for the windows or samples that count, (windows, ...) each."""
        self._reseed(batch.windows, batch.inputs[0].shape[0])
        graph, state = nnx.split(self._model)
        scores = self._task.score(graph, state, batch, reference)
        return {name: np.asarray(value)[: len(batch.windows)] for name, value in scores.items()}

    def measure_layers(self, batch: Batch) -> dict[str, np.ndarray]:
        """Per optical layer, on the first window or sample, what LAYER_KEYS name."""
        self._reseed(batch.windows[:1], 1)
        # The same function object for the same windows, so that it is compiled once for all powers.
        run = self._runs.setdefault(batch.windows, lambda model: self._task.call(model, *batch.first))
        records = measure(self._model, run)
        return {
            "layer": np.array([record.name for record in records]),
            "snr_db": np.array([record.snr_db for record in records]),
            "electrons_per_mac": np.array([record.electrons_per_mac for record in records]),
            "macs": np.array([float(record.macs) for record in records]),
        }

    def _reseed(self, windows: Sequence[int], size: int) -> None:
        # One key per window, whatever batch it is in; the same at every power and setting.
        indices = jnp.asarray([*windows, *[windows[0]] * (size - len(windows))])
        reseed(self._model, jax.vmap(functools.partial(jax.random.fold_in, jax.random.key(self._seed)))(indices))
