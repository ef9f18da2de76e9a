"""One model scored against its digital self: loss, divergence and agreement of every predicted token."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from calibration.ranges import calibrate_ranges
from experiments.errors import RequestError
from photonics.layers import load_panels, measure, opticalize, reseed, set_engine

if TYPE_CHECKING:
    from photonics.engine import Engine

BATCH_WINDOWS = 8
"""Windows in one call: bounds memory, as the digital distribution of a batch is kept (200 MB for SmolLM2)."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """Windows that are evaluated together.

    Attributes:
        tokens: (batch, time) token ids; a last batch that is not full repeats its first window to keep the shape.
        windows: indices of the windows that count.
    """

    tokens: Array
    windows: tuple[int, ...]


def batches(token_ids: Sequence[int], context: int) -> list[Batch]:
    """Consecutive windows of `context` tokens in batches of at most BATCH_WINDOWS; an unfilled rest is left."""
    count = len(token_ids) // context
    windows = np.asarray(token_ids[: count * context], np.int32).reshape(count, context)
    size = min(BATCH_WINDOWS, count)
    result = []
    for start in range(0, count, size):
        indices = range(start, min(start + size, count))
        padded = [*indices, *[start] * (size - len(indices))]
        result.append(Batch(jnp.asarray(windows[padded]), tuple(indices)))
    return result


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

    def log_probabilities(self, batch: Batch) -> Array:
        """log p (batch, time - 1, vocabulary) of the next token at every position that has one."""
        return _log_probabilities(self.graph, self.state, batch.tokens)

    def nll_nats(self, batch: Batch, log_p: Array) -> np.ndarray:
        """Loss of each token that counts, (windows, time - 1)."""
        return np.asarray(_chosen(log_p, batch.tokens))[: len(batch.windows)]


class OpticalModel:
    """A copy of the digital model whose matrix products go through an engine, with ranges set from a sample.

    Changing physical values (`use`) does not compile again; changing bits or switches does.
    """

    def __init__(
        self, digital: DigitalModel, engine: "Engine", keep_digital: Sequence[str], calibration: Array, seed: int
    ) -> None:
        self._model = digital.copy()
        rules = [(pattern, None) for pattern in keep_digital] + [(r".*", engine)]
        try:
            self.report = opticalize(self._model, engine, rules=rules, rngs=nnx.Rngs(noise=seed))
        except ValueError as error:
            raise RequestError(f"--digital: {error}" if keep_digital else str(error)) from error
        if not self.report.replaced:
            raise RequestError("--digital names every layer, so that nothing is left to compute with light")
        calibrate_ranges(self._model, calibration)
        self._seed = seed
        self._runs: dict[tuple[int, ...], Callable[[Any], Array]] = {}

    def use(self, engine: "Engine", *, panels_changed: bool) -> None:
        """Continue with other values of the same structure; encode the weights anew where those reach the panels."""
        set_engine(self._model, engine)
        if panels_changed:
            load_panels(self._model)

    def score(self, batch: Batch, log_p: Array) -> dict[str, np.ndarray]:
        """Per token that counts, (windows, time - 1): `nll_nats`, `kl_nats` from digital log p, `agrees` (top 1)."""
        self._reseed(batch.windows, batch.tokens.shape[0])
        graph, state = nnx.split(self._model)
        scores = _score(graph, state, batch.tokens, log_p)
        return {name: np.asarray(value)[: len(batch.windows)] for name, value in scores.items()}

    def measure_layers(self, batch: Batch) -> dict[str, np.ndarray]:
        """Per optical layer, on the first window: `layer` names, `snr_db`, `electrons_per_mac`, `macs`."""
        self._reseed(batch.windows[:1], 1)
        # The same function object for the same windows, so that it is compiled once for all powers.
        run = self._runs.setdefault(batch.windows, lambda model: model(batch.tokens[:1]))
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
