import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from models.hardware.workloads import (
    MODELS,
    ModelShape,
    attention_share,
    dense,
    kv_cache_bytes,
    panels_by_area,
    panels_needed,
    parse_workload,
    prefill,
    weight_bytes,
    weights,
    workload,
)
from models.transformer import config as published
from models.transformer.cache import empty_cache
from models.transformer.config import TransformerConfig
from models.transformer.model import Transformer
from photonics import load_engine
from photonics.contractions import count_contractions

LLAMA_70B = MODELS["llama-3.1-70b"]
TINY = ModelShape(layers=3, width=24, heads=6, key_value_heads=2, head_width=8, hidden_width=40, vocabulary=50)
CONFIGS = {
    "llama-3.1-8b": published.LLAMA_3_1_8B,
    "llama-3.1-70b": published.LLAMA_3_1_70B,
    "llama-3.1-405b": published.LLAMA_3_1_405B,
}


def counted(shape: ModelShape, tokens: int, batch: int):
    """The work of the real transformer of that shape, from its own traced function."""
    config = TransformerConfig(context=tokens, **dataclasses.asdict(shape))
    model = nnx.eval_shape(lambda: Transformer(config, rngs=nnx.Rngs(0)))
    cache = jax.eval_shape(lambda: empty_cache(config, batch, tokens))
    prompt = jax.ShapeDtypeStruct((batch, tokens), jnp.int32)
    return count_contractions(lambda m, x, c: m.extend(x, c, last_only=True)[0], model, prompt, cache)


@pytest.mark.parametrize(
    ("shape", "tokens", "batch"),
    [(TINY, 5, 1), (TINY, 8, 3), (MODELS["llama-3.1-8b"], 2048, 2), (LLAMA_70B, 8192, 1)],
    ids=["tiny", "tiny batch", "8b", "70b"],
)
def test_the_work_is_that_of_the_real_transformer(shape, tokens, batch):
    assert prefill(shape, tokens, batch, causal=False).contractions == counted(shape, tokens, batch).contractions


@pytest.mark.parametrize("name", MODELS)
def test_the_shapes_are_those_of_the_models(name):
    shape = MODELS[name]
    assert dataclasses.asdict(shape).items() <= dataclasses.asdict(CONFIGS[name]).items()
    assert shape.parameters == CONFIGS[name].parameters


@pytest.mark.parametrize("tokens", [1, 2, 7, 8192])
def test_causal_attention_counts_the_pairs_that_are_seen(tokens):
    seen, everything = prefill(TINY, tokens, 2), prefill(TINY, tokens, 2, causal=False)
    pairs = 2 * TINY.layers * TINY.heads * TINY.head_width * tokens * (tokens + 1) // 2
    for part in ("layers/attention/scores", "layers/attention/mix"):
        assert seen.select(part).macs == pairs
        assert everything.select(part).macs * (tokens + 1) == 2 * tokens * pairs
    assert seen.weight_macs == everything.weight_macs
    assert seen.select(lambda one: one.weights) == everything.select(lambda one: one.weights)


@pytest.mark.parametrize(("tokens", "percent"), [(2_000, "1.9"), (8_000, "7.1"), (32_000, "23")])
def test_attention_is_the_published_share_of_prefill(tokens, percent):
    # Published "at 2k, 8k and 32k tokens", which are thousands here.
    share = attention_share(workload(f"llama-3.1-70b:prefill:{tokens}"))
    assert f"{100 * share:.2g}" == percent


@pytest.mark.parametrize(("tokens", "percent"), [(2048, 1.9), (8192, 7.1), (32768, 23.0)])
def test_at_powers_of_two_the_published_share_needs_the_rule_of_two_operations_per_parameter(tokens, percent):
    # That rule counts the embedding, which is no product, and the head at every token.
    work = workload(f"llama-3.1-70b:prefill:{tokens}")
    by_rule = work.digital_macs / (work.digital_macs + LLAMA_70B.parameters * tokens)
    assert by_rule * 100 == pytest.approx(percent, abs=0.5 if percent > 20 else 0.05)
    assert attention_share(work) / by_rule == pytest.approx(1.028, abs=0.005)  # 1.92, 7.27 and 23.9 % of the products


def test_operations_are_those_of_the_equations_of_serving():
    # 2 P_l b s L + 4 b s^2 h hd L / 2 + 2 V d b, and s + 1 for s in the exact count of pairs.
    b, s, shape = 3, 4096, LLAMA_70B
    inner = shape.heads * shape.head_width
    layer = shape.width * shape.head_width * (shape.heads + 2 * shape.key_value_heads)
    layer += inner * shape.width + 3 * shape.width * shape.hidden_width
    attention = 4 * b * s * (s + 1) * inner * shape.layers // 2
    expected = 2 * layer * b * s * shape.layers + attention + 2 * shape.vocabulary * shape.width * b
    assert 2 * workload("llama-3.1-70b:prefill:4096:3").macs == expected


