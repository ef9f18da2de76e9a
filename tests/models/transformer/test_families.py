"""Tiny models of every family against the transformers library, as folders and through the cache."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from models.transformer.cache import empty_cache
from models.transformer.checkpoint import stored_shapes
from models.transformer.from_huggingface import config_from_huggingface
from models.transformer.load import load_model
from tests.models.transformer.family_weights import CONFIGS, LENGTH, tokens, weight
from tests.models.transformer.tiny_folder import alphabet_tokenizer

GOLDEN = json.loads((Path(__file__).parent / "golden_families.json").read_text())
FAMILIES = GOLDEN["families"]

# Both sides are float32 sums of at most 48 terms of order one through two layers, logits within [-12, 12]. The largest
# difference measured is 8e-6, of which storing five decimals makes 5e-6; the bound leaves a factor of four.
ROUNDING = 3e-5


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    """A function that writes the folder of one family."""

    def write(family: str) -> Path:
        folder = tmp_path_factory.mktemp(family)
        config = config_from_huggingface(CONFIGS[family])
        names = stored_shapes(config, "huggingface")
        save_file({name: weight(name, shape) for name, shape in names.items()}, folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(CONFIGS[family]))
        alphabet_tokenizer(config.vocabulary).save(str(folder / "tokenizer.json"))
        return folder

    return write


def check(logits, family):
    entry = FAMILIES[family]
    for position, expected, logsumexp in zip(entry["positions"], entry["logits"], entry["logsumexp"], strict=True):
        np.testing.assert_allclose(logits[position, :: GOLDEN["about"]["stride"]], expected, atol=ROUNDING)
        np.testing.assert_allclose(jax.nn.logsumexp(logits[position]), logsumexp, atol=ROUNDING)


@pytest.mark.parametrize("family", FAMILIES)
def test_tensors_are_those_of_the_library(family):
    config = config_from_huggingface(CONFIGS[family])
    assert sorted(stored_shapes(config, "huggingface")) == FAMILIES[family]["tensors"]


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_the_library(folder_of, family):
    loaded = load_model(folder_of(family))
    ids = jnp.array(tokens(family))[None]
    logits = nnx.jit(lambda model, ids: model(ids), graph_updates=False)(loaded.model, ids)[0]
    check(logits, family)
    with pytest.raises(AssertionError):
        check(logits + 2 * ROUNDING, family)


@pytest.mark.parametrize("family", FAMILIES)
def test_cached_logits_are_those_of_the_library(folder_of, family):
    loaded = load_model(folder_of(family))
    ids = jnp.array(tokens(family))[None]

    @nnx.jit(graph_updates=False)
    def generate(model, ids):
        prompt, cache = model.extend(ids[:, :9], empty_cache(loaded.config, 1, LENGTH))

        def step(cache, token):
            logits, cache = model.extend(token[None, None], cache)
            return cache, logits[0, 0]

        _, rest = jax.lax.scan(step, cache, ids[0, 9:])
        return jnp.concatenate([prompt[0], rest])

    check(generate(loaded.model, ids), family)
