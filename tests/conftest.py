"""Settings and fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Read by JAX when it is first imported; a NaN in any compiled result then raises where it appears.
os.environ.setdefault("JAX_DEBUG_NANS", "1")

settings.register_profile("exalight", max_examples=15, deadline=None, derandomize=True, database=None)
settings.load_profile("exalight")


@pytest.fixture(scope="session")
def tiny_model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder with a random two-layer model of width 32 over bytes; shared, so only read from it."""
    from tests.models.transformer.tiny_folder import write_folder

    return write_folder(tmp_path_factory.mktemp("tiny-model"))


@pytest.fixture(scope="session")
def smollm2():
    """SmolLM2-135M as `load_model` gives it, or a skip; shared, so `nnx.clone` its model before changing it."""
    from models.transformer.load import SMOLLM2, check_source, load_model

    try:
        checkpoint = check_source(SMOLLM2)
    except ValueError as error:
        pytest.skip(str(error))
    return load_model(checkpoint)
