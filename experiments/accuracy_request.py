"""From the options of `exalight accuracy` to a request that can be met; refuses all others, without JAX."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.accuracy_config import CALIBRATION_TOKENS, AccuracyConfig, check_options, default_powers_w
from experiments.errors import RequestError
from experiments.runs import RunFolder, short_hash

if TYPE_CHECKING:
    from models.transformer.checkpoint import Checkpoint
    from photonics.catalogue import EngineFile

EXPERIMENT = "accuracy"
_RUNS = Path("runs")


@dataclasses.dataclass(frozen=True)
class AccuracyRequest:
    """A checked request: everything that the run reads, and where it writes.

    Attributes:
        config: the options, with the laser powers of the sweep filled in, ascending.
        engine_file: values and sources of the engine, overrides applied.
        checkpoint: where the weights are, and the tokenizer: a `Checkpoint`, for encoders a `StoredEncoder`.
        sample: what to measure and to calibrate on: a `text.Sample` of token ids, for encoders `samples.Samples`.
        folder: where results go.
    """

    config: AccuracyConfig
    engine_file: "EngineFile"
    checkpoint: Any
    sample: Any
    folder: RunFolder

    @property
    def options(self) -> dict[str, Any]:
        """The options by name, as they stand in `config.toml` and `result.json`: all but where it runs."""
        return options(self.config)


def options(config: Any) -> dict[str, Any]:
    """Options of a configuration by name without `out` and `devices`, which say where a run is and not what it is."""
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in ("out", "devices")}


def check_request(config: AccuracyConfig) -> AccuracyRequest:
    """Check options, engine, text, model and folder, cheapest first. RequestError says what is wrong and where."""
    check_options(config)
    engine_file = checked_engine_file(config.engine, config.set)
    powers_w = config.laser_power_w or default_powers_w(float(engine_file.values["operating_point.symbol_rate_hz"]))
    config = dataclasses.replace(config, laser_power_w=tuple(sorted(powers_w)))
    checkpoint, sample, source = model_and_data(config)
    document = {
        "experiment": EXPERIMENT,
        "options": options(config),
        **source,
        "model": {"sha256": checkpoint.sha256},
        "engine": dict(engine_file.values),
    }
    path = Path(config.out) if config.out is not None else _RUNS / EXPERIMENT / short_hash(document)
    folder = RunFolder(path, document)
    folder.check()
    return AccuracyRequest(config, engine_file, checkpoint, sample, folder)


def model_and_data(config: AccuracyConfig) -> tuple[Any, Any, dict[str, Any]]:
    """Model, what is measured, and the tables that tell the data from others; RequestError where they do not fit."""
    if config.task == "perplexity":
        return _decoder(config)
    from experiments.accuracy_encoders_request import encoder_and_samples

    return encoder_and_samples(config)


def _decoder(config: AccuracyConfig) -> tuple["Checkpoint", Any, dict[str, Any]]:
    """Model and text of a language model, and what tells the text from another."""
    from experiments.model_source import ENCODER_TYPES, model_type
    from experiments.text import read_text, take_sample

    measured = config.windows * config.context
    text = read_text(config.text, measured + CALIBRATION_TOKENS)
    kind = model_type(config.model)
    if kind in ENCODER_TYPES:
        raise RequestError(
            f"--model {config.model} is an encoder ({kind}), which predicts no text; give --task embed or classify"
        )
    checkpoint = checked_model(config.model)
    if config.context > checkpoint.config.context:
        raise RequestError(
            f"--context {config.context} is more than the {checkpoint.config.context} tokens that {config.model} was "
            "trained for; give a shorter window"
        )
    sample = take_sample(
        text,
        lambda string: checkpoint.tokenizer.encode(string, add_special_tokens=False).ids,
        measured,
        CALIBRATION_TOKENS,
    )
    return checkpoint, sample, {"text": {"source": text.source, "sha256": text.sha256}}


def checked_engine_file(name: str, overrides: tuple[str, ...]) -> "EngineFile":
    """An engine file from the catalogue or a path with `--set` applied; RequestError where either is wrong."""
    from photonics.catalogue import apply_overrides, read_engine_file

    try:
        return apply_overrides(read_engine_file(name), list(overrides))
    except OSError as error:
        raise RequestError(f"engine {name} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RequestError(str(error)) from error


def engine_at(name: str, overrides: tuple[str, ...], rotate: str, laser_power_w: float | None) -> "EngineFile":
    """An engine file with `--set`, `--rotate on|off` (where the engine knows it) and `--laser-power-w` applied.

    RequestError as `checked_engine_file`, and where `--set` has the field that `--rotate` is for.
    """
    for override in overrides:
        if override.partition("=")[0].strip() == "encoding.rotate":
            raise RequestError(f"--set {override}: rotation has an option of its own, --rotate on|off")
    changes = [*overrides]
    if "encoding.rotate" in checked_engine_file(name, ()).values:
        changes.append(f"encoding.rotate={'true' if rotate == 'on' else 'false'}")
    if laser_power_w is not None:
        changes.append(f"operating_point.laser_power_w={laser_power_w!r}")
    return checked_engine_file(name, tuple(changes))


def checked_model(source: str) -> "Checkpoint":
    """A stored model whose files are whole; RequestError where they are not."""
    from models.transformer.load import check_source

    try:
        return check_source(source)
    except OSError as error:
        raise RequestError(f"--model {source} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RequestError(f"--model: {error}") from error
