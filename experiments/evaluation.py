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
from experiments.devices import Devices
from experiments.errors import RequestError
from experiments.measures import Measure
from photonics.draws import stream
from photonics.layers import calibrate, load_panels, measure, opticalize, refabricate, reseed, set_engine

if TYPE_CHECKING:
    from photonics.engine import Engine
    from photonics.work import Work

BATCH_WINDOWS = 8
"""Windows in one call: bounds memory, as the digital distribution of a batch is kept (200 MB for SmolLM2)."""

# Keys of windows fold in their number; no text has so many.
_FABRICATION = 0x4D414348

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

    def on(self, devices: Devices) -> "Batch":
        """The same windows cut along the batch axis over devices; `first` stays whole."""
        inputs, labels = devices.spread((self.inputs, self.labels))
        return dataclasses.replace(self, inputs=inputs, labels=labels)

    def repeated(self, count: int) -> "Batch":
        """All rows `count` times, one copy behind the other."""
        inputs, labels = side_by_side((self.inputs, self.labels), count)
        return dataclasses.replace(self, inputs=inputs, labels=labels)


class Task(Protocol):
    """What a model is asked, about what, and how an answer through light is judged against the digital one.

    Attributes:
        measure: the quantity in which they are compared; `score` gives an array of its name.
        table: name of the table with a row per window or sample.
        batches: everything that is measured.
        calibration: arguments of the model that set the converter ranges; none of it is measured.
        rows: windows or samples in one call at most; bounds memory.
        tokens: vectors that go through the layers for everything that is measured; energies are per token.
        samples: how many texts or images those are, where the answer is about the whole of each.
    """

    measure: Measure
    table: str
    batches: Sequence[Batch]
    calibration: tuple[Array, ...]
    rows: int
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


def side_by_side(tree: Any, count: int) -> Any:
    """Arrays (batch, ...) of a pytree as (count * batch, ...), one copy behind the other."""
    return tree if count == 1 else jax.tree.map(lambda array: jnp.concatenate([array] * count), tree)


def joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Arrays of the same names, one behind the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@dataclasses.dataclass(frozen=True)
class DigitalModel:
    """The model with exact products: the baseline, and the weights that every optical copy shares."""

    graph: nnx.GraphDef
    state: nnx.State

    @classmethod
    def of(cls, model: nnx.Module, devices: Devices | None = None) -> "DigitalModel":
        """From a loaded model; shares its arrays, or copies them to several devices."""
        graph, state = nnx.split(model)
        return cls(graph, state if devices is None else devices.on_all(state))

    def copy(self) -> nnx.Module:
        """A new module around the same arrays; what is set in it is not set here."""
        return _fresh(self.graph, self.state)


@dataclasses.dataclass(frozen=True)
class Products:
    """Which products go to light, by patterns on their names.

    Attributes:
        digital: weight products that stay digital; all others go to light.
        dynamic: products of data with data that go to light; all others stay digital.
    """

    digital: tuple[str, ...] = ()
    dynamic: tuple[str, ...] = ()


def optical_copy(
    digital: DigitalModel,
    engine: "Engine",
    products: Products,
    calibration: Array | tuple[Array, ...],
    seed: int,
    call: Callable[..., Any] | None = None,
) -> nnx.Module:
    """A copy of the digital model under light: engine in every layer but those that patterns keep digital.

    Converter ranges come from the calibration sample (see `calibrate_ranges` for `call`); weights are not on their
    panels yet. RequestError for patterns that match nothing or leave nothing to compute with light.
    """
    model = _without_ranges(digital, engine, products, seed)
    calibrate_ranges(model, *(calibration if isinstance(calibration, tuple) else (calibration,)), call=call)
    return model


def _without_ranges(digital: DigitalModel, engine: "Engine", products: Products, seed: int = 0) -> nnx.Module:
    model = digital.copy()
    rules = [(pattern, None) for pattern in products.digital] + [(r".*", engine)]
    dynamic = [(pattern, engine) for pattern in products.dynamic]
    try:
        report = opticalize(model, engine, rules=rules, dynamic=dynamic, rngs=nnx.Rngs(noise=seed))
    except ValueError as error:
        options = [f"--{name}" for name in ("digital", "dynamic") if getattr(products, name)]
        raise RequestError(f"{' and '.join(options)}: {error}" if options else str(error)) from error
    if not report.replaced:
        raise RequestError("--digital names every layer, so that nothing is left to compute with light")
    return model


