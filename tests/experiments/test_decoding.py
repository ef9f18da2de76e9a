"""The compiled passes of one model: against the plain digital model, and the noise of successive steps."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from experiments.decoding import Decoder
from experiments.evaluation import DigitalModel, Products, optical_copy
from photonics import load_engine
from photonics.layers import load_panels, reseed
from tests.models.transformer.tiny_folder import TINY, tiny_model

PROMPTS = [[5, 60, 7, 200, 31], [77, 8], [90, 91, 92, 93, 94, 95, 96]]
NEW = 6
# Receiver and shot noise alone compile fastest.
PLAIN_ENGINE = {"optics.crosstalk": False, "panel.fixed_pattern": False, "encoding.rotate": False}


@pytest.fixture(scope="module")
def digital() -> DigitalModel:
    return DigitalModel.of(tiny_model())


def optical(digital: DigitalModel, name: str) -> nnx.Module:
    model = optical_copy(
        digital,
        load_engine(name).replace(**PLAIN_ENGINE),
        Products(),
        jax.random.randint(jax.random.key(9), (1, 64), 0, TINY.vocabulary),
        0,
    )
    load_panels(model)
    seed(model, 0, texts=len(PROMPTS))
    return model


def seed(model: nnx.Module, number: int, texts: int) -> None:
    reseed(model, jax.vmap(functools.partial(jax.random.fold_in, jax.random.key(number)))(jnp.arange(texts)))


class Written:
    """Tokens and probabilities (steps, batch) of a model; `like` lends its compiled passes."""

    def __init__(self, model, prompts, new=NEW, temperature=0.0, top_p=1.0, like: "Written | None" = None):
        def keys(step: int) -> jax.Array:
            return jax.random.split(jax.random.fold_in(jax.random.key(1), step), len(prompts))

        self.decoder = Decoder(model, TINY, prompts, new)
        if like is None:
            self.decoder.compile(keys(0), temperature, top_p)
        else:
            self.decoder._prefill, self.decoder._decode = like.decoder._prefill, like.decoder._decode
        drawn = [self.decoder.prefill(keys(0))]
        for step in range(1, new):
            drawn.append(self.decoder.decode(drawn[-1][0], keys(step)))
        self.tokens, self.probabilities = (np.array(part) for part in zip(*drawn, strict=True))


@pytest.fixture(scope="module")
def plain(digital) -> Written:
    """What the digital model writes."""
    return Written(digital.copy(), PROMPTS)


@pytest.fixture(scope="module")
def noisy(digital) -> nnx.Module:
    model = optical(digital, "free-space-1024")
    seed(model, 0, texts=1)
    return model


@pytest.fixture(scope="module")
def with_noise(noisy) -> Written:
    """What a noisy engine writes, tokens drawn at temperature 1."""
    return Written(noisy, PROMPTS[:1], new=3, temperature=1.0)


def test_cached_texts_are_those_of_the_plain_model(digital, plain):
    # The whole texts through the plain model at once: it must name each token that was written as the next one.
    lengths = [len(prompt) for prompt in PROMPTS]
    texts = np.zeros((len(PROMPTS), max(lengths) + NEW), np.int32)
    for row, prompt in enumerate(PROMPTS):
        texts[row, : lengths[row] + NEW] = [*prompt, *plain.tokens[:, row]]
    model = digital.copy()
    shares = jax.nn.softmax(nnx.jit(lambda model, tokens: model(tokens), graph_updates=False)(model, texts))
    for row, length in enumerate(lengths):
        steps = shares[row, length - 1 : length - 1 + NEW]
        assert jnp.argmax(steps, axis=-1).tolist() == plain.tokens[:, row].tolist()
        # float32 rounding of logits of some units.
        np.testing.assert_allclose(plain.probabilities[:, row], jnp.max(steps, axis=-1), rtol=1e-4)


def test_times_are_kept(plain):
    decoder = plain.decoder
    assert len(decoder.decode_s) == NEW - 1
    assert min(decoder.compile_s, decoder.prefill_s, *decoder.decode_s) > 0


def test_an_ideal_engine_writes_the_digital_text(digital, plain):
    with_light = Written(optical(digital, "ideal"), PROMPTS)
    np.testing.assert_array_equal(with_light.tokens, plain.tokens)
    np.testing.assert_allclose(with_light.probabilities, plain.probabilities, rtol=1e-4)


def test_every_step_has_fresh_noise(noisy, with_noise):
    decoder = with_noise.decoder
    counts = jax.tree.leaves(nnx.filter_state(decoder._changing, nnx.RngCount))
    assert counts
    assert all(np.all(np.asarray(count) == 3) for count in counts)  # the prompt and two steps
    # The same pass with the counters further on draws other noise.
    seed(noisy, 0, texts=1)
    for _, node in nnx.iter_graph(noisy):
        if isinstance(node, nnx.RngCount):
            node.set_value(jnp.full_like(node.get_value(), 5))
    later = Written(noisy, PROMPTS[:1], new=3, like=with_noise)
    assert later.probabilities[0, 0] != with_noise.probabilities[0, 0]


def test_the_same_seed_writes_the_same_text(noisy, with_noise):
    seed(noisy, 0, texts=1)
    again = Written(noisy, PROMPTS[:1], new=3, like=with_noise)
    np.testing.assert_array_equal(again.tokens, with_noise.tokens)
    np.testing.assert_array_equal(again.probabilities, with_noise.probabilities)
    seed(noisy, 1, texts=1)
    other = Written(noisy, PROMPTS[:1], new=3, like=with_noise)
    assert other.probabilities[0, 0] != with_noise.probabilities[0, 0]


def test_sampling_options_reach_the_draw(digital, plain):
    hot = Written(digital.copy(), PROMPTS, temperature=5.0)
    assert np.any(hot.tokens != plain.tokens)
    # A nucleus that the most probable token fills alone.
    narrow = Written(digital.copy(), PROMPTS, temperature=5.0, top_p=1e-6)
    np.testing.assert_array_equal(narrow.tokens, plain.tokens)


def test_weights_do_not_come_out_of_a_step(plain):
    cache_byte = sum(leaf.nbytes for leaf in jax.tree.leaves(plain.decoder._cache))
    assert plain.decoder._decode.memory_analysis().output_size_in_bytes < cache_byte + 4096
