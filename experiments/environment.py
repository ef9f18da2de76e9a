"""What a result was computed with: versions, machine, source revision, command."""

import datetime
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
_OURS = ("photonics", "models", "calibration", "experiments")
_PACKAGES = (
    "exalight",
    "jax",
    "jaxlib",
    "flax",
    "numpy",
    "polars",
    "matplotlib",
    "tokenizers",
    "gguf",
    "safetensors",
    "tyro",
    "rich",
)
# Libraries whose version may change numbers.
_NUMERIC = ("jax", "jaxlib", "flax", "numpy", "tokenizers", "gguf", "safetensors")


def environment(command: Sequence[str], seed: int, backend: str) -> dict[str, Any]:
    """Facts for `environment.json`; `command` without the program name, `backend` as JAX calls it."""
    return {
        "command": ["exalight", *command],
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "backend": backend,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "packages": versions(_PACKAGES),
        "git": git_revision(),
        "source_sha256": source_hash(),
    }


def stamp() -> str:
    """What finished points must agree on to be used again: our source, the numerical libraries, Python."""
    parts = [source_hash(), sys.version.split()[0], *(f"{name}={v}" for name, v in versions(_NUMERIC).items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def versions(packages: Sequence[str]) -> dict[str, str | None]:
    """Installed versions by distribution name, None for what is not installed; imports none of them."""
    found: dict[str, str | None] = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


@functools.cache
def source_hash() -> str:
    """SHA-256 over all files of the four packages that decide numbers (Python and TOML), by name and content.

    Once per process: what it runs was read when it started.
    """
    digest = hashlib.sha256()
    for package in _OURS:
        for path in sorted((_ROOT / package).rglob("*")):
            if path.suffix in (".py", ".toml"):
                digest.update(f"{path.relative_to(_ROOT).as_posix()}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def git_revision() -> dict[str, Any] | None:
    """Commit and whether the checkout differs from it; None outside a checkout of ours or without git."""
    if not (_ROOT / ".git").exists():
        return None
    commit = _git("rev-parse", "HEAD")
    status = _git("status", "--porcelain")
    if status is None:
        return None
    return {"commit": commit, "dirty": bool(status)}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
