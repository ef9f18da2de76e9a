import re
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.devices import Devices
from experiments.errors import RequestError

ROOT = Path(__file__).parents[2]


def test_one_device_moves_nothing():
    one = Devices.chosen(1)
    tree = {"a": np.zeros((3, 2))}
    assert one.on_all(tree) is tree
    assert one.spread(tree) is tree
    assert (len(one), one.rows(3)) == (1, 3)


def test_more_devices_than_there_are():
    there = len(jax.devices())
    with pytest.raises(RequestError, match=f"JAX sees {there} "):
        Devices.chosen(there + 1)
    assert len(Devices.chosen("all")) == there


def test_a_batch_is_filled_up_to_divide():
    assert [Devices((None,) * 4).rows(count) for count in (1, 4, 5, 8)] == [4, 4, 8, 8]


@pytest.fixture(scope="module")
def compared(tiny_model_folder: Path) -> dict[str, str]:
    """What the comparison of one device with three prints, two sequences on each of three for six windows."""
    options = ["--devices", "3", "--model", str(tiny_model_folder), "--tokens", "40", "--context", "8"]
    # Without crosstalk and fixed errors, which are slow to compile.
    for switch in ("optics.crosstalk", "panel.fixed_pattern"):
        options += ["--set", f"{switch}=false"]
    done = subprocess.run(
        [sys.executable, "-m", "experiments.compare_devices", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.rsplit(": ", 1) for line in done.stdout.splitlines())


def test_draws_are_the_same_on_many_devices(compared):
    assert compared["devices"] == "3"
    assert re.fullmatch(r"0 of [1-9]\d+", compared["draws that differ"])


def test_outputs_are_the_same_but_for_single_steps(compared):
    flips = [value for name, value in compared.items() if name.endswith("differ by a step")]
    assert len(flips) == 2
    for value in flips:
        share = float(value.split("(")[1].rstrip(")"))
        # Rounding moves a sum by about 1e-6 of the range, a thousandth of a step.
        assert share < 1e-3
    assert min(float(value) for name, value in compared.items() if name.endswith("with other keys")) > 0.1
    largest = [float(value) for name, value in compared.items() if name.endswith("in steps")]
    # Two tiles of two conversions each.
    assert max(largest) < 2.1


def test_sequences_are_spread_and_stay_apart(compared):
    # Five windows, filled up to six.
    assert compared["model, sequences on each device"] == "2 2 2"
    assert compared["model, tokens"] == str(5 * 7)
    assert {value for name, value in compared.items() if name.endswith("collectives")} == {"none"}
    one, other = map(float, compared["model, mean divergence on one device and on all [nats]"].split(" and "))
    # Other draws would move it by a tenth.
    assert other == pytest.approx(one, rel=0.02)
