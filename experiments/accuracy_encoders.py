"""The tasks of an encoder: to turn a text or an image into a vector, or to tell its class (see `evaluation.Task`)."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from experiments.accuracy_encoders_results import ClassScores, EmbeddingScores
from experiments.evaluation import Batch, DigitalModel, grouped
from experiments.measures import COSINE, KL_OF_CLASSES
from experiments.model_source import loaded
from photonics import count_contractions
from photonics.work import Work

if TYPE_CHECKING:
    from experiments.samples import Samples
    from models.encoder.checkpoint import StoredEncoder

Call = Callable[..., Array]


@dataclasses.dataclass(frozen=True)
class SampleBatches(Sequence[Batch]):
    """The samples in batches, each made when it is asked for: images need not all be in memory."""

    data: "Samples"

    def __len__(self) -> int:
        return len(self._groups())

    def __getitem__(self, index: Any) -> Any:
        """The batch of this number."""
        padded, indices = self._groups()[index]
        data = self.data
        labels = None if data.labels is None else jnp.asarray([data.labels[number] for number in padded], jnp.int32)
        return Batch(_arrays(data.inputs(padded)), indices, _arrays(data.alone(padded[0])), labels)

    def _groups(self) -> list[tuple[list[int], tuple[int, ...]]]:
        return grouped(len(self.data.tokens), self.data.batch)


class _EncoderTask:
    """What both tasks have in common: samples, the model, its work."""

    table = "samples"

    def __init__(self, stored: "StoredEncoder", data: "Samples", call: Call, *, head: bool) -> None:
        self._stored, self._data, self._call, self._head = stored, data, call, head
        self.batches: Sequence[Batch] = SampleBatches(data)
        self.calibration = _arrays(data.calibration_inputs())
        self.rows = data.batch
        self.tokens = sum(data.tokens)
        self.samples: int | None = len(data.tokens)

    def load(self) -> nnx.Module:
        """The model in the folder, without a classifier that the task does not use."""
        if self._stored.tokenizer is None:
            from models.vision.load import load_vision

            return loaded(lambda: load_vision(self._stored, head=self._head)).model
        from models.encoder.load import load_encoder

        return loaded(lambda: load_encoder(self._stored, head=self._head)).model

    def work(self, model: nnx.Module) -> Work:
        """All samples, each at its own length: padding is an artefact of the simulation."""
        works = []
        for tokens, count in sorted(Counter(self._data.tokens).items()):
            example = self._data.alone(self._data.tokens.index(tokens))
            shapes = [jax.ShapeDtypeStruct((count, *array.shape[1:]), array.dtype) for array in example]
            works.append(count_contractions(self._call, model, *shapes))
        return merged(works)

    def call(self, model: Any, *inputs: Array) -> Array:
        """The model's answer, (batch, ...)."""
        return self._call(model, *inputs)


class Embedding(_EncoderTask):
    """How near the optical embedding of each sample is to the digital one."""

    measure = COSINE

    def __init__(self, stored: "StoredEncoder", data: "Samples") -> None:
        super().__init__(stored, data, _embed, head=False)

    def reference(self, digital: DigitalModel, batch: Batch) -> Array:
        """Digital embeddings (batch, width)."""
        return _embeddings(digital.graph, digital.state, batch.inputs)

    def baseline(self, batch: Batch, reference: Array) -> dict[str, Array]:
        """`length` of each digital embedding, (batch,)."""
        del batch
        return {"length": jnp.linalg.norm(reference, axis=-1)}

    def score(self, graph: nnx.GraphDef, state: nnx.State, batch: Batch, reference: Array) -> dict[str, Array]:
        """Per sample, (batch,): the fields of `EmbeddingScores`."""
        return compare_vectors(reference, _embeddings(graph, state, batch.inputs))

    def judge(self, scores: dict[str, np.ndarray], baseline: dict[str, np.ndarray]) -> EmbeddingScores:
        """Cosines and errors of all samples."""
        del baseline
        return EmbeddingScores(**scores)


