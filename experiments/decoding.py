"""One model that writes: a compiled pass over the prompts, and a compiled step for every token after them."""

import functools
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from models.transformer.cache import KeyValueCache, empty_cache
from models.transformer.config import TransformerConfig
from models.transformer.sampling import sample

Drawn = tuple[np.ndarray, np.ndarray]
"""Next tokens (batch,) and their probabilities (batch,)."""


class Decoder:
    """A model with the keys and values of what it has read and written, one token per prompt and step.

    The noise of an optical model is in its variables: keys, which stay, and call counters, which go on from step to
    step, so that no two steps share a draw. Weights are arguments of the compiled functions and never come out of
    them; the cache is given away to each step and updated in place.

    Attributes:
        texts: how many prompts there are.
        compile_s: time that compiling took [s].
        prefill_s: time of the pass over the prompts [s].
        decode_s: times of the steps [s].
    """

    def __init__(
        self, model: nnx.Module, config: TransformerConfig, prompts: Sequence[Sequence[int]], new_tokens: int
    ) -> None:
        self._graph, self._changing, self._fixed = nnx.split(model, nnx.RngState, ...)
        self.texts = len(prompts)
        self._counts = np.array([len(prompt) for prompt in prompts], np.int32)
        self._tokens = np.zeros((len(prompts), self._counts.max()), np.int32)
        for row, prompt in zip(self._tokens, prompts, strict=True):
            row[: len(prompt)] = prompt
        # The last token is written but not read.
        self._cache = empty_cache(config, len(prompts), int(self._counts.max()) + new_tokens - 1)
        self.compile_s, self.prefill_s, self.decode_s = 0.0, 0.0, []

    def compile(self, keys: Array, temperature: float, top_p: float) -> None:
        """Compile both passes, so that their times are those of computing; keys (batch,) as `prefill` takes them."""
        start_s = time.perf_counter()
        options = (self._graph, temperature, top_p)
        state = (self._changing, self._fixed, self._cache)
        one = jnp.ones(len(self._counts), jnp.int32)
        self._prefill = _extend.lower(*options, *state, jnp.asarray(self._tokens), self._counts, keys).compile()
        self._decode = _extend.lower(*options, *state, one[:, None], one, keys).compile()
        self.compile_s = time.perf_counter() - start_s

    def prefill(self, keys: Array) -> Drawn:
        """Read the prompts; the token after each, drawn with one key per prompt (batch,)."""
        drawn, self.prefill_s = self._run(self._prefill, jnp.asarray(self._tokens), self._counts, keys)
        return drawn

    def decode(self, tokens: np.ndarray, keys: Array) -> Drawn:
        """Read one more token of each text (batch,); the one after it."""
        ones = jnp.ones(len(tokens), jnp.int32)
        drawn, step_s = self._run(self._decode, jnp.asarray(tokens, jnp.int32)[:, None], ones, keys)
        self.decode_s.append(step_s)
        return drawn

    def _run(self, compiled: Any, tokens: Array, counts: Any, keys: Array) -> tuple[Drawn, float]:
        start_s = time.perf_counter()
        chosen, self._changing, self._cache = compiled(
            self._changing, self._fixed, self._cache, tokens, jnp.asarray(counts), keys
        )
        ids, probabilities = (np.asarray(value) for value in chosen)
        return (ids, probabilities), time.perf_counter() - start_s


@functools.partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=5)
def _extend(
    graph: nnx.GraphDef,
    temperature: float,
    top_p: float,
    changing: nnx.State,
    fixed: nnx.State,
    cache: KeyValueCache,
    tokens: Array,
    counts: Array,
    keys: Array,
) -> tuple[tuple[Array, Array], nnx.State, KeyValueCache]:
    """Read tokens (batch, time), draw the next ones; also what the call changed: noise counters and the cache."""
    model: Any = nnx.merge(graph, changing, fixed)
    logits, cache = model.extend(tokens, cache, counts=counts, last_only=True)
    logits = logits[:, 0]
    drawn = sample(keys, logits, temperature, top_p)
    probabilities = jnp.take_along_axis(jax.nn.softmax(logits), drawn[:, None], axis=-1)[:, 0]
    return (drawn, probabilities), nnx.state(model, nnx.RngState), cache
