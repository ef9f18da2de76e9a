"""Folders of accuracy runs that never happened, for those who read such runs."""

from pathlib import Path
from typing import Any

from experiments.accuracy_request import checked_engine_file
from experiments.runs import ENVIRONMENT_FILE, RESULT_FILE, RunFolder

POWERS_W = (1e-3, 4e-3, 1.6e-2, 6.4e-2)
# KL = KL_W / power, so that the power for a divergence is known.
KL_W = 1e-3
PHOTONS_PER_W = 5e4


def points(rotate: bool = True, powers_w: tuple[float, ...] = POWERS_W) -> list[dict[str, Any]]:
    """A power law without a plateau; three times the divergence without rotation."""
    return [
        {
            "laser_power_w": power_w,
            "rotate": rotate,
            "kl_nats": KL_W / power_w * (1 if rotate else 3),
            "kl_standard_error_nats": None,
            "loss_increase_nats": 0.01,
            "photons_per_mac": PHOTONS_PER_W * power_w,
            "snr_db": 20.0,
            "energy_per_token_j": 1e-4,
        }
        for power_w in powers_w
    ]


def write_accuracy_run(
    folder: Path,
    engine: str = "free-space-1024",
    overrides: tuple[str, ...] = (),
    *,
    document: dict[str, Any] | None = None,
    result: dict[str, Any] | None = None,
    values: dict[str, Any] | None = None,
) -> Path:
    """A complete run; `document`, `result` and `values` (of the engine) replace parts of it."""
    own = dict(checked_engine_file(engine, overrides).values) | (values or {})
    config: dict[str, Any] = {
        "experiment": "accuracy",
        "options": {
            "task": "perplexity",
            "model": "/somewhere/a-model/",
            "engine": f"/somewhere/{engine}.toml",
            "set": list(overrides),
            "context": 128,
            "seed": 3,
            "generator": "counter",
            "digital": [],
            "dynamic": [],
        },
        "text": {"source": "--text /somewhere/a-text.txt", "sha256": "ab" * 32},
        "model": {"sha256": "cd" * 32},
        "engine": {path: value for path, value in own.items() if value is not None},
    }
    run = RunFolder(folder, config | (document or {}))
    run.open()
    content = {"baseline": {"tokens": 1016}, "inputs_per_tile": 600.0, "points": points() + points(rotate=False)}
    run.write_json(RESULT_FILE, content | (result or {}))
    facts = {
        "date": "2026-11-23T12:00:00+00:00",
        "python": "3.11.7",
        "cpu": "a CPU",
        "cpus": 2,
        "backend": "cpu",
        "platform": "Linux on a-host",
        "command": ["exalight", "accuracy", "--model", "/somewhere/a-model"],
        "packages": {"exalight": "0.1.0", "gone": None},
        "source_sha256": "ef" * 32,
    }
    run.write_json(ENVIRONMENT_FILE, facts)
    return folder
