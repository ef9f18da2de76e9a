from experiments.accuracy_summary import print_summary
from tests.experiments.synthetic import result


def summary(capsys, content) -> str:
    print_summary(content)
    return capsys.readouterr().out


def test_summary_tells_the_story(capsys):
    text = summary(capsys, result())
    assert max(map(len, text.splitlines())) <= 100
    flat = " ".join(text.split())
    for expected in (
        "digital baseline: perplexity 21.00 (3.045 nats) on 1016 tokens",
        "159 mW *",
        "* more than one source can give (100 mW)",
        "Without rotation it takes 3.3 times the light",
        "set by ADC noise beyond rounding",
        "per token: source",
        "H100 INT8",
    ):
        assert expected in flat


def test_what_was_not_reached_is_said(capsys):
    content = result((0.001, 0.002))
    flat = " ".join(summary(capsys, content).split())
    assert "0.02 nats: not reached" in flat
    assert "What rotation saves cannot be told" in flat


def test_light_that_still_limits_is_said(capsys):
    content = result()
    content["plateau"][0]["set_by"] = "shot and readout noise"
    assert "(more light still helps)" in " ".join(summary(capsys, content).split())


def test_overflow_is_said(capsys):
    content = result()
    content["points"][0]["perplexity"] = None
    assert "overflow" in summary(capsys, content)
