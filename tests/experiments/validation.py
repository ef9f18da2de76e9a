"""A small file of cases, and the command run on it, for the tests of `exalight validate`."""

import contextlib
import io
from pathlib import Path

from experiments.cli import main

# A case that passes, one that fails, a curve, and one of minutes: nothing that compiles.
CASES = """
[[case]]
id = "murmann"
group = "Converters"
title = "an envelope"
engine = "free-space-1024"
overrides = { adc.energy_model = "murmann", adc.enob_loss = 0.0 }
quantity = "adc_energy"
over = "adc.bits"
published = [[6, 2.676e-13], [10, 4.19e-13]]
tolerance = { relative = 0.01 }
unit = "J"
source = "a survey"
kind = "derived"
confidence = "computed"

[[case]]
id = "engines"
engine = "free-space-1024"
operating_point = { symbol_rate_hz = 2e9 }
quantity = "engines_needed"
arguments = { throughput_op_per_s = 1e18 }
published = 400
tolerance = { absolute = 1.0 }
unit = "1"
source = "a wish"
kind = "vendor"
why = "two passes for each vector"

[[case]]
id = "minutes"
engine = "ideal"
quantity = "photon_energy"
published = 1.0
tolerance = { factor = 2.0 }
unit = "J"
source = "nobody"
kind = "measured"
slow = true
"""
PASSES = CASES.split("[[case]]")[1]


def written(folder: Path, text: str = CASES) -> Path:
    """A file of cases in a folder."""
    path = folder / "cases.toml"
    path.write_text(text, "utf-8")
    return path


def one(change: str = "", without: str = "", text: str = PASSES) -> str:
    """The first case with lines added, and without those that start with a word."""
    lines = [line for line in text.splitlines() if not (without and line.startswith(without))]
    return "\n".join(["[[case]]", *lines, change])


def command(*argv: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `exalight validate`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(["validate", *argv])
    return status, out.getvalue(), err.getvalue()
