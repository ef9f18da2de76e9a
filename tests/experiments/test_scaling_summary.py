"""What `exalight scaling` prints agrees with its result."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from experiments.scaling_summary import _percent, of_year, print_summary
from tests.experiments.scaled import easy


def test_the_summary_says_what_the_result_holds(capsys):
    result = easy().result
    print_summary(result)
    printed = " ".join(capsys.readouterr().out.split())
    row = of_year(result)
    assert f"Median: {row['tops_per_w_p50']:.3g} TOPS/W delivered, {row['peak_tops_per_w_p50']:.3g} at peak" in printed
    assert f"{100 * row['probability_of_target']:.2g} % of 400 samples" in printed
    assert "0.0035 exaOPS in 10 kW (0.35 TOPS/W" in printed
    for joint in result["requirements"]["joint"]:
        assert f"Least joint effort for {100 * joint['probability']:.0f} %: {joint['effort']:.2g} standard" in printed
    assert "Alone enough, the rest at the median:" in printed and "photons allow the target" in printed
    assert "all of these" in printed and "Attention stays digital: 7.3 %" in printed
    for year in result["years"]:
        assert f"{year['year']} {year['tops_per_w_p05']:.3g} {year['tops_per_w_p50']:.3g}" in printed


def test_less_than_one_engine_is_said(capsys):
    result = dict(easy().result)
    result["years"] = [{**row, "engines_p50": 0.25} for row in result["years"]]
    print_summary(result)
    assert "feeds 0.25 engines in the median, less than one" in " ".join(capsys.readouterr().out.split())


@pytest.fixture
def result() -> dict[str, Any]:
    """A result that a test may change."""
    return copy.deepcopy(easy().result)


@pytest.fixture
def printed(capsys) -> Callable[[dict[str, Any]], str]:
    def of(result: dict[str, Any]) -> str:
        print_summary(result)
        return " ".join(capsys.readouterr().out.split())

    return of


def with_probability(result: dict[str, Any], share: float) -> None:
    for row in result["years"]:
        row["probability_of_target"] = share


def test_the_most_likely_way_alone_comes_first(result, printed):
    best = max(result["requirements"]["single"], key=lambda row: row["probability"])
    assert f"Alone enough, the rest at the median: {best['path']} " in printed(result)


def test_no_sample_reaches_the_target(result, printed):
    with_probability(result, 0.0)
    single, (half, most) = result["requirements"]["single"], result["requirements"]["joint"]
    for index, row in enumerate(single):
        row.update(value=None, factor=None, steps=None, probability=0.0, best_tops_per_w=0.01 * (1 + index % 7))
    single[3]["best_tops_per_w"] = 0.299
    most.update(reached=False, achieved_probability=0.031)
    words = printed(result)
    assert "reached by no sample of 400 (below 0.0075 with 95 % confidence)." in words
    assert f"No parameter reaches the target alone; the furthest, {single[3]['path']}, gets to 0.299 TOPS/W." in words
    assert f"Least joint effort for 50 %: {half['effort']:.2g} standard" in words
    assert "No joint change that we searched gives 90 % of the samples the target; the best reaches 3.1 %." in words


def test_every_sample_reaches_the_target(result, printed):
    with_probability(result, 1.0)
    for row in result["requirements"]["single"]:
        row.update(value=row["median"], factor=1.0, steps=0.0, probability=0.5)
    for joint in result["requirements"]["joint"]:
        joint.update(effort=0.0)
        for one in joint["parameters"].values():
            one.update(steps=0.0, factor=1.0)
    words = printed(result)
    assert "reached by every sample of 400 (above 0.9925 with 95 % confidence)." in words
    assert "With every parameter at its median the target is reached." in words and "Alone enough" not in words
    assert "50 % of the samples reach the target as it is. 90 % of the samples reach" in words
    assert " 100 % " in words and "e+02 %" not in words


def test_a_forbidden_target_is_said_first(result, printed):
    result["target"]["forbidden_by_physics"] = result["bound"]["forbids_target"] = True
    result["bound"]["tops_per_w"] = 286.0
    result["attention"].update(energy_per_op_j=4e-15, target_energy_per_op_j=1e-16)
    words = printed(result)
    assert words.index("Physics forbids the target: photons alone allow 286 TOPS/W") < words.index("Target: ")
    assert "at most 286 TOPS/W with parts that lose nothing: photons forbid the target." in words
    assert "4000 % of what the target allows" in words


def test_full_matrices_have_neither_attention_nor_prompts(result, printed):
    result["attention"].update(share_of_ops=0.0, energy_per_op_j=0.0)
    result["walls"].update(weight_byte_per_s=0.0, panels_resident=1, reloads=False, link_share=0.3)
    for row in result["walls"]["reload"]:
        row.update(prompts=None, load_time_needed_s=None)
    words = printed({**result, "what_if": result["what_if"][:1]})
    assert "nothing from weight memory. Its weights fill 1 panel." in words
    assert "Engines wait for links 30 % of the time." in words
    for other in ("Attention", "prompts", "is written in", "Partial sums"):
        assert other not in words


def test_a_claim_and_what_is_overrun_are_named(result, printed):
    result["config"]["photons"] = "per-dot-product"
    of_year(result).update(rate_limited_share=0.622, overheated_share=0.08)
    words = printed(result)
    assert "photons per dot product held (a claim)." in words
    assert "In 62 % of the samples a source is too weak for the symbol rate" in words
    assert "In 8 % a panel takes up more light than the engine says that it bears" in words


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (-0.001, "-0.1 %"),
        (0.0, "0 %"),
        (0.0025, "0.25 %"),
        (0.0213, "2.1 %"),
        (0.984, "98 %"),
        (0.998, "99.8 %"),
        (1.0, "100 %"),
        (1.234, "123 %"),
        (9.996, "1000 %"),
        (40.29, "4029 %"),
    ],
)
def test_shares_are_told_as_percent(share, expected):
    assert _percent(share) == expected