def test_published_panel_counts_are_parameters_over_area_with_the_fraction_cut_off():
    assert int(panels_by_area(70.6e9, 2048, 2048)) == 16_832
    assert int(panels_by_area(70.6e9, 1024, 1024)) == 67_329
    assert panels_by_area(70.6e9, 2048, 2048) == pytest.approx(16_832.4, abs=0.05)
    assert panels_by_area(LLAMA_70B.parameters, 2048, 2048) == pytest.approx(16_821.3, abs=0.05)


@pytest.mark.parametrize(("side", "panels"), [(2048, 16_892), (1024, 66_288)])
def test_matrices_need_whole_panels(side, panels):
    work = workload("llama-3.1-70b:prefill:8192")
    assert panels_needed(work, side, side) == panels
    assert panels_needed(work + prefill(TINY, 4), side, side) == panels + 7 * TINY.layers + 1
    engine = load_engine(f"free-space-{side}")
    assert engine.cost(work).engines == panels


def test_dense_fills_the_panel_of_the_engine():
    engine = load_engine("free-space-1024")
    work = workload("dense", panel=(engine.inputs, engine.outputs))
    assert panels_needed(work, engine.inputs, engine.outputs) == 1
    assert attention_share(work) == 0
    busy = engine.replace(**{"system.utilisation": 1.0}).cost(work)
    passes_per_vector = busy.passes / work.contractions[0].m
    peak_ops_per_s = 2 * engine.inputs * engine.outputs * engine.operating_point.symbol_rate_hz / passes_per_vector
    assert 2 * work.macs / busy.time_s == pytest.approx(peak_ops_per_s, rel=1e-6)
    assert dense(3, 4, 5).macs == 60


def test_bytes_of_weights_and_of_the_cache():
    # Both as the serving models of the literature state them: 15.0 GB of 8B in 16 bits, and bytes per token.
    small = workload("llama-3.1-8b:prefill:1")
    assert weight_bytes(small, 16) == pytest.approx(15.0e9, rel=2e-3)
    assert weight_bytes(small, 4) == weight_bytes(small, 16) / 4
    assert weights(small) == small.weight_macs  # one token: each weight once
    assert weights(workload("llama-3.1-8b:prefill:77:5")) == weights(small)
    assert [kv_cache_bytes(shape, 1) for shape in MODELS.values()] == [131_072, 327_680, 516_096]
    assert kv_cache_bytes(LLAMA_70B, 100, 3, bits=8) == 150 * 327_680


def test_names_are_read():
    request = parse_workload("llama-3.1-405b:prefill:131072:2")
    assert (request.model, request.tokens, request.batch) == ("llama-3.1-405b", 131072, 2)
    assert parse_workload("llama-3.1-8b:prefill:1").batch == 1
    assert parse_workload("dense").model == "dense"
    names = [one.name for one in workload("llama-3.1-8b:prefill:8").expand()]
    assert names[0] == "layers/0/attention/query"
    assert "layers/31/mlp/down" in names
    assert names[-1] == "head"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "llama-3.1-7b:prefill:8",
            "nearest is 'llama-3.1-.*there are llama-3.1-8b, llama-3.1-70b, llama-3.1-405b, dense",
        ),
        ("", "model '' is not known"),
        ("llama-3.1-8b", "should be MODEL:PHASE:TOKENS"),
        ("llama-3.1-8b:prefill", "should be MODEL:PHASE:TOKENS"),
        ("llama-3.1-8b:decode:8", "phase 'decode' is not known .there is prefill"),
        ("llama-3.1-8b:prefill:0", "tokens is '0'; it should be a whole number"),
        ("llama-3.1-8b:prefill:8k", "tokens is '8k'"),
        ("llama-3.1-8b:prefill:²", "tokens is '²'"),
        ("llama-3.1-8b:prefill:8:-1", "batch is '-1'"),
        ("llama-3.1-8b:prefill:8:" + "9" * 5000, "batch is"),
        ("llama-3.1-8b:prefill:8:1:1", "should be MODEL:PHASE:TOKENS"),
        ("dense:8", "dense stands alone"),
    ],
)
def test_a_name_that_does_not_exist_says_what_does(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        workload(text)


@pytest.mark.parametrize(("tokens", "batch"), [(0, 1), (1, 0)])
def test_no_work_is_refused(tokens, batch):
    with pytest.raises(ValueError, match="at least 1"):
        prefill(TINY, tokens, batch)


def test_a_workload_needs_no_jax():
    code = "import sys; from models.hardware.workloads import workload; workload('llama-3.1-8b:prefill:8'); " + (
        "print({'jax', 'flax', 'numpy'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
