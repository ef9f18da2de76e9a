"""The task of a language model: to predict each next token of a text."""

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from experiments.accuracy_results import Evaluation
from experiments.evaluation import BATCH_WINDOWS, Batch, DigitalModel, batches
from experiments.measures import KL_OF_TOKENS
from experiments.model_source import loaded
from models.transformer.load import load_model
from photonics import count_contractions

if TYPE_CHECKING:
    from experiments.text import Sample
    from models.transformer.checkpoint import Checkpoint
    from photonics.work import Work


class LanguageModelling:
    """Loss, divergence and agreement of every predicted token of a text (see `evaluation.Task`)."""

    measure = KL_OF_TOKENS
    table = "windows"
    rows = BATCH_WINDOWS
    samples: int | None = None

    def __init__(self, checkpoint: "Checkpoint", sample: "Sample", context: int) -> None:
        self._checkpoint = checkpoint
        self.batches: Sequence[Batch] = batches(sample.measured, context)
        self.calibration = (jnp.asarray([sample.calibration], jnp.int32),)
        self._shape = jax.ShapeDtypeStruct((len(sample.measured) // context, context), jnp.int32)
        self.tokens = self._shape.size

    def load(self) -> nnx.Module:
        """The model that the checkpoint describes."""
        return loaded(lambda: load_model(self._checkpoint)).model

    def work(self, model: nnx.Module) -> "Work":
        """All windows in one call."""
        return count_contractions(model, self._shape)

    def call(self, model: Any, *inputs: Array) -> Array:
        """Logits (batch, time, vocabulary)."""
        return model(*inputs)

    def reference(self, digital: DigitalModel, batch: Batch) -> Array:
        """log p (batch, time - 1, vocabulary) of the next token at every position that has one."""
        return _log_probabilities(digital.graph, digital.state, batch.tokens)

    def baseline(self, batch: Batch, reference: Array) -> dict[str, Array]:
        """`nll_nats`, the loss of each token, (batch, time - 1)."""
        return {"nll_nats": _chosen(reference, batch.tokens)}

    def score(self, graph: nnx.GraphDef, state: nnx.State, batch: Batch, reference: Array) -> dict[str, Array]:
        """Per token, (batch, time - 1): `nll_nats`, `kl_nats` from digital log p, `agrees` (top 1)."""
        return _score(graph, state, batch.tokens, reference)

    def judge(self, scores: dict[str, np.ndarray], baseline: dict[str, np.ndarray]) -> Evaluation:
        """Losses, divergences and agreements of all tokens."""
        return Evaluation(**scores, digital_nll_nats=baseline["nll_nats"])


@functools.partial(jax.jit, static_argnums=0)
def _log_probabilities(graph: nnx.GraphDef, state: nnx.State, tokens: Array) -> Array:
    return jax.nn.log_softmax(nnx.merge(graph, state)(tokens)[:, :-1])


@functools.partial(jax.jit, static_argnums=0)
def _score(graph: nnx.GraphDef, state: nnx.State, tokens: Array, log_p: Array) -> dict[str, Array]:
    log_q = jax.nn.log_softmax(nnx.merge(graph, state)(tokens)[:, :-1])
    return {
        "nll_nats": _chosen(log_q, tokens),
        "kl_nats": jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1),
        "agrees": jnp.argmax(log_p, axis=-1) == jnp.argmax(log_q, axis=-1),
    }


@jax.jit
def _chosen(log_p: Array, tokens: Array) -> Array:
    return -jnp.take_along_axis(log_p, tokens[:, 1:, None], axis=-1)[..., 0]
