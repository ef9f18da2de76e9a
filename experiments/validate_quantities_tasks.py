"""Accuracy of whole models, as quantities of `exalight validate`; see `validate_quantities`."""

import functools
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments import validate_mnist
from experiments.accuracy_config import CALIBRATION_TOKENS, DEFAULT_MODEL
from experiments.accuracy_request import checked_model
from experiments.evaluation import DigitalModel
from experiments.language_task import LanguageModelling
from experiments.text import read_text, take_sample

_CONTEXT = 128


def mnist_accuracy(engine: Any, *, photons_per_mac: float, epochs: int, seed: int, mnist: Path) -> float:
    """Accuracy on the 10,000 test images in percent; the network is trained once for all numbers of photons."""
    data, weights = _trained(mnist, epochs, seed)
    x, y = jnp.asarray(data.test_x), jnp.asarray(data.test_y)
    return 100.0 * validate_mnist.accuracy(engine, weights, x, y, photons_per_mac, seed)


def weight_noise_accuracy_drop(*, relative_std: float, tokens: int, draws: int, seed: int) -> float:
    """Points of next-token accuracy lost to w + s max_k|w_kn| N(0, 1), mean over draws."""
    exact, noisy = _scores(relative_std, tokens, draws, seed)
    return 100.0 * (exact.accuracy - noisy.accuracy)


def weight_noise_perplexity_ratio(*, relative_std: float, tokens: int, draws: int, seed: int) -> float:
    """exp of the mean loss under the same noise, over that without."""
    exact, noisy = _scores(relative_std, tokens, draws, seed)
    return float(np.exp(noisy.loss_nats - exact.loss_nats))


class _Score(NamedTuple):
    loss_nats: float
    accuracy: float


@functools.lru_cache(maxsize=2)
def _trained(folder: Path, epochs: int, seed: int) -> tuple[validate_mnist.Data, validate_mnist.Weights]:
    data = validate_mnist.load(folder)
    return data, validate_mnist.train(data, epochs=epochs, seed=seed)


@functools.lru_cache(maxsize=4)
def _scores(relative_std: float, tokens: int, draws: int, seed: int) -> tuple[_Score, _Score]:
    """Loss and accuracy of SmolLM2-135M on the built-in text, exact and under noise (mean over draws)."""
    checkpoint = checked_model(DEFAULT_MODEL)
    text = read_text(None, tokens + CALIBRATION_TOKENS)
    encode = checkpoint.tokenizer.encode
    ids = take_sample(text, lambda string: encode(string, add_special_tokens=False).ids, tokens, CALIBRATION_TOKENS)
    context = min(_CONTEXT, tokens)
    task = LanguageModelling(checkpoint, ids, context)
    model = DigitalModel.of(task.load())
    keys = jax.random.split(jax.random.key(seed), draws)
    noisy = [_score(task, noisy_weights(model, key, relative_std)) for key in keys]
    return _score(task, model), _Score(*(float(np.mean(part)) for part in zip(*noisy, strict=True)))


def _score(task: LanguageModelling, model: DigitalModel) -> _Score:
    losses, right = [], []
    for batch in task.batches:
        log_p, rows = task.reference(model, batch), len(batch.windows)
        losses.append(np.asarray(task.baseline(batch, log_p)["nll_nats"])[:rows])
        right.append(np.asarray(jnp.argmax(log_p, axis=-1) == batch.tokens[:, 1:])[:rows])
    return _Score(float(np.concatenate(losses).mean()), float(np.concatenate(right).mean()))


def noisy_weights(model: DigitalModel, key: jax.Array, relative_std: float) -> DigitalModel:
    """The model with noise on every kernel (..., inputs, outputs): s max over inputs of |w| times N(0, 1).

    Embeddings, the tied head and norms stay. Buchel et al., Analog Foundation Models, NeurIPS 2025 (arXiv 2505.09663),
    `apply_noise_model.py`, additive noise.
    """
    flat = []
    for number, (path, variable) in enumerate(nnx.to_flat_state(model.state)):
        if path[-1] == "kernel":
            w = variable[...]
            largest = jnp.max(jnp.abs(w), axis=-2, keepdims=True)
            noise = jax.random.normal(jax.random.fold_in(key, number), w.shape, w.dtype)
            variable = variable.replace(w + relative_std * largest * noise)
        flat.append((path, variable))
    return DigitalModel(model.graph, nnx.from_flat_state(flat))
