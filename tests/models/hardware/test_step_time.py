import csv
import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.hardware.decoder import decoder, decoders
from models.hardware.decoder_step import Precision, decode_step, prefill_step
from models.hardware.efficiencies import PERFECT, typical
from models.hardware.machine import AbsentValue, Machine, read_machine
from models.hardware.sourced_number import Number
from models.hardware.step_time import DoesNotFit, peak_op_per_s, placed, step_time

REFERENCE = Path(__file__).parents[4] / "shared" / "data" / "peer_results_public.csv"
MACHINES = {"h100_sxm": "h100", "a100_sxm": "a100", "b200_sxm": "b200"}
EIGHT_BIT = Precision(weight_bits=8, cache_bits=8)
needs_reference = pytest.mark.skipif(
    not REFERENCE.exists(), reason="the table of the reference is not beside this checkout"
)


def machine(**values):
    numbers = {path.replace("__", "."): Number(value, "assumption", "a test") for path, value in values.items()}
    return Machine("tiny", "Tiny", "We", "chip", "", numbers)


TINY = machine(compute__bf16_op_per_s=1e12, memory__hbm__byte=1e11, memory__hbm__byte_per_s=1e11, link__byte_per_s=1e10)


def relative_errors(tool, phase, efficiencies):
    """Simulated over listed, minus 1, for every row of Llama 3.1 8B that a tool has on one machine."""
    found = []
    with REFERENCE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if not row["tool"].endswith(tool) or row["phase"] != phase or row["tp"] != "1":
                continue
            bits = {"bf16": 16, "fp8": 8}[row["precision"]]
            precision = Precision(weight_bits=bits, cache_bits=bits)
            make = prefill_step if phase == "prefill" else decode_step
            step = make(decoder("llama-3.1-8b"), int(row["context"]), int(row["batch"]), precision)
            on = read_machine(MACHINES[row["hardware"]])
            time = step_time(step, on, efficiencies)
            found.append(time.time_s * 1e3 / float(row["latency_ms"]) - 1)
    return found


@needs_reference
@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_unfitted_steps_are_within_20_percent_of_measured_kernels_in_the_mean(phase):
    """aiconfigurator 0.12.0 SILICON, kernels of TensorRT-LLM 1.3.0; measured 13 and 17 %, B200 the worst (46 %)."""
    errors = relative_errors("SILICON", phase, typical())
    assert len(errors) == {"prefill": 12, "decode": 16}[phase]
    assert sum(map(abs, errors)) / len(errors) <= 0.20


@needs_reference
def test_bounds_of_decode_are_those_of_another_tool():
    """aiconfigurator's speed of light: measured 0.4 % in the mean, 1.3 % at most."""
    errors = relative_errors("SOL", "decode", PERFECT)
    assert len(errors) == 16
    assert max(map(abs, errors)) <= 0.02


@needs_reference
def test_bounds_of_prefill_are_those_of_another_tool():
    errors = relative_errors("SOL", "prefill", PERFECT)
    assert len(errors) == 12
    assert max(map(abs, errors)) <= 0.10


@pytest.mark.parametrize(("phase", "context", "measured_s"), [("prefill", 5000, 0.40677), ("decode", 5250, 0.01858)])
def test_llama_70b_on_two_h100_is_what_nvidia_measured(phase, context, measured_s):
    """NIM 1.8.0 with FP8 weights, 5000 tokens in and 500 out (decode at the middle of them); nothing is fitted."""
    card = decoder("llama-3.1-70b")
    step = (prefill_step if phase == "prefill" else decode_step)(card, context, 1, EIGHT_BIT)
    time = step_time(step, read_machine("h100"), typical(), devices=2)
    assert time.time_s == pytest.approx(measured_s, rel=0.15)
    assert time.bound == {"prefill": "compute", "decode": "hbm"}[phase]


@pytest.mark.parametrize(
    ("name", "published", "speculation"), [("llama-3.1-70b", 457, 2.4), ("llama-3.1-405b", 129, 4.0)]
)
def test_published_rates_above_the_bound_need_accepted_tokens(name, published, speculation):
    """SN40L x 16 with 16 bits: 25.6 TB/s allow 181 and 31.6 tokens/s, so that several tokens a step are accepted."""
    # The link of a socket is not published; a free one makes the bound higher still.
    socket = read_machine("sn40l")
    linked = {**socket.numbers, "link.byte_per_s": Number(1e30, "assumption", "a test")}
    step = decode_step(decoder(name), 0)
    bound_s = step_time(step, dataclasses.replace(socket, numbers=linked), PERFECT, devices=16).time_s
    assert published * bound_s >= speculation


def test_a_step_by_hand():
    # All of it is memory at 1e11 byte/s; on two machines each moves half, apart from norms and rows of the embedding.
    step = decode_step(decoder("llama-2-7b"), 0)
    alone = step_time(step, TINY, PERFECT)
    assert alone.bound == alone.tier == "hbm"
    assert alone.time_s == pytest.approx(step.byte / 1e11, rel=1e-9)
    two = step_time(step, TINY, dataclasses.replace(PERFECT, all_reduce_s=1e-3, link=0.5), devices=2)
    alike = sum(one.byte * one.count for one in step.operators if one.kind == "elementwise")
    assert two.breakdown_s["hbm"] == pytest.approx((step.byte + alike) / 2 / 1e11)
    assert two.breakdown_s["latency"] == pytest.approx(2 * 32 * 1e-3)
    # Ring of two: each sends one vector of 4096 numbers of 2 bytes per reduction.
    assert two.breakdown_s["link"] == pytest.approx(2 * 32 * 4096 * 2 / (0.5 * 1e10))
    assert sum(two.breakdown_s.values()) == two.time_s


