import subprocess
import sys

import pytest

from experiments.cli import main


def refused(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    """The one line that a refused request prints."""
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("\n")
    (line,) = captured.err.splitlines()
    assert line.startswith("exalight: ")
    return line


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("exalight 0.")


@pytest.mark.parametrize("argv", [["--help"], ["accuracy", "--help"], ["engines", "-h"], ["generate", "--help"]])
def test_help_names_commands_and_examples(capsys, argv):
    assert main(argv) == 0
    captured = capsys.readouterr()
    assert any(f"exalight {command}" in captured.out for command in ("accuracy", "engines", "generate"))
    assert captured.err == ""


def test_help_states_every_option_with_its_default(capsys):
    assert main(["accuracy", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    options = (
        "task model text data samples engine set laser-power-w tokens context digital rotate panels seed devices out"
    )
    for option in options.split():
        assert f"--{option} " in text
    for default in ("smollm2-135m", "1024", "128", "free-space-1024", "both", "resident"):
        assert f"(default: {default})" in text


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "a command is missing"),
        (["acuracy"], "did you mean accuracy?"),
        (["--tokens", "5"], "exalight COMMAND --tokens"),
        (["accuracy", "--tokns", "5"], "did you mean --tokens?"),
        (["accuracy", "--set"], "--set needs a value"),
        (["accuracy", "--tokens"], "--tokens needs a value"),
        (["accuracy", "--tokens", "five"], "--tokens 'five': expected a whole number"),
        (["accuracy", "--panels", "x"], "--panels 'x'"),
        (["accuracy", "--rotate", "maybe"], "expected one of 'both', 'on', 'off'"),
        (["accuracy", "--laser-power-w", "x"], "--laser-power-w 'x'"),
        (["accuracy", "stray"], "unexpected stray"),
        (["engines", "ideal", "stray"], "unexpected stray"),
        (["engines", "--laser-power-w", "x"], "--laser-power-w 'x'"),
        (["generte"], "did you mean generate?"),
        (["generate", "--prompt"], "--prompt needs a value"),
        (["generate", "--prompt", "Light", "is"], "unexpected is; a prompt of several words needs quotes"),
        (["generate", "--top_q", "1"], "did you mean --top-p?"),
    ],
)
def test_what_cannot_be_parsed_is_one_line(capsys, argv, expected):
    assert expected in refused(capsys, *argv)


def test_repeated_options_add_up(monkeypatch):
    seen = []
    monkeypatch.setattr("experiments.cli._run", lambda config, argv: seen.append(config) or 0)
    argv = (
        "accuracy --set adc.bits=8 --tokens 256 --set dac.bits=6 panel.bits=7 --laser-power-w 0.01 --set=adc.ideal=true"
    )
    assert main([*argv.split(), "--laser-power-w", "0.02"]) == 0
    (config,) = seen
    assert config.set == ("adc.bits=8", "dac.bits=6", "panel.bits=7", "adc.ideal=true")
    assert config.laser_power_w == (0.01, 0.02)
    assert config.tokens == 256


def test_every_prompt_is_one_text(monkeypatch):
    seen = []
    monkeypatch.setattr("experiments.cli._run", lambda config, argv: seen.append(config) or 0)
    argv = ["generate", "--prompt", "- a list", "--set", "adc.bits=8", "--prompt=--dashes", "--set", "dac.bits=6"]
    assert main([*argv, "--prompt", "-1.5 degrees"]) == 0
    (config,) = seen
    assert config.prompt == ("- a list", "--dashes", "-1.5 degrees")
    assert config.set == ("adc.bits=8", "dac.bits=6")


def test_a_failure_is_not_blamed_on_the_request(monkeypatch, capsys):
    def fail(config, argv):
        raise ValueError("broken")

    monkeypatch.setattr("experiments.cli._run", fail)
    assert main(["engines"]) == 1
    assert "Traceback" in capsys.readouterr().err


HEAVY = ("jax", "flax", "numpy", "matplotlib", "polars")


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["--help"], 0),
        (["engines"], 0),
        (["accuracy", "--laser-power-w", "-1"], 2),
        (["accuracy", "--engine", "free-space-1204"], 2),
        (["accuracy", "--text", "no/such/file"], 2),
        (["generate", "--prompt", "Light is", "--engine", "free-space-1204"], 2),
    ],
)
def test_answers_without_heavy_imports(argv, status):
    code = (
        f"import sys; from experiments.cli import main; status = main({argv!r}); "
        f"print(status, sorted(set(sys.modules) & set({HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == f"{status} []"


def test_a_refusal_is_short_whatever_it_quotes(capsys):
    line = refused(capsys, "accuracy", *["9" * 5000] * 3)
    assert len(line) < 6000
