"""From the options of `exalight finetune` to a request that can be met; refuses all others, without JAX."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.accuracy_request import checked_model, engine_at, options
from experiments.errors import RequestError
from experiments.finetune_config import FinetuneConfig, check_options
from experiments.runs import CONFIG_FILE, RunFolder, short_hash

if TYPE_CHECKING:
    from models.transformer.checkpoint import Checkpoint
    from photonics.catalogue import EngineFile

EXPERIMENT = "finetune"
CHECKPOINTS = "checkpoints"
_RUNS = Path("runs")
# Options that say how a run goes, not what it computes.
_NOT_OF_THE_RUN = ("resume", "plot", "checkpoint_minutes")


@dataclasses.dataclass(frozen=True)
class FinetuneRequest:
    """A checked request: everything that the run reads, and where it writes.

    Attributes:
        config: the options, with the laser power filled in.
        engine_file: values and sources of the engine, with `--set`, power and rotation applied.
        checkpoint: where the weights are, and the tokenizer.
        folder: where results go.
    """

    config: FinetuneConfig
    engine_file: "EngineFile"
    checkpoint: "Checkpoint"
    folder: RunFolder

    @property
    def resume_words(self) -> str:
        """How to go on with this run."""
        return f"finished work is kept in {self.folder.path}; the same command with --resume goes on"

    @property
    def options(self) -> dict[str, Any]:
        """The options by name, as they stand in `config.toml` and `result.json`."""
        return run_options(self.config)


def run_options(config: FinetuneConfig) -> dict[str, Any]:
    """Options that decide what is computed."""
    return {name: value for name, value in options(config).items() if name not in _NOT_OF_THE_RUN}


def check_request(config: FinetuneConfig) -> FinetuneRequest:
    """Check options, engine, model and folder, cheapest first. RequestError says what is wrong and where."""
    check_options(config)
    engine_file = engine_at(config.engine, config.set, config.rotate, config.laser_power_w)
    power_w = float(engine_file.values["operating_point.laser_power_w"])
    config = dataclasses.replace(config, laser_power_w=power_w)
    _check_ranges(config, engine_file)
    checkpoint = checked_model(config.model)
    if config.context > checkpoint.config.context:
        raise RequestError(
            f"--context {config.context} is more than the {checkpoint.config.context} tokens that {config.model} was "
            "trained for; give a shorter window"
        )
    document = {
        "experiment": EXPERIMENT,
        "options": run_options(config),
        "data": _data_facts(config),
        "model": {"sha256": checkpoint.sha256},
        "engine": dict(engine_file.values),
    }
    path = Path(config.out) if config.out is not None else _RUNS / EXPERIMENT / short_hash(document)
    folder = RunFolder(path, document)
    folder.check()
    _check_resume(config, path)
    return FinetuneRequest(config, engine_file, checkpoint, folder)


def _check_ranges(config: FinetuneConfig, engine_file: "EngineFile") -> None:
    if config.learn_ranges and config.noise == "on" and engine_file.family != "free-space":
        raise RequestError(
            f"engine {config.engine} is of the family {engine_file.family}, whose converter ranges are not given from "
            "outside; add --no-learn-ranges, or take an engine of the family free-space"
        )


def _data_facts(config: FinetuneConfig) -> dict[str, Any]:
    """What tells the text of one run from that of another: the content of a file, by its hash."""
    import hashlib

    if config.data in (None, "self"):
        return {"source": config.data or "default"}
    path = Path(str(config.data))
    try:
        return {"source": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    except OSError as error:
        raise RequestError(
            f"--data {path} cannot be read ({error.strerror}); give a UTF-8 text file, or self"
        ) from error


def _check_resume(config: FinetuneConfig, path: Path) -> None:
    begun = (path / CHECKPOINTS).is_dir() and any((path / CHECKPOINTS).iterdir())
    if config.resume and not (path / CONFIG_FILE).exists():
        raise RequestError(f"--resume: {path} holds no run of these options; leave --resume out to begin")
    if begun and not config.resume:
        raise RequestError(f"{path} holds a begun run of these options; add --resume to go on, or give another --out")
