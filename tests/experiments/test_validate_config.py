"""Options of `exalight validate` that are wrong whatever the files hold."""

import subprocess
import sys

import pytest

from tests.experiments.validation import command, written


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--only", "("], "--only '(' is not a regular expression"),
        (["--cases", ""], "--cases is empty"),
        (["--mnist", ""], "--mnist is empty"),
        (["--list", "--out", "x"], "--out"),
        (["--case", "x"], "did you mean --cases?"),
        (["--cases", "no/such/file.toml"], "cannot be read (No such file or directory)"),
        (["--mnist", "no/such/folder"], "holds no train-images-idx3-ubyte"),
    ],
)
def test_wrong_options_are_one_line(argv, expected):
    status, out, err = command(*argv)
    assert status == 2 and out == "" and err.count("\n") == 1
    assert expected in err


def test_a_pattern_that_finds_nothing_names_what_there_is(tmp_path):
    status, _, err = command("--cases", str(written(tmp_path)), "--only", "nothing")
    assert status == 2 and "murmann, engines, minutes" in err


def test_refusals_and_lists_need_no_jax(tmp_path):
    for argv in (["--only", "nothing"], ["--list"]):
        code = (
            f"import sys; from experiments.cli import main; main({['validate', *argv]!r}); "
            "print(sorted(set(sys.modules) & {'jax', 'flax', 'numpy', 'matplotlib', 'polars'}))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.splitlines()[-1] == "[]"
