"""Options of `exalight scaling` that are wrong whatever the files hold."""

import dataclasses
import subprocess
import sys

import pytest

from experiments.cli import main
from experiments.errors import RequestError
from experiments.scaling_config import ScalingConfig, check_options


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e25, 1e-25])
@pytest.mark.parametrize("name", ["power_w", "target_ops", "kl_nats"])
def test_numbers_are_finite_and_above_zero(name, value):
    with pytest.raises(RequestError, match=f"^--{name.replace('_', '-')} .*: give a number above 0"):
        check_options(dataclasses.replace(ScalingConfig(), **{name: value}))


@pytest.mark.parametrize("ends", [(100, 99), (1_000_000, 1_000_001)])
def test_samples_have_ends(ends):
    inside, outside = ends
    check_options(ScalingConfig(samples=inside))
    with pytest.raises(RequestError, match=f"--samples {outside}: give a whole number from 100 to 1000000"):
        check_options(ScalingConfig(samples=outside))


@pytest.mark.parametrize("name", ["roadmap", "engine", "workload", "accuracy", "out"])
def test_empty_texts_are_unset_variables(name):
    with pytest.raises(RequestError, match=f"--{name} is empty"):
        check_options(dataclasses.replace(ScalingConfig(), **{name: ""}))


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_fit_a_key(seed):
    with pytest.raises(RequestError, match=f"--seed {seed}"):
        check_options(ScalingConfig(seed=seed))


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--year", "2029.5"], "--year '2029.5': expected a whole number"),
        (["--power-w", "ten"], "--power-w 'ten': expected a number"),
        (["--photons", "per-mat"], "expected one of 'per-mac', 'per-dot-product'"),
        (["--idle", "dim"], "expected one of 'lit', 'dark'"),
        (["--rodmap", "x"], "did you mean --roadmap?"),
        (["--set"], "--set needs a value"),
        (["stray"], "unexpected stray"),
    ],
)
def test_what_cannot_be_parsed_is_one_line(capsys, argv, expected):
    assert main(["scaling", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert expected in captured.err


def test_help_states_every_option_with_its_default(capsys):
    assert main(["scaling", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for field in dataclasses.fields(ScalingConfig):
        assert f"--{field.name.replace('_', '-')}" in text
    for default in ("free-space-2048", "2029", "10000.0", "1e+18", "llama-3.1-70b:prefill:8192", "per-mac", "lit"):
        assert f"(default: {default})" in text


def test_repeated_sets_add_up(monkeypatch):
    seen = []
    monkeypatch.setattr("experiments.cli._run", lambda config, argv: seen.append(config) or 0)
    argv = "scaling --set adc.enob_loss=1 --bits-x 6 --set links.bytes_per_s=1e12 --no-plot"
    assert main(argv.split()) == 0
    (config,) = seen
    assert config.set == ("adc.enob_loss=1", "links.bytes_per_s=1e12")
    assert (config.bits_x, config.bits_w, config.plot) == (6, 8, False)


@pytest.mark.parametrize(
    ("argv", "status"),
    [
        (["--help"], 0),
        (["--kl-nats", "0"], 2),
        (["--engine", "free-space-2049"], 2),
        (["--set", "links.byte_per_s=1"], 2),
        (["--out", __file__], 2),
    ],
)
def test_refusals_and_help_need_no_jax(argv, status):
    code = (
        f"import sys; from experiments.cli import main; status = main({['scaling', *argv]!r}); "
        "print(status, sorted(set(sys.modules) & {'jax', 'flax', 'numpy', 'scipy', 'matplotlib', 'polars'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == f"{status} []"
    assert len(done.stderr.splitlines()) == (1 if status else 0)
