"""From a case of `exalight bench` to its times: both functions compiled, warmed up and run in turn."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import Array

from experiments.bench_cases import Case
from experiments.interleave import interleave
from models.transformer.load import load_model
from photonics.catalogue import build_engine
from photonics.draws import generator
from photonics.engine import Engine
from photonics.layers import load_panels, opticalize, reseed

if TYPE_CHECKING:
    from models.transformer.checkpoint import Checkpoint
    from photonics.catalogue import EngineFile
    from photonics.loaded_panel import LoadedPanel

SEQUENCES, LONGEST = 8, 128
"""Sequences of the model's batch, and the most tokens in each."""

Measured = dict[str, np.ndarray]
"""Times (pairs,), and as scalars what XLA says of memory [byte] and the vectors that one call works on."""

# A function, its arguments: compiled together, and called with the same again and again.
_Call = tuple[Callable[..., Any], tuple[Any, ...]]


def measure_product(case: Case, engine_file: "EngineFile", seed: int, pairs: int) -> Measured:
    """Times of a product, plain and optical; x and w are normal draws, w scaled so that outputs are of order 1."""
    assert case.shape is not None, "only products have a shape"
    m, k, n = case.shape
    # Numbers of a catalogue are Python floats; as arrays they are arguments of the compiled function.
    engine = jax.tree.map(jnp.float32, build_engine(engine_file))
    x_key, w_key, key = jax.random.split(jax.random.key(seed), 3)
    x = jax.random.normal(x_key, (m, k))
    w = jax.random.normal(w_key, (k, n)) / jnp.sqrt(k)
    with generator(case.generator):
        plain, optical = _product_calls(case, engine, key, x, w)
        return _measure(plain, optical, pairs, vectors=m)


def _product_calls(case: Case, engine: Engine, key: Array, x: Array, w: Array) -> tuple[_Call, _Call]:
    if "weights" in case.kind:
        held, product, rest = w, _from_weights, (engine, key)
    else:
        panel = jax.jit(lambda engine, w: engine.load_panel(w))(engine, w)
        held, product, rest = (panel.difference, panel.total), _loaded, (panel, engine, key)
    if not case.kind.startswith("backward"):
        return (jnp.matmul, (x, w)), (product, (x, held, *rest))

    def loss(function: Callable[..., Array]) -> Callable[..., Array]:
        return jax.grad(lambda *arguments: jnp.sum(jnp.square(function(*arguments))), argnums=(0, 1))

    return (loss(jnp.matmul), (x, w)), (loss(product), (x, held, *rest))


def _from_weights(x: Array, w: Array, engine: Engine, key: Array) -> Array:
    return engine.matmul(key, x, w)


def _loaded(x: Array, light: tuple[Array, Array], panel: "LoadedPanel", engine: Engine, key: Array) -> Array:
    """`light` is what weights become on a panel: signed, and of all rails, which sets the noise."""
    difference, total = light
    return engine.matmul(key, x, dataclasses.replace(panel, difference=difference, total=total))


def measure_model(engine_file: "EngineFile", checkpoint: "Checkpoint", seed: int, pairs: int) -> Measured:
    """Times of a decoder's whole forward pass to the logits, digital and optical, panels loaded.

    Tokens are drawn at random; converter ranges are those of typical operands, which cost the same as measured ones.
    """
    loaded = load_model(checkpoint)
    optical = nnx.clone(loaded.model)
    opticalize(optical, build_engine(engine_file), rngs=nnx.Rngs(noise=seed))
    load_panels(optical)
    noise_key, token_key = jax.random.split(jax.random.key(seed))
    reseed(optical, jax.random.split(noise_key, SEQUENCES))
    length = min(LONGEST, loaded.config.context)
    tokens = jax.random.randint(token_key, (SEQUENCES, length), 0, loaded.config.vocabulary)
    return _measure(_forward(loaded.model, tokens), _forward(optical, tokens), pairs, vectors=SEQUENCES * length)


def _forward(model: nnx.Module, tokens: Array) -> _Call:
    graph, state = nnx.split(model)
    return (lambda state, tokens: nnx.merge(graph, state)(tokens)), (state, tokens)


def _measure(plain: _Call, optical: _Call, pairs: int, vectors: int) -> Measured:
    # Called as users call them: what `compile` returns takes longer to look at its arguments.
    functions = [jax.jit(function) for function, _ in (plain, optical)]
    programs = [function.lower(*call[1]).compile() for function, call in zip(functions, (plain, optical), strict=True)]
    (plain_temp_byte, output_byte), (optical_temp_byte, _) = map(_memory, programs)
    del programs
    times = interleave(lambda: functions[0](*plain[1]), lambda: functions[1](*optical[1]), pairs)
    facts = {
        "plain_temp_byte": plain_temp_byte,
        "plain_output_byte": output_byte,
        "optical_temp_byte": optical_temp_byte,
        "vectors": float(vectors),
    }
    return {**vars(times), **{name: np.asarray(value, np.float64) for name, value in facts.items()}}


def _memory(program: Any) -> tuple[float, float]:
    """Greatest temporary memory and size of the outputs [byte]; NaN on a backend that does not say."""
    analysis = program.memory_analysis()
    if analysis is None:
        return np.nan, np.nan
    return float(analysis.temp_size_in_bytes), float(analysis.output_size_in_bytes)
