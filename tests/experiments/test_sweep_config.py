import subprocess
import sys
from pathlib import Path

import pytest

from experiments.sweep_config import SweepConfig, check_options
from tests.experiments.test_cli import refused

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], "one of accuracy, engines, generate"),
        (["engine", "--set", "adc.bits=8"], "did you mean engines?"),
        (["engines"], "--set is missing"),
        (["engines", "--set", "adc.bits=8", "--objective", "snr_db:most"], "and :max where its largest"),
        (["--set", "adc.bits=6,8", "engines"], "an experiment before --set"),
        (["engines", "--set", "adc.bits"], "PATH=VALUES"),
        (["engines", "--set", "adc.bit=8"], "the nearest is 'adc.bits'"),
        (["accuracy", "--set", "token=8"], "the nearest is 'tokens'"),
        (["engines", "--set", "adc.bits=6,,8"], "a value is missing"),
        (["engines", "--set", "adc.bits="], "a value is missing"),
        (["engines", "--set", "adc.bits=6,99"], "a whole number in [2, 12]"),
        (["engines", "--set", "adc.bits=6.5"], "a whole number"),
        (["engines", "--set", "adc.bits=6,8,6"], "6 twice"),
        (["engines", "--set", "adc.bits=8:6:lin3"], "does not rise"),
        (["engines", "--set", "adc.bits=6:8:lgo3"], "LOW:HIGH:log16"),
        (["engines", "--set", "adc.bits=6:8"], "without steps"),
        (["engines", "--set", "laser_power_w=0:1:log4"], "no logarithm at 0"),
        (["engines", "--set", "laser_power_w=1e-3:1:log1"], "has 1 steps"),
        (["engines", "--set", "laser_power_w=1e-3:inf:log3"], "cannot be an end"),
        (["engines", "--set", "laser_power_w=bright"], "a number"),
        (["engines", "--set", "adc.ideal=true:false:lin2"], "true or false"),
        (["engines", "--set", "adc.bits=6", "adc.bits=8"], "adc.bits twice"),
        (["engines", "--set", "optics.insertion_loss_db=1", "optics.transmission=0.5"], "which are the same value"),
        (["engines", "--set", "source.rin_db_per_hz=loud"], "dB/Hz"),
        (["accuracy", "--set", "rotate=sometimes"], "one of both, on, off"),
        (["accuracy", "--set", "seed=1,2"], "--seeds N and --seed S"),
        (["engines", "--set", "engine=nothing"], "unknown engine 'nothing'"),
        (["engines", "--set", "engine="], "a value is missing"),
        (["engines", "--set", "adc.bits=8", "--seeds", "3"], "draws nothing at random"),
        (["engines", "--set", "adc.bits=8", "--instances", "3"], "does not tell instances apart"),
        (["engines", "--set", "adc.bits=8", "--seeds", "0"], "--seeds 0"),
        (["engines", "--set", "adc.bits=8", "--workers", "0"], "--workers 0"),
        (["engines", "--set", "adc.bits=8", "--seed", "-1"], "--seed -1"),
        (["accuracy", "--set", "tokens=256", "--seed", "4294967295", "--seeds", "2"], "seeds end at 4294967295"),
        (["engines", "--set", "adc.bits=8", "--points", "4"], "--points 4"),
        (["engines", "--set", "adc.bits=6,8", "--design", "sobol"], "needs --points"),
        (["engines", "--set", "adc.bits=8", "--design", "random", "--points", "4"], "nothing to draw"),
        (["engines", "--set", "laser_power_w=1e-3:1:log100000", "adc.enob_loss=0:1:lin11"], "the most is 1000000"),
        (["engines", "--set", "adc.bits=8", "--cluster", "host"], "tcp://"),
        (["engines", "--set", "adc.bits=8", "--cluster", "tcp://h:1", "--workers", "2"], "both given"),
        (["engines", "--set", "adc.bits=8", "--out", ""], "--out is empty"),
        (["engines", "--set", "adc.bits=8", "--out", "/proc/nowhere"], "cannot be written"),
        (["engines", "--set", "adc.bits=4", "adc.enob_loss=3.5"], "at least 1 effective bit"),
    ],
)
def test_wrong_requests_are_one_line(capsys, argv, expected):
    assert expected in refused(capsys, "sweep", *argv)


def test_a_refusal_imports_neither_jax_nor_numpy():
    code = (
        "import sys; from experiments.cli import main\n"
        "assert main(['sweep', 'accuracy', '--set', 'adc.bits=6,99']) == 2\n"
        "assert main(['sweep', 'engines', '--set', 'adc.bits=4', 'adc.enob_loss=3.5']) == 2\n"
        "print({'jax', 'numpy', 'polars', 'dask', 'distributed'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"


def test_good_options_pass():
    check_options(SweepConfig(experiment="engines", set=("adc.bits=8",)))
    check_options(SweepConfig(experiment="engines", set=("adc.bits=2:8",), design="sobol", points=8))
