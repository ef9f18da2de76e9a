"""One run of `exalight scaling` with an easy target, shared by the tests of what it says."""

import functools
import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from experiments.scaling import run_scaling
from experiments.scaling_config import ScalingConfig
from experiments.scaling_model import Model, model_of
from experiments.scaling_request import ScalingRequest, check_request

# 0.35 TOPS/W, a little above the median machine of 2029: some samples reach it, and a few parameters do so alone.
EASY = {"samples": 400, "target_ops": 3.5e15, "seed": 3}


class Run(NamedTuple):
    """A finished run and what it came from."""

    folder: Path
    request: ScalingRequest
    model: Model
    result: dict[str, Any]


def scaled(folder: Path, **options: Any) -> Run:
    """A run into a folder."""
    request = check_request(ScalingConfig(**{**EASY, **options, "out": str(folder)}))
    path = run_scaling(request, ["scaling"])
    return Run(folder, request, model_of(request), json.loads(path.read_text("utf-8")))


@functools.cache
def easy() -> Run:
    """The run that most tests look at, with figures."""
    return scaled(Path(tempfile.mkdtemp(prefix="exalight-scaled-")) / "run")