class Classification(_EncoderTask):
    """How often the optical model tells the right class, and how often that of the digital one."""

    measure = KL_OF_CLASSES

    def __init__(self, stored: "StoredEncoder", data: "Samples") -> None:
        super().__init__(stored, data, _classify, head=True)

    def reference(self, digital: DigitalModel, batch: Batch) -> Array:
        """Digital log p (batch, classes)."""
        return _log_probabilities(digital.graph, digital.state, batch.inputs)

    def baseline(self, batch: Batch, reference: Array) -> dict[str, Array]:
        """Of each sample, (batch,): `nll_nats` of the right class, the class `predicted`, whether it is `right`."""
        return _answers(reference, _right(batch))

    def score(self, graph: nnx.GraphDef, state: nnx.State, batch: Batch, reference: Array) -> dict[str, Array]:
        """Per sample, (batch,): as `baseline`, and `kl_nats` from digital log p, `agrees` with its likeliest class."""
        log_q = _log_probabilities(graph, state, batch.inputs)
        return compare_classes(reference, log_q) | _answers(log_q, _right(batch))

    def judge(self, scores: dict[str, np.ndarray], baseline: dict[str, np.ndarray]) -> ClassScores:
        """Answers of all samples beside the digital ones."""
        return ClassScores(**scores, **{f"digital_{name}": value for name, value in baseline.items()})


def merged(works: Iterable[Work]) -> Work:
    """Several pieces of work of one model as one: a weight shown vectors in each of them is the same weight.

    A sum of the pieces would count its panels once for each. Products without weights are kept as they are.
    """
    weights: dict[Any, Any] = {}
    others, notes = [], []
    for work in works:
        notes += work.notes
        for contraction in work:
            if not contraction.weights:
                others.append(contraction)
                continue
            key = dataclasses.replace(contraction, m=0)
            before = weights.get(key, key)
            weights[key] = dataclasses.replace(contraction, m=before.m + contraction.m)
    return Work((*weights.values(), *others), tuple(dict.fromkeys(notes)))


@jax.jit
def compare_vectors(digital: Array, optical: Array) -> dict[str, Array]:
    """Cosine, its distance from 1 and the relative error of vectors (batch, width), each (batch,).

    The distance is half the squared distance of the unit vectors: 1 - cosine would keep no digits of a small one.
    """
    length = jnp.linalg.norm(digital, axis=-1)
    unit = optical / jnp.linalg.norm(optical, axis=-1, keepdims=True)
    distance = 0.5 * jnp.sum(jnp.square(digital / length[:, None] - unit), axis=-1)
    error = jnp.linalg.norm(optical - digital, axis=-1) / length
    return {"cosine": 1.0 - distance, "cosine_distance": distance, "relative_error": error}


@jax.jit
def compare_classes(log_p: Array, log_q: Array) -> dict[str, Array]:
    """Divergence of q from p and whether they have the same likeliest class; log p, log q (batch, classes)."""
    return {
        "kl_nats": jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1),
        "agrees": jnp.argmax(log_p, axis=-1) == jnp.argmax(log_q, axis=-1),
    }


@jax.jit
def _answers(log_p: Array, right: Array) -> dict[str, Array]:
    predicted = jnp.argmax(log_p, axis=-1)
    nll_nats = -jnp.take_along_axis(log_p, right[:, None], axis=-1)[:, 0]
    return {"nll_nats": nll_nats, "predicted": predicted, "right": predicted == right}


@functools.partial(jax.jit, static_argnums=0)
def _embeddings(graph: nnx.GraphDef, state: nnx.State, inputs: tuple[Array, ...]) -> Array:
    return _embed(nnx.merge(graph, state), *inputs)


@functools.partial(jax.jit, static_argnums=0)
def _log_probabilities(graph: nnx.GraphDef, state: nnx.State, inputs: tuple[Array, ...]) -> Array:
    return jax.nn.log_softmax(_classify(nnx.merge(graph, state), *inputs))


def _embed(model: Any, *inputs: Array) -> Array:
    return model.embed(*inputs)


def _classify(model: Any, *inputs: Array) -> Array:
    return model.classify(*inputs)


def _right(batch: Batch) -> Array:
    assert batch.labels is not None, "a classification is asked for with labels only"
    return batch.labels


def _arrays(arrays: Iterable[np.ndarray]) -> tuple[Array, ...]:
    return tuple(map(jnp.asarray, arrays))
