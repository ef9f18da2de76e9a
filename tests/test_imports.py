"""Who may import whom, which names a module may have, and what must answer without JAX."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("photonics", "models", "calibration", "experiments")

# What of ours the modules of a package may import; the longest prefix of a module's name counts.
ALLOWED = {
    "photonics": {"photonics"},
    "models": {"models"},
    "models.transformer": {"models.transformer"},
    "models.encoder": {"models.encoder", "models.transformer"},
    "models.vision": {"models.vision", "models.encoder", "models.transformer"},
    "models.hardware": {"models.hardware", "photonics"},
    "models.serving": {"models.serving", "models.hardware"},
    "calibration": {"calibration", "photonics", "models"},
    "experiments": set(PACKAGES),
    # What is not a package of ours: scripts beside them.
    "": set(PACKAGES) - {"experiments"},
}
FLAX_ALLOWED = ("photonics.layers", "models", "calibration", "experiments", "benchmarks", "docs.tutorials")
ROOMS_WITHOUT_A_NAME = {"util", "utils", "common", "helper", "helpers", "misc"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, module: str, is_package: bool = False) -> Iterator[str]:
    """Full names that a module imports, at any depth of the code, under TYPE_CHECKING and by literal name too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = module.split(".")[: len(module.split(".")) - node.level + is_package]
                base = ".".join([*parents, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def violations(source: str, module: str, is_package: bool = False) -> list[str]:
    prefix = max((name for name in ALLOWED if is_in(module, name)), key=len, default="")
    found = []
    for name in imported(source, module, is_package):
        ours = name.partition(".")[0] in PACKAGES
        if ours and not any(is_in(name, allowed) for allowed in ALLOWED[prefix]):
            found.append(name)
        if is_in(name, "flax") and not any(is_in(module, allowed) for allowed in FLAX_ALLOWED):
            found.append(name)
        if is_in(name, "tests"):
            found.append(name)
    return found


def sources() -> list[Path]:
    """Every Python file that is ours, tests left out."""
    folders = [*PACKAGES, "docs", "benchmarks"]
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def test_every_import_is_allowed():
    assert {path.relative_to(ROOT).parts[0] for path in sources()} >= set(PACKAGES)
    found = {
        str(path.relative_to(ROOT)): broken
        for path in sources()
        if (broken := violations(path.read_text("utf-8"), module_name(path), path.name == "__init__.py"))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("module", "source", "name"),
    [
        ("photonics.engine", "import models.transformer.config", "models.transformer.config"),
        ("photonics.engine", "from flax import nnx", "flax.nnx"),
        ("photonics.cost", "def f():\n    import calibration", "calibration"),
        ("photonics.layers.seams", "from models import transformer", "models.transformer"),
        ("models.transformer.model", "from photonics.engine import Engine", "photonics.engine.Engine"),
        ("models.transformer.load", "from models.hardware import device", "models.hardware.device"),
        ("models.transformer.load", "from ..hardware import device", "models.hardware.device"),
        ("models.serving.phases", "import photonics", "photonics"),
        ("models.encoder.model", "from photonics.engine import Engine", "photonics.engine.Engine"),
        ("models.encoder.load", "import models.vision.config", "models.vision.config"),
        ("calibration.ranges", "if TYPE_CHECKING:\n    from experiments.runs import Run", "experiments.runs.Run"),
        ("models.hardware.optical", "import experiments", "experiments"),
        ("benchmarks.product", "from experiments import cli", "experiments.cli"),
        ("docs.make_hardware", "import importlib\nimportlib.import_module('experiments.cli')", "experiments.cli"),
        ("experiments.cli", "from tests.conftest import smollm2", "tests.conftest.smollm2"),
    ],
)
def test_a_forbidden_import_is_seen(module, source, name):
    assert violations(source, module) == [name]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("photonics.layers.seams", "from flax import nnx\nfrom photonics.engine import Engine\nimport jax"),
        ("models.hardware.optical", "import photonics\nfrom . import device"),
        ("models.transformer.model", "from .config import TransformerConfig\nfrom models.transformer.stack import x"),
        ("calibration.ranges", "from photonics.layers import calibrate\nimport models.transformer.model"),
        ("experiments.accuracy", "import calibration, photonics\nfrom models.transformer import load"),
    ],
)
def test_an_allowed_import_is_let_pass(module, source):
    assert violations(source, module) == []


def test_relative_imports_of_a_package_start_at_itself():
    assert list(imported("from .engine import Engine", "photonics", is_package=True)) == ["photonics.engine.Engine"]
    assert list(imported("from . import engine", "photonics.cost")) == ["photonics.engine"]
    assert list(imported("from .. import x", "models.transformer.load")) == ["models.x"]


def test_no_module_is_a_room_without_a_name():
    folders = [*PACKAGES, "tests", "docs", "benchmarks"]
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_dir() or path.suffix == ".py"]
    assert len(paths) > 100
    assert [path for path in paths if path.stem in ROOMS_WITHOUT_A_NAME] == []


@pytest.mark.parametrize("module", ["photonics", "photonics.catalogue", "models.transformer.load", "experiments.cli"])
def test_what_refuses_a_request_needs_no_jax(module):
    code = f"import sys, {module}; print(*sorted({{'jax', 'flax', 'numpy', 'matplotlib'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = set(done.stdout.split())
    assert not heavy & {"jax", "flax", "matplotlib"}
