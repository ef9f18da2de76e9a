"""What is printed after a projection: sentences for every outcome, and numbers as people read them."""

import pytest

from experiments.scaling_summary import _percent, of_year, print_summary
from tests.experiments.scaling_result import joint, scaling_result, single


@pytest.fixture
def printed(capsys):
    def of(result) -> str:
        print_summary(result)
        return " ".join(capsys.readouterr().out.split())

    return of


def reached(result, share: float) -> None:
    for row in result["years"]:
        row["probability_of_target"] = share


def test_some_samples_reach_the_target(printed):
    words = printed(scaling_result())
    for sentence in (
        "llama-3.1-70b:prefill:8192 on free-space-2048, 2029",
        "2e+04 electrons per path at full scale keep smollm2-135m within 0.1 nats of its digital self at 8/8 bits; "
        "photons per MAC held.",
        "The projected engine differs from the measured one: source.count: 1024 -> 2048.",
        "Target: 0.01 exaOPS in 10 kW (1 TOPS/W, 1 pJ per operation) in 2029: reached by 25 % of 1000 samples (+- 2).",
        "Median: 0.5 TOPS/W delivered, 20 at peak; panels are busy 3.1 % of the time. With the building's cooling 0.4.",
        "Power near the median goes to: laser 70 %, host 20 %, power supply 9.5 %, adc 0.5 %.",
        "Attention stays digital: 7.3 % of the operations, 4 fJ for each delivered one, 0.4 % of what the target "
        "allows.",
        "What decides: panel.reload_time_s (47 % of the variance, elasticity -0.97); factor.panel_technology (45 % of "
        "the variance).",
        # The most likely first.
        "Alone enough, the rest at the median: panel.reload_time_s 0.0001 s (x0.1) (as likely as 25 %), "
        "optics.transmission 0.8 (x1.2) (as likely as 2 %).",
        "Least joint effort for 50 %: 5 standard deviations together: panel.reload_time_s x0.01, optics.transmission "
        "x1.2.",
        "Least joint effort for 90 %: 7 standard deviations together: ",
        "Walls: 0.8 engines have the target as their peak; this workload needs 40 in 20 kW, and 600 Gbyte/s from "
        "weight memory. Its weights fill 16892 panels.",
        "A panel is written in 1 ms: to be busy half of the time it must see 5e+05 vectors between two loads (61 "
        "prompts), or be written in 16 us.",
        "3.5 fJ of light per operation, at most 286 TOPS/W with parts that lose nothing: photons allow the target.",
        "Conventional chips in 2029, peak at the wall: 8 (8-bit, 4 to 16), 8 (4-bit, 4 to 16) TOPS/W; compare with "
        "peak.",
        "2029 0.05 0.5 5 20 8 2 pJ 3.1 % 25 %",
        "64 prompts at once 12.5 25 20 78 %",
        "all of these 50 100 20 99.8 %",
    ):
        assert sentence in words
    for other in ("source is too weak", "takes up more light", "engines in the median", "No parameter", "forbid"):
        assert other not in words


def test_no_sample_reaches_the_target(printed):
    result = scaling_result()
    reached(result, 0.0)
    result["requirements"] = {
        "single": [single("panel.reload_time_s", None, None, 0.0, 0.9), single("a.b", None, None, 0.0, 0.6)],
        "joint": [joint(0.5, 12.0), joint(0.9, reached=False)],
    }
    words = printed(result)
    assert "reached by no sample of 1000 (below 0.003 with 95 % confidence)." in words
    assert "No parameter reaches the target alone; the furthest, panel.reload_time_s, gets to 0.9 TOPS/W." in words
    assert "Least joint effort for 50 %: 12 standard" in words
    assert "No joint change that we searched gives 90 % of the samples the target; the best reaches 3.1 %." in words


def test_every_sample_reaches_the_target(printed):
    result = scaling_result()
    reached(result, 1.0)
    result["requirements"] = {
        "single": [single("panel.reload_time_s", 1e-3, 1.0, 0.5)],
        "joint": [joint(0.5, 0.0), joint(0.9, 0.0)],
    }
    words = printed(result)
    assert "reached by every sample of 1000 (above 0.997 with 95 % confidence)." in words
    assert "With every parameter at its median the target is reached." in words and "Alone enough" not in words
    assert "50 % of the samples reach the target as it is. 90 % of the samples reach" in words
    assert "2 pJ 3.1 % 100 %" in words


def test_physics_forbids_the_target(printed):
    result = scaling_result()
    result["bound"]["forbids_target"] = True
    assert "at most 286 TOPS/W with parts that lose nothing: photons forbid the target." in printed(result)
    result["attention"]["target_energy_per_op_j"] = 1e-16
    assert "4000 % of what the target allows" in printed(result)


def test_full_matrices_have_neither_attention_nor_prompts(printed):
    result = scaling_result()
    result["config"]["workload"] = "dense"
    result["attention"].update(share_of_ops=0.0, energy_per_op_j=0.0)
    result["walls"].update(weight_byte_per_s=0.0, weight_byte_per_batch=0.0, panels_resident=1)
    for row in result["walls"]["reload"]:
        row.update(prompts=None, load_time_needed_s=None)
    result["what_if"] = [row for row in result["what_if"] if "prompts" not in row["change"]]
    words = printed(result)
    assert "dense on free-space-2048" in words and "nothing from weight memory. Its weights fill 1 panel." in words
    assert "Attention" not in words and "prompts" not in words and "written in" not in words


def test_what_a_reader_should_not_miss(printed):
    result = scaling_result()
    result["config"]["photons"] = "per-dot-product"
    for row in result["years"]:
        row.update(engines_p50=0.2, rate_limited_share=0.622, overheated_share=0.08)
    words = printed(result)
    assert "The power feeds 0.2 engines in the median, less than one: give more --power-w." in words
    assert "photons per dot product held (a claim)." in words
    assert "In 62 % of the samples a source is too weak for the symbol rate" in words
    assert "In 8 % a panel takes up more light than the engine says that it bears" in words


def test_the_year_is_that_of_the_target():
    result = scaling_result()
    result["config"]["year"] = 2031
    assert of_year(result)["year"] == 2031


def test_many_moves_are_counted(printed):
    result = scaling_result()
    moved = {f"part.number_{i}": {"steps": 9.0 - i, "value": 1.0, "factor": 2.0} for i in range(9)}
    result["requirements"]["joint"][0]["parameters"] = moved
    result["requirements"]["single"] = [single(f"part.number_{i}", 1.0, 2.0, i / 10) for i in range(9)]
    words = printed(result)
    assert "part.number_5 x2, and 3 smaller moves." in words
    assert "median: part.number_8 1 (x2) (as likely as 80 %)" in words and ", and 3 that are less likely." in words


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, "0 %"), (0.0213, "2.1 %"), (0.0025, "0.25 %"), (0.984, "98 %"), (0.9985, "99.8 %"), (1.0, "100 %")]
    + [(1.234, "123 %"), (40.29, "4029 %"), (9.996, "1000 %"), (-0.001, "-0.1 %")],
)
def test_shares_are_told_as_percent(share, expected):
    assert _percent(share) == expected
