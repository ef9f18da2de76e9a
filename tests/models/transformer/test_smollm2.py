"""SmolLM2-135M against an independent implementation; skipped where the package with its weights is absent."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from models.transformer.cache import empty_cache
from models.transformer.sampling import sample

GOLDEN = json.loads((Path(__file__).parent / "golden_smollm2.json").read_text())
PROMPTS = GOLDEN["prompts"]
LENGTH = max(len(entry["tokens"]) for entry in PROMPTS.values())


@pytest.fixture(scope="module")
def logits(smollm2) -> dict[str, np.ndarray]:
    """Logits of every prompt, from one batch padded at the end (a causal model does not see what follows)."""
    padded = [entry["tokens"] + [0] * (LENGTH - len(entry["tokens"])) for entry in PROMPTS.values()]
    run = nnx.jit(lambda model, tokens: model(tokens), graph_updates=False)
    batch = np.asarray(run(smollm2.model, jnp.array(padded)))
    return {name: row[: len(entry["tokens"])] for (name, entry), row in zip(PROMPTS.items(), batch, strict=True)}


def test_the_golden_file_is_of_these_weights(smollm2):
    assert smollm2.sha256 == GOLDEN["about"]["sha256"]
    assert smollm2.config.parameters == 134_515_008


@pytest.mark.parametrize("name", PROMPTS)
def test_tokens(smollm2, name):
    entry = PROMPTS[name]
    assert smollm2.tokenizer.encode(entry["text"], add_special_tokens=False).ids == entry["tokens"]
    assert smollm2.tokenizer.decode(entry["tokens"], skip_special_tokens=False) == entry["text"]


@pytest.mark.parametrize("name", PROMPTS)
def test_golden_logits(logits, name):
    # Both sides are float32 sums in another order through 30 layers, logits within [-29, 42]: the largest difference
    # measured is 4.5e-5; the bound leaves a factor of four for other machines.
    for row, expected in zip(logits[name][-3:], PROMPTS[name]["last_positions"], strict=True):
        np.testing.assert_allclose(row[expected["token_ids"]], expected["logits"], atol=2e-4)
        np.testing.assert_allclose(jax.nn.logsumexp(row), expected["logsumexp"], atol=2e-4)


@pytest.mark.parametrize("name", PROMPTS)
def test_golden_loss(logits, name):
    shares = jax.nn.log_softmax(logits[name][:-1])
    loss = -np.mean([row[token] for row, token in zip(shares, PROMPTS[name]["tokens"][1:], strict=True)])
    assert loss == pytest.approx(PROMPTS[name]["loss_nats"], abs=2e-5)


def test_perplexity_of_the_paragraph(logits):
    tokens = np.array(PROMPTS["paragraph"]["tokens"])
    shares = jax.nn.log_softmax(logits["paragraph"][:-1])
    perplexity = np.exp(-np.mean(shares[np.arange(len(tokens) - 1), tokens[1:]]))
    assert perplexity == pytest.approx(9.832, abs=1e-3)


def test_the_capital_of_france_through_the_cache(smollm2, logits):
    """A prompt of five tokens, padded to eight, and ten greedy tokens one by one."""
    ids = PROMPTS["fact"]["tokens"]
    step = nnx.jit(
        lambda model, tokens, cache, counts: model.extend(tokens, cache, counts=counts, last_only=True),
        graph_updates=False,
    )
    padded, counts = jnp.array([ids + [0] * (8 - len(ids))]), jnp.array([len(ids)])
    latest, cache = step(smollm2.model, padded, empty_cache(smollm2.config, 1, 20), counts)
    np.testing.assert_allclose(latest[0, 0], logits["fact"][-1], atol=2e-4)  # as the golden logits above
    found = []
    for _ in range(10):
        token = sample(jax.random.split(jax.random.key(0), 1), latest[:, 0])
        found.append(int(token[0]))
        latest, cache = step(smollm2.model, token[:, None], cache, jnp.array([1]))
    assert smollm2.tokenizer.decode(found).startswith(" Paris.")
    whole = nnx.jit(lambda model, tokens: model(tokens)[:, -1], graph_updates=False)
    np.testing.assert_allclose(latest[:, 0], whole(smollm2.model, jnp.array([ids + found])), atol=2e-4)
