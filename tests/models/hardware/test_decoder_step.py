import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hardware.decoder import decoder, decoders
from models.hardware.decoder_step import Precision, decode_step, prefill_step
from models.hardware.workloads import MODELS, prefill


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("tokens", "batch"), [(1, 1), (7, 1), (2048, 3)])
def test_prefill_operations_are_those_of_the_transformer_s_own_graph(name, tokens, batch):
    """`workloads.prefill` is record by record what `count_contractions` finds in the transformer."""
    assert prefill_step(decoder(name), tokens, batch).ops == 2 * prefill(MODELS[name], tokens, batch).macs


@pytest.mark.parametrize("name", ["llama-2-7b", "llama-2-70b", "qwen3-8b", "smollm2-135m"])
def test_prefill_operations_are_the_closed_form(name):
    """2 P b s L + 4 b (s^2 / 2) h w L + 2 V d b, within 2 %; the closed form leaves out half of the diagonal."""
    card, tokens, batch = decoder(name), 1024, 2
    attention = card.attention
    layer = card.width * attention.head_width * 2 * (attention.heads + attention.key_value_heads)
    layer += 3 * card.width * card.hidden_width
    closed = 2 * layer * batch * tokens * card.layers + 2 * card.vocabulary * card.width * batch
    closed += 4 * batch * tokens**2 * attention.heads * attention.head_width * card.layers / 2
    assert prefill_step(card, tokens, batch).ops == pytest.approx(closed, rel=0.02)


@pytest.mark.parametrize("name", ["llama-2-7b", "llama-3.1-8b", "llama-3.1-70b", "llama-3.1-405b", "qwen3-8b"])
@pytest.mark.parametrize(("batch", "context"), [(1, 2048), (32, 2048), (8, 32768)])
def test_decode_bytes_are_the_closed_form(name, batch, context):
    """w (L P + V d) + b c kv, within 3 %: the rest is activations and the cache of the new token."""
    card = decoder(name)
    closed = 2 * card.active_parameters + batch * context * card.cache_byte_per_token()
    assert decode_step(card, context, batch).byte == pytest.approx(closed, rel=0.03)


def test_the_cache_of_grouped_queries_is_read_once_and_for_shared_heads_only():
    """LLM-Viewer reads it for all query heads (four times as much here), llm-analysis about twice."""
    card, batch, context = decoder("llama-3.1-8b"), 32, 2048
    assert decode_step(card, context, batch).cache_byte == batch * (context + 1) * 131072


def test_the_head_is_read_at_every_step():
    """GenZ leaves it out: 13.96 of 15.0 GB."""
    card = decoder("llama-3.1-8b")
    head = next(one for one in decode_step(card, 0).operators if one.name == "head")
    assert head.weight_byte == 2 * 128256 * 4096
    assert decode_step(card, 0).weight_byte == 2 * card.active_parameters == pytest.approx(15.0e9, rel=3e-3)


@pytest.mark.parametrize("name", decoders())
def test_weights_of_a_step_are_those_of_the_card(name):
    card = decoder(name)
    for tokens in (1, 17, 512):
        assert decode_step(card, 9, tokens).weight_byte == pytest.approx(2 * card.weights_read(tokens))


def test_bits_count():
    card = decoder("llama-2-70b")
    full, half = (
        decode_step(card, 4096, 4),
        decode_step(card, 4096, 4, Precision(weight_bits=8, cache_bits=4, head_bits=8)),
    )
    assert half.weight_byte == full.weight_byte / 2
    assert half.cache_byte == full.cache_byte / 4
    assert half.ops == full.ops
    # The head of a quantised checkpoint stays as it was, unless told otherwise.
    kept = decode_step(card, 4096, 4, Precision(weight_bits=8))
    assert kept.weight_byte == half.weight_byte + card.head_weights


def test_experts_of_mixtral_are_met_by_the_tokens_that_chose_them():
    # Two of eight experts for each of 64 tokens: nearly all read, a quarter of all products done.
    card = decoder("mixtral-8x7b")
    experts = next(one for one in decode_step(card, 0, 64).operators if one.name == "experts")
    assert experts.macs == 64 * 2 * 3 * 4096 * 14336
    assert experts.weight_byte == pytest.approx(2 * 8 * 3 * 4096 * 14336, rel=1e-6)


def test_windows_by_hand():
    # gpt-oss: half of its 36 layers see 128 tokens. A prompt of 200: 128 * 129 / 2 pairs, then 72 tokens that see 128.
    card = decoder("gpt-oss-120b")
    step = {one.name: one for one in prefill_step(card, 200).operators}
    macs = 2 * 64 * 64
    assert step["attention/pairs"].macs == macs * 200 * 201 / 2
    assert step["attention/pairs in a window"].macs == macs * (128 * 129 / 2 + 72 * 128)
    decoding = {one.name: one for one in decode_step(card, 1000, 2).operators}
    assert decoding["attention/pairs in a window"].macs == macs * 2 * 128
    assert decoding["attention/pairs"].cache_byte == 2 * 1001 * 2 * 8 * 64 * 2
    assert decoding["attention/pairs in a window"].cache_byte == 2 * 129 * 2 * 8 * 64 * 2


def test_latent_attention_decodes_in_the_latent_space():
    card = decoder("deepseek-r1")
    pairs = next(one for one in decode_step(card, 999).operators if one.name == "attention/pairs")
    assert pairs.macs == 1000 * 128 * (2 * 512 + 64)
    assert pairs.cache_byte == 1000 * 576 * 2


@given(
    name=st.sampled_from(sorted(decoders())),
    tokens=st.integers(1, 5000),
    more=st.integers(1, 5000),
    batch=st.integers(1, 300),
)
def test_more_is_never_less(name, tokens, more, batch):
    card = decoder(name)
    short, long = prefill_step(card, tokens, batch), prefill_step(card, tokens + more, batch)
    assert long.ops > short.ops
    assert long.byte > short.byte
    assert decode_step(card, tokens + more, batch).byte >= decode_step(card, tokens, batch).byte
    assert decode_step(card, tokens, batch + 1).byte > decode_step(card, tokens, batch).byte


@given(name=st.sampled_from(sorted(decoders())), tokens=st.integers(1, 60))
def test_a_prompt_read_at_once_sees_the_pairs_that_reading_it_token_by_token_sees(name, tokens):
    card = decoder(name)

    def pairs(step, absorbed):
        return sum(one.macs * one.count for one in step.operators if one.kind == "attention") / (
            card.attention.macs_per_pair(absorbed=absorbed)
        )

    singly = sum(pairs(decode_step(card, context), True) for context in range(tokens))
    assert pairs(prefill_step(card, tokens), False) == pytest.approx(singly)


def test_nothing_to_do_is_refused():
    card = decoder("llama-2-7b")
    with pytest.raises(ValueError, match="prompt_tokens is 0; it should be at least 1"):
        prefill_step(card, 0)
    with pytest.raises(ValueError, match="batch is 0; it should be at least 1"):
        decode_step(card, 10, 0)
    with pytest.raises(ValueError, match="context is -1; it should be 0 or more"):
        decode_step(card, -1)