class OpticalModel:
    """A copy of the digital model whose matrix products go through an engine, with ranges set from a sample.

    Changing physical values (`use`), ranges (`set_ranges`) or the fabricated engine (`fabricate`) does not compile
    again; changing bits or switches does.
    """

    def __init__(
        self,
        digital: DigitalModel,
        engine: "Engine",
        products: Products,
        task: Task,
        seed: int,
        devices: Devices | None = None,
    ) -> None:
        self._task, self._seed, self._devices = task, seed, devices or Devices.chosen(1)
        # Without itself in it: who compiles a function keeps what it refers to, and this holds all panels.
        self._sample_call = lambda model: task.call(model, *task.calibration)
        self._window_calls: dict[tuple[int, ...], Callable[[Any], Array]] = {}
        self._bare = nnx.split(_without_ranges(digital, engine, products))
        self.set_ranges(engine)

    def set_ranges(self, engine: "Engine") -> None:
        """Range the converters anew for an engine of the same structure, and go back to the engine first fabricated.

        Panels have to be loaded after it.
        """
        self._model = _fresh(*self._bare)
        set_engine(self._model, engine)
        calibrate(self._model, self._sample_call)
        self._ranged = nnx.split(self._model)
        self._model = _fresh(*self._ranged)

    def fabricate(self, instance: int) -> None:
        """Go on with another fabricated engine, number 0 the first; ranges stay. Panels have to be loaded after it."""
        self._model = _fresh(*self._ranged)
        if instance:
            refabricate(self._model, machine_key(instance))

    def use(self, engine: "Engine", *, panels_changed: bool) -> None:
        """Continue with other values of the same structure; encode the weights anew where those reach the panels."""
        set_engine(self._model, engine)
        if panels_changed:
            load_panels(self._model)

    def score(self, batch: Batch, reference: Array) -> dict[str, np.ndarray]:
        """The scores of the task for the windows or samples that count, (windows, ...) each."""
        return self.score_seeds(batch, reference, (self._seed,))[0]

    def score_seeds(self, batch: Batch, reference: Array, seeds: Sequence[int]) -> list[dict[str, np.ndarray]]:
        """As `score`, for several seeds in one call; batch and reference as many times side by side."""
        rows = batch.inputs[0].shape[0] // len(seeds)
        self._reseed(batch.windows, rows, seeds)
        graph, state = self.split()
        scores = {name: np.asarray(a) for name, a in self._task.score(graph, state, batch, reference).items()}
        count = len(batch.windows)
        return [
            {name: array[number * rows : number * rows + count] for name, array in scores.items()}
            for number in range(len(seeds))
        ]

    def split(self) -> tuple[nnx.GraphDef, nnx.State]:
        """The model as it stands: graph, and state with panels and the keys of the last batch."""
        return nnx.split(self._model)

    def measure_layers(self, batch: Batch) -> dict[str, np.ndarray]:
        """Per optical layer, on the first window or sample, what LAYER_KEYS name."""
        self._reseed(batch.windows[:1], 1, (self._seed,), spread=False)
        # The same function object for the same windows, so that it is compiled once for all powers.
        if batch.windows not in self._window_calls:
            call, first = self._task.call, batch.first
            self._window_calls[batch.windows] = lambda model: call(model, *first)
        records = measure(self._model, self._window_calls[batch.windows])
        return {
            "layer": np.array([record.name for record in records]),
            "snr_db": np.array([record.snr_db for record in records]),
            "electrons_per_mac": np.array([record.electrons_per_mac for record in records]),
            "macs": np.array([float(record.macs) for record in records]),
        }

    def _reseed(self, windows: Sequence[int], size: int, seeds: Sequence[int], *, spread: bool = True) -> None:
        # One key per window, whatever batch it is in; the same at every power and setting.
        indices = jnp.asarray([*windows, *[windows[0]] * (size - len(windows))])
        keys = jnp.concatenate([window_keys(seed, indices) for seed in seeds])
        reseed(self._model, self._devices.spread(keys) if spread else keys)


def _fresh(graph: nnx.GraphDef, state: nnx.State) -> nnx.Module:
    """A module around the same arrays in Variables of its own: what is set in one is not set in the other."""
    return nnx.merge(graph, jax.tree.map(lambda leaf: leaf, state))


def machine_key(instance: int) -> Array:
    """Key from which the fabricated engine of a number above 0 is drawn."""
    return stream(jax.random.key(0), _FABRICATION, instance)


def window_keys(seed: int, windows: Array) -> Array:
    """Noise keys of windows by their numbers, the same whatever batch a window is in."""
    return jax.vmap(functools.partial(jax.random.fold_in, jax.random.key(seed)))(windows)