def test_kernels_come_on_top():
    step = decode_step(decoder("llama-2-7b"), 0)
    late = dataclasses.replace(PERFECT, kernel_s=1e-3, kernels_per_layer=3)
    assert step_time(step, TINY, late).time_s == pytest.approx(step_time(step, TINY, PERFECT).time_s + 32 * 3e-3)


def test_a_layer_has_a_least_time():
    card, slow = decoder("llama-2-7b"), dataclasses.replace(PERFECT, layer_s=0.1)
    time = step_time(decode_step(card, 0), TINY, slow)
    assert time.time_s == pytest.approx(3.2)
    assert time.bound == "latency"


@pytest.mark.parametrize(("name", "published"), [("llama-2-7b", 750), ("llama-3.1-8b", 751)])
def test_one_time_per_layer_on_groq_predicts_the_other_models(name, published):
    """Least time of a layer fitted on Llama 2 70B at 300 tokens/s, 576 chips; published tokens/s within 5 %."""
    chip, fitted = read_machine("groq-lpu-v1"), dataclasses.replace(PERFECT, layer_s=1 / 300 / 80)
    time = step_time(decode_step(decoder(name), 2048, 1, EIGHT_BIT), chip, fitted, devices=576)
    assert (time.bound, time.tier) == ("latency", "sram")
    assert 1 / time.time_s == pytest.approx(published, rel=0.05)
    # Without it the roofline promises far more than anyone has seen.
    bare = step_time(decode_step(decoder(name), 2048, 1, EIGHT_BIT), chip, PERFECT, devices=576)
    assert 1 / bare.time_s > 5 * published


def test_what_does_not_fit_says_what_is_missing():
    card = decoder("llama-3.1-70b")
    with pytest.raises(DoesNotFit, match=r"1 x h100 hold 8e\+10 byte .* are missing") as found:
        step_time(decode_step(card, 0), read_machine("h100"), typical())
    assert found.value.missing_byte == pytest.approx(2 * card.parameters + card.cache_byte(1) - 80e9)


def test_the_nearest_memory_that_holds_everything_is_taken():
    both = machine(
        memory__sram__byte=1e9, memory__sram__byte_per_s=1e13, memory__hbm__byte=1e11, memory__hbm__byte_per_s=1e12
    )
    assert placed(both, 1, 1e9).name == "sram"
    assert placed(both, 1, 1.1e9).name == "hbm"
    assert placed(both, 2, 1.1e9).name == "sram"


def test_what_is_not_published_is_named():
    card = decoder("smollm2-135m")
    with pytest.raises(AbsentValue, match=r"'cerebras-cs3' has no compute\.bf16_op_per_s"):
        step_time(decode_step(card, 0), read_machine("cerebras-cs3"), typical())
    with pytest.raises(AbsentValue, match=r"'jaguar-shores' has no memory\.hbm\.byte_per_s"):
        step_time(decode_step(card, 0), read_machine("jaguar-shores"), typical())
    with pytest.raises(AbsentValue, match=r"'sn40l' has no link\.byte_per_s"):
        step_time(decode_step(card, 0), read_machine("sn40l"), typical(), devices=2)


def test_wrong_counts_are_refused():
    card = decoder("smollm2-135m")
    with pytest.raises(ValueError, match="devices is 0; it should be at least 1"):
        step_time(decode_step(card, 0), TINY, PERFECT, devices=0)
    with pytest.raises(ValueError, match="weights of 5 bits are not modelled; there are 16, 8, 4"):
        peak_op_per_s(TINY, 5)


def test_eight_bits_take_the_faster_of_their_formats():
    assert peak_op_per_s(read_machine("b300"), 8) == 4.5e15
    assert peak_op_per_s(read_machine("groq-lpu-v1"), 8) == 7.5e14


@given(
    name=st.sampled_from(sorted(set(decoders()) - {"deepseek-r1"})),
    batch=st.integers(1, 200),
    context=st.integers(0, 8000),
    faster=st.floats(1, 10),
)
def test_faster_memory_and_larger_batches_never_lose(name, batch, context, faster):
    card, rich = decoder(name), {"memory.hbm.byte": Number(1e14, "assumption", "a test")}
    slow = dataclasses.replace(TINY, numbers={**TINY.numbers, **rich})
    bandwidth = Number(1e11 * faster, "assumption", "a test")
    quick = dataclasses.replace(slow, numbers={**slow.numbers, "memory.hbm.byte_per_s": bandwidth})
    here = step_time(decode_step(card, context, batch), slow, typical()).time_s
    assert step_time(decode_step(card, context, batch), quick, typical()).time_s <= here * (1 + 1e-12)
    more = step_time(decode_step(card, context, batch + 1), slow, typical()).time_s
    assert (batch + 1) / more >= batch / here * (1 - 1e-12)
    assert here >= step_time(decode_step(card, context, batch), slow, PERFECT).time_s
