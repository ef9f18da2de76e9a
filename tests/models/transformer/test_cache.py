"""Cached continuation against whole sequences: digital and optical, ragged rows, donation, and refusals."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import photonics
from models.transformer.cache import empty_cache
from models.transformer.stack import unroll
from photonics.layers import load_panels, opticalize, reseed
from tests.models.transformer.tiny_folder import TINY, tiny_model

TOKENS = jax.random.randint(jax.random.key(3), (3, 9), 0, TINY.vocabulary)
COUNTS = jnp.array([9, 4, 1])

# Both sides are float32 sums of at most 64 terms of order one, through two layers, in another order.
ROUNDING = 5e-5

run = nnx.jit(lambda model, tokens: model(tokens), graph_updates=False)
extend = nnx.jit(
    lambda model, tokens, cache, counts=None, last_only=False: model.extend(
        tokens, cache, counts=counts, last_only=last_only
    ),
    graph_updates=False,
    static_argnames="last_only",
)


def optical_model(dtype="float32"):
    model = tiny_model(dtype=dtype)
    opticalize(model, photonics.load_engine("ideal"), rngs=nnx.Rngs(noise=0))
    return model


MODELS = {
    "tied": tiny_model,
    "untied": lambda: tiny_model(dataclasses.replace(TINY, tied_head=False)),
    "one group": lambda: tiny_model(dataclasses.replace(TINY, key_value_heads=1)),
    "own keys": lambda: tiny_model(dataclasses.replace(TINY, key_value_heads=4)),
    "unrolled": lambda: unroll(tiny_model()),
    "optical": optical_model,
}


@pytest.mark.parametrize("name", MODELS)
def test_prefill_and_decode_equal_one_call(name):
    model = MODELS[name]()
    expected = run(model, TOKENS)
    pieces, cache = [], empty_cache(model.config, 3, 12)
    for start, stop in ((0, 7), (7, 8), (8, 9)):
        logits, cache = extend(model, TOKENS[:, start:stop], cache)
        pieces.append(logits)
    np.testing.assert_allclose(jnp.concatenate(pieces, axis=1), expected, atol=ROUNDING)
    np.testing.assert_array_equal(cache.lengths, [9, 9, 9])
    assert np.ptp(expected) > 1


def test_light_reads_bfloat16_weights_as_the_digital_model_does():
    model = optical_model("bfloat16")
    expected = run(tiny_model(dtype="bfloat16"), TOKENS)
    np.testing.assert_allclose(run(model, TOKENS), expected, atol=ROUNDING)
    load_panels(model)
    np.testing.assert_allclose(run(model, TOKENS), expected, atol=ROUNDING)


def test_ragged_rows_equal_rows_alone():
    model = tiny_model()
    # Whatever stands in the padding, and in the slots behind it, is never seen.
    logits, cache = extend(model, TOKENS, empty_cache(TINY, 3, 11), COUNTS)
    other, other_cache = extend(model, (TOKENS + 1) % TINY.vocabulary, empty_cache(TINY, 3, 11), COUNTS)
    assert jnp.all(logits[1, :4] != other[1, :4])  # the comparisons below can fail
    padded = jnp.where(jnp.arange(9) < COUNTS[:, None], TOKENS, (TOKENS + 7) % TINY.vocabulary)
    again, again_cache = extend(model, padded, empty_cache(TINY, 3, 11), COUNTS)
    np.testing.assert_array_equal(cache.keys, again_cache.keys)
    assert jnp.any(cache.keys != other_cache.keys)
    np.testing.assert_array_equal(cache.lengths, COUNTS)
    following = jnp.array([[3], [5], [7]])
    after, _ = extend(model, following, cache)
    for row, count in enumerate(COUNTS.tolist()):
        np.testing.assert_array_equal(logits[row, :count], again[row, :count])
        whole = jnp.concatenate([TOKENS[row, :count], following[row]])[None]
        alone = run(model, jnp.pad(whole, ((0, 0), (0, 10 - count - 1))))  # a causal model ignores what follows
        np.testing.assert_allclose(logits[row, :count], alone[0, :count], atol=ROUNDING)
        np.testing.assert_allclose(after[row, 0], alone[0, count], atol=ROUNDING)


def test_the_noise_of_a_row_is_that_of_the_row_alone():
    """Padding stands behind a row, so that its tokens keep their places in the call, and with them their draws."""

    engine = photonics.load_engine("free-space-1024")

    def noisy(keys):
        model = tiny_model()
        # One product of each layer is enough, and compiles in a fraction of the time.
        opticalize(model, engine, rules=[("mlp/down", engine)], rngs=nnx.Rngs(noise=0))
        reseed(model, keys)
        return model

    keys = jax.random.split(jax.random.key(1), 2)
    together, alone = noisy(keys), noisy(keys[1:])
    logits, cache = extend(together, TOKENS[:2, :6], empty_cache(TINY, 2, 9), jnp.array([6, 3]))
    after, _ = extend(together, TOKENS[:2, :1], cache)
    own, own_cache = extend(alone, TOKENS[1:2, :3], empty_cache(TINY, 1, 9))
    own_after, _ = extend(alone, TOKENS[1:2, :1], own_cache)
    # Equal draws; the digital sums in between may differ by rounding, which may move single codes of a converter.
    for padded, single in ((logits[1, :3], own[0]), (after[1], own_after[0])):
        assert jnp.mean(jnp.abs(padded - single) < 1e-3) > 0.9
    assert jnp.mean(jnp.abs(after[0] - after[1]) < 1e-3) < 0.1  # the comparison can fail


def test_last_only_picks_the_last_that_counts():
    model = tiny_model()
    full, _ = extend(model, TOKENS, empty_cache(TINY, 3, 9), COUNTS)
    last, cache = extend(model, TOKENS, empty_cache(TINY, 3, 9), COUNTS, last_only=True)
    assert last.shape == (3, 1, TINY.vocabulary)
    np.testing.assert_allclose(last[:, 0], full[jnp.arange(3), COUNTS - 1], atol=ROUNDING)
    np.testing.assert_array_equal(cache.lengths, COUNTS)


def test_a_row_may_stand_still():
    model = tiny_model()
    _, cache = extend(model, TOKENS, empty_cache(TINY, 3, 10), COUNTS - 1)
    _, still = extend(model, TOKENS[:, :1], cache, jnp.array([1, 0, 1]))
    np.testing.assert_array_equal(still.lengths, COUNTS - 1 + jnp.array([1, 0, 1]))
    np.testing.assert_array_equal(still.keys[:, 1], cache.keys[:, 1])
    assert jnp.any(still.keys[:, 0] != cache.keys[:, 0])


def test_a_full_row_gives_nan_and_keeps_what_it_holds():
    model = tiny_model()
    with jax.debug_nans(False):
        _, cache = extend(model, TOKENS, empty_cache(TINY, 3, 9), COUNTS)
        logits, after = extend(model, TOKENS[:, :2], cache)
        assert jnp.all(jnp.isnan(logits[0]))
        assert not jnp.any(jnp.isnan(logits[1:]))
        np.testing.assert_array_equal(after.keys[:, 0], cache.keys[:, 0])
        np.testing.assert_array_equal(after.lengths, [9, 6, 3])


def test_bfloat16_cache_rounds_what_it_holds():
    model = tiny_model()
    exact, _ = extend(model, TOKENS, empty_cache(TINY, 3, 9))
    rounded, cache = extend(model, TOKENS, empty_cache(TINY, 3, 9, jnp.bfloat16))
    assert cache.keys.dtype == jnp.bfloat16
    assert rounded.dtype == jnp.float32
    # Keys and values carry relative errors of up to 2^-9; logits of order 5 through two layers move by percents.
    assert 1e-4 < jnp.max(jnp.abs(rounded - exact)) < 0.2


def test_a_donated_cache_is_updated_in_place():
    config = dataclasses.replace(TINY, layers=12)
    graphdef, state = nnx.split(tiny_model(config))
    cache = empty_cache(config, 4, 512)
    step = jax.jit(
        lambda state, tokens, cache: nnx.merge(graphdef, state).extend(tokens, cache, last_only=True), donate_argnums=2
    )
    with jax.debug_nans(False):  # the check for NaN needs the arguments again, so it forbids donation
        compiled = step.lower(state, TOKENS[:1].repeat(4, 0)[:, :1], cache).compile()
    memory = compiled.memory_analysis()
    held = cache.keys.nbytes + cache.values.nbytes
    assert memory.alias_size_in_bytes >= held
    # One layer's keys and values are read at a time, twice for their other order of axes; a copy would be twelve.
    assert memory.temp_size_in_bytes < held / 3


def test_decoding_work_is_one_token_and_names_stay():
    model = tiny_model()
    work = photonics.count_contractions(
        lambda model, tokens, cache: model.extend(tokens, cache, last_only=True),
        *(model, jax.ShapeDtypeStruct((1, 1), jnp.int32), empty_cache(TINY, 1, 20)),
    )
    whole = photonics.count_contractions(lambda model, tokens: model(tokens), model, TOKENS[:1])
    weight, weight_whole = ({r.name: r for r in w.expand() if r.weights} for w in (work, whole))
    assert weight.keys() == weight_whole.keys()
    assert {name: 9 * r.macs for name, r in weight.items()} == {name: r.macs for name, r in weight_whole.items()}
    digital = [r for r in work.expand() if not r.weights]
    assert sum(r.macs for r in digital) == TINY.layers * 2 * 20 * TINY.heads * TINY.head_width


@pytest.mark.parametrize(
    ("tokens", "cache", "message"),
    [
        (TOKENS, empty_cache(TINY, 2, 12), r"\(2, 2, 12, 2, 8\); this model and batch need \(2, 3, 12, 2, 8\)"),
        (TOKENS, empty_cache(dataclasses.replace(TINY, layers=3), 3, 12), "this model and batch need"),
        (TOKENS, empty_cache(TINY, 3, 8), "9 tokens per row do not fit a cache of 8"),
        (TOKENS[0], empty_cache(TINY, 3, 8), r"axes \(batch, time\)"),
    ],
)
def test_refusals(tokens, cache, message):
    with pytest.raises(ValueError, match=message):
        tiny_model().extend(tokens, cache)


@pytest.mark.parametrize("sizes", [(0, 4), (2, 0)])
def test_empty_sizes_are_refused(sizes):
    with pytest.raises(ValueError, match="must be a positive integer, not 0"):
        empty_cache(TINY, *sizes)
