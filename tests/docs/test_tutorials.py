"""The tutorials run from top to bottom and find what they promise."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli import main

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorials"


def run(name: str, *arguments: str) -> str:
    """What a tutorial prints with `--tiny`, in a process of its own as a reader starts it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(TUTORIALS / name), "--tiny", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return done.stdout


def numbers(text: str, line: str) -> list[float]:
    """The numbers of the first line that begins with these words."""
    (found, *_) = re.findall(rf"^\s*{re.escape(line)}(.*)$", text, re.MULTILINE)
    return [float(number) for number in re.findall(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?", found)]


def test_every_tutorial_is_tested():
    assert {path.name for path in TUTORIALS.glob("*.py")} == {
        "gradients.py",
        "your_own_engine.py",
        "your_own_model.py",
    }


@pytest.fixture(scope="module")
def own_engine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that the tutorial wrote, and what it printed."""
    folder = tmp_path_factory.mktemp("own")
    return folder, run("your_own_engine.py", "--out", str(folder))


def test_your_own_engine(own_engine):
    folder, text = own_engine
    assert {path.name for path in folder.iterdir()} == {"my-engine.toml", "power.png"}
    assert "unknown key 'adc.enob_los'; the nearest is 'adc.enob_loss'" in text
    mine_w, catalogue_w = numbers(text, "adc ")
    # 1024 converters at 0.5 GS/s: 6.7 pJ for each of 2^6.9 steps.
    assert mine_w == pytest.approx(1024 * 0.5e9 * 6.7e-12 * 2**6.9, rel=1e-3)
    assert catalogue_w < 1
    # The amplifier that the file describes takes 23.6 mW; its note promises that the model charges about that.
    budget = text.partition("Power at the wall")[2]
    assert numbers(budget, "receiver ")[0] == pytest.approx(1024 * 20.4e-3, rel=0.05)
    (catalogue_db,), (mine_db,) = numbers(text, "catalogue "), numbers(text, "mine  ")
    assert 15 < mine_db < catalogue_db < 30


def test_the_engine_of_the_tutorial_can_be_shown(own_engine, capsys):
    assert main(["engines", str(own_engine[0] / "my-engine.toml")]) == 0
    assert "ADC08D1010" in capsys.readouterr().out


@pytest.mark.slow
def test_the_engine_of_the_tutorial_serves_a_language_model(own_engine, tiny_model_folder, tmp_path, capsys):
    engine = str(own_engine[0] / "my-engine.toml")
    small = ["--model", str(tiny_model_folder), "--tokens", "16", "--context", "16", "--rotate", "off"]
    assert main(["accuracy", "--engine", engine, *small, "--laser-power-w", "0.01", "--out", f"{tmp_path}/out"]) == 0
    assert capsys.readouterr().out.strip().endswith("result.json")


def test_your_own_model():
    text = run("your_own_model.py")
    (digital,) = numbers(text, "digital: loss")[-1:]
    assert digital > 80
    (recovered,) = numbers(text.replace("recovered at", "recovered:"), "recovered:")[-1:]
    assert recovered > 5
    rows = re.findall(r"^ +([\d.e-]+) mW +([\d.]+) % +([\d.]+) %", text, re.MULTILINE)
    assert len(rows) == 4
    before = [float(row[1]) for row in rows]
    assert before[0] < 30  # ten digits: guessing names one in ten
    assert before[-1] > digital - 5


def test_gradients():
    text = run("gradients.py")
    checks = re.findall(r"^ +(\w+) +([-+][\d.]+) +([-+][\d.]+)  (with\w*) rounding$", text, re.MULTILINE)
    assert len(checks) == 6
    for _, gradient, difference, kind in checks[:3]:
        assert kind == "without"
        assert float(gradient) == pytest.approx(float(difference), rel=0.01, abs=2e-4)
    power = checks[3]
    assert power[0] == "laser_power_w" and float(power[1]) == pytest.approx(float(power[2]), rel=0.1)
    saved, over = numbers(text, "saved:")
    assert saved > 10
    assert over == pytest.approx(1.0, abs=0.02)
    assert numbers(text, "the best of")[-1] < 2  # no random design nearby is cheaper by more


def test_a_reader_may_import_them():
    for path in TUTORIALS.glob("*.py"):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert (module.__doc__ or "").count(f"docs/tutorials/{path.name}") == 1
