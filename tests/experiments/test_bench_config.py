"""Options of `exalight bench` that are refused, in one line, without JAX."""

import dataclasses
import subprocess
import sys

import pytest

from experiments.bench_config import BenchConfig, check_options, shape
from experiments.cli import main
from experiments.errors import RequestError


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"pairs": 2}, "--pairs 2: quartiles need at least 3 pairs"),
        ({"shapes": ("512x1024",)}, "--shapes 512x1024: give MxKxN"),
        ({"shapes": ("0x4x4",)}, "--shapes 0x4x4"),
        ({"shapes": ("512 x 4 x 4",)}, "--shapes 512 x 4 x 4"),
        ({"shapes": ("1x99999x99999",)}, "no matrix may have more than 268435456 elements (1 GiB)"),
        ({"shapes": ("4x4x4", "4x4x4")}, "the same shape twice"),
        ({"cases": "("}, "--cases '(' is not a regular expression"),
        ({"seed": -1}, "--seed -1"),
        ({"engine": ""}, "--engine is empty"),
        ({"out": ""}, "--out is empty"),
    ],
)
def test_wrong_options_are_refused(values, expected):
    with pytest.raises(RequestError) as refusal:
        check_options(dataclasses.replace(BenchConfig(), **values))
    assert expected in str(refusal.value)


def test_the_defaults_are_right():
    check_options(BenchConfig())
    assert [shape(text) for text in BenchConfig().shapes] == [(512, 1024, 1024), (512, 768, 3072)]
    assert BenchConfig().pairs >= 15


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--pairs", "1"], "--pairs 1"),
        (["--cases", "no-such-case"], "the cases are integer, integer-rotated, catalogued"),
        (["--engine", "free-space-1204"], "free-space-1024"),
        (["--set", "adc.bit=8"], "adc.bits"),
        (["--shapes"], "--shapes needs a value"),
        (["--par", "3"], "did you mean --pairs?"),
        (["--cases", "model", "--model", "no/such/folder"], "no/such/folder"),
    ],
)
def test_a_wrong_request_is_one_line(capsys, argv, expected):
    assert main(["bench", *argv]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("exalight: ") and expected in line


def test_a_refusal_needs_no_jax():
    code = (
        "import sys; from experiments.cli import main; status = main(['bench', '--set', 'adc.bits=99']); "
        "print(status, sorted(set(sys.modules) & {'jax', 'flax', 'numpy', 'matplotlib', 'polars'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "2 []"
