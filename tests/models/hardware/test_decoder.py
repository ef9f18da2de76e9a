import dataclasses
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hardware.decoder import Decoder, Experts, GroupedQueryAttention, decoder, decoders, read_decoder
from models.transformer import config as published

SIZES = {
    "layers": 2,
    "width": 8,
    "hidden_width": 16,
    "vocabulary": 10,
    "attention": {"heads": 4, "key_value_heads": 2, "head_width": 2},
}


def table(sizes=SIZES, **shape):
    return {"title": "tiny", "shape": {"source": "here", "kind": "assumption", "value": sizes, **shape}}


@pytest.mark.parametrize("name", decoders())
def test_parameters_are_those_that_the_makers_publish(name):
    # Published counts are rounded to three digits; norms and biases, which cards leave out, are below 0.1 %.
    card = decoder(name)
    assert card.parameters == pytest.approx(card.published_parameters, rel=6e-3)


@pytest.mark.parametrize("name", ["mixtral-8x7b", "deepseek-r1", "gpt-oss-120b"])
def test_active_parameters_are_those_that_the_makers_publish(name):
    card = decoder(name)
    # "37B" has two digits.
    assert card.active_parameters == pytest.approx(card.published_active_parameters, rel=1.5e-2)


@pytest.mark.parametrize(
    ("name", "byte"),
    [
        ("llama-2-7b", 524288),
        ("llama-3.1-8b", 131072),
        ("llama-2-70b", 327680),
        ("llama-3.1-405b", 516096),
        ("qwen3-8b", 147456),
        ("deepseek-r1", 61 * (512 + 64) * 2),
    ],
)
def test_cache_of_a_token_counts_shared_heads_once(name, byte):
    """Closed forms 2 L g w 2 bytes; LLM-Viewer counts all query heads, four times as much for Llama 3.1 8B."""
    assert decoder(name).cache_byte_per_token(16) == byte


def test_cache_of_qwen3_at_32k_tokens_is_what_mooncake_moves():
    """4.50 GiB in kvcache-ai/Mooncake's table of prefill and decode on separate machines."""
    assert decoder("qwen3-8b").cache_byte(32768) / 2**30 == pytest.approx(4.50, abs=5e-3)


def test_a_step_of_one_token_reads_the_head_and_no_embedding():
    """15.0 GB for Llama 3.1 8B at 16 bits; GenZ leaves the head out and reads 13.96."""
    card = decoder("llama-3.1-8b")
    assert 2 * card.weights_read(1) == pytest.approx(15.0e9, rel=3e-3)
    assert 2 * (card.weights_read(1) - card.head_weights) == pytest.approx(13.96e9, rel=1e-3)


def test_a_dense_model_reads_the_same_weights_whatever_the_batch():
    card = decoder("llama-2-70b")
    assert card.weights_read(64) == card.weights_read(1) == card.active_parameters


def test_tied_head_is_stored_once_and_read():
    card = decoder("smollm2-135m")
    assert card.parameters == card.active_parameters


def test_sizes_of_llama_are_those_of_the_transformer():
    for name, config in (
        ("llama-3.1-8b", published.LLAMA_3_1_8B),
        ("llama-3.1-70b", published.LLAMA_3_1_70B),
        ("llama-3.1-405b", published.LLAMA_3_1_405B),
    ):
        card = decoder(name)
        sizes = {**dataclasses.asdict(card), **dataclasses.asdict(card.attention)}
        shared = sizes.keys() & {field.name for field in dataclasses.fields(config)}
        assert len(shared) == 9
        assert {key: sizes[key] or None for key in shared} == {key: getattr(config, key) or None for key in shared}


def test_windows_bound_the_cache_of_their_layers_only():
    card = decoder("gpt-oss-120b")
    assert card.cache_byte(128) == 128 * card.cache_byte_per_token()
    assert card.cache_byte(1128) - card.cache_byte(128) == 1000 * card.cache_byte_per_token() / 2


def test_latent_attention_absorbed_does_more_products_on_less_cache():
    attention = decoder("deepseek-r1").attention
    assert attention.macs_per_pair() == 128 * (128 + 64 + 128)
    assert attention.macs_per_pair(absorbed=True) == 128 * (2 * 512 + 64)


@given(count=st.integers(2, 300), tokens=st.integers(1, 500), data=st.data())
def test_distinct_experts_lie_between_one_token_s_and_all(count, tokens, data):
    active = data.draw(st.integers(1, count))
    experts = Experts(count=count, active=active, width=1)
    found = experts.distinct(tokens)
    assert active * (1 - 1e-12) <= found <= count
    assert found <= active * tokens * (1 + 1e-12)
    assert experts.distinct(tokens + 1) >= found


def test_distinct_experts_of_a_small_case_by_hand():
    # Two tokens that take one of two experts each: the same one half of the time.
    assert Experts(count=2, active=1, width=1).distinct(2) == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layres": 2}, "unknown key tiny.shape.value.layres; the nearest is 'layers'"),
        ({"layers": 2.5}, "tiny.shape.value.layers is 2.5; it should be a whole number from 1"),
        ({"layers": -1}, "tiny.shape.value.layers is -1; it should be a whole number from 1"),
        ({"hidden_width": 0}, "tiny.shape.value lacks hidden_width"),
        ({"layers": 0}, "tiny.shape.value.layers is 0; it should be a whole number from 1"),
        ({"tied_head": 1}, "tiny.shape.value.tied_head is 1; it should be true or false"),
        ({"experts": 4}, "tiny.shape.value.experts is 4; it should be a table"),
        ({"attention": 3}, "tiny.shape.value.attention is 3; it should be a table"),
        ({"attention": {"heads": 4, "head_width": 2}}, "tiny.shape.value.attention lacks key_value_heads"),
    ],
)
def test_a_wrong_size_is_refused_with_its_key(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_decoder("tiny", table({**SIZES, **change}))


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"kind": "rumour"}, "tiny.shape.kind is 'rumour'; it should be one of measured"),
        ({"source": " "}, "tiny.shape.source is ' '; it should be a text"),
        ({"value": 3}, "tiny.shape.value is 3; it should be a table"),
        ({"url": "here"}, "unknown key 'tiny.shape.url'"),
    ],
)
def test_a_shape_without_a_source_is_refused(shape, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        read_decoder("tiny", table(**shape))


def test_a_key_beside_the_shape_is_refused():
    with pytest.raises(ValueError, match=r"unknown key 'tiny\.prameters'; the nearest is 'parameters'"):
        read_decoder("tiny", {**table(), "prameters": 3})


def test_a_card_is_what_its_table_says():
    card = read_decoder("tiny", table())
    assert isinstance(card, Decoder)
    assert card.attention == GroupedQueryAttention(heads=4, key_value_heads=2, head_width=2)
    # Projections 8 x 2 x (8 + 4), block 3 x 8 x 16, twice; two tables of 10 x 8.
    assert card.parameters == 2 * (192 + 384) + 160


def test_unknown_model_names_the_nearest():
    with pytest.raises(ValueError, match="model 'lama-2-7b' is not known; the nearest is 'llama-2-7b'"):
        decoder("lama-2-7b")


def test_cards_need_no_jax():
    code = "import sys; from models.hardware.decoder import decoders; decoders(); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
