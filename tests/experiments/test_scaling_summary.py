"""What `exalight scaling` prints agrees with its result."""

from experiments.scaling_summary import of_year, print_summary
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
