"""From the options of `exalight generate` to a request that can be met; refuses all others, without JAX."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.accuracy_config import CALIBRATION_TOKENS
from experiments.accuracy_request import checked_model, engine_at, options
from experiments.errors import RequestError
from experiments.generate_config import GenerateConfig, check_options
from experiments.runs import RunFolder, short_hash

if TYPE_CHECKING:
    from models.transformer.checkpoint import Checkpoint
    from photonics.catalogue import EngineFile

EXPERIMENT = "generate"
_RUNS = Path("runs")


@dataclasses.dataclass(frozen=True)
class GenerateRequest:
    """A checked request: everything that the run reads, and where it writes.

    Attributes:
        config: the options, with the laser power filled in.
        engine_file: values and sources of the engine, with `--set`, power and rotation applied.
        checkpoint: where the weights are, and the tokenizer.
        prompts: token ids of each prompt, chat template included.
        stop_tokens: token ids that end a text.
        calibration: token ids that set the converter ranges.
        folder: where results go.
    """

    config: GenerateConfig
    engine_file: "EngineFile"
    checkpoint: "Checkpoint"
    prompts: tuple[tuple[int, ...], ...]
    stop_tokens: tuple[int, ...]
    calibration: tuple[int, ...]
    folder: RunFolder

    @property
    def options(self) -> dict[str, Any]:
        """The options by name, as they stand in `config.toml` and `result.json`; `out` is not one of the run's."""
        return options(self.config)


def check_request(config: GenerateConfig) -> GenerateRequest:
    """Check options, engine, model, prompts and folder, cheapest first. RequestError says what is wrong and where."""
    check_options(config)
    engine_file = engine_at(config.engine, config.set, config.rotate, config.laser_power_w)
    power_w = float(engine_file.values["operating_point.laser_power_w"])
    config = dataclasses.replace(config, laser_power_w=power_w)
    checkpoint = checked_model(config.model)
    prompts = tuple(_encoded(config, checkpoint, prompt) for prompt in config.prompt)
    stops = _stop_tokens(checkpoint)
    from experiments.text import read_text, take_sample

    text = read_text(None, 0)
    sample = take_sample(
        text, lambda string: checkpoint.tokenizer.encode(string, add_special_tokens=False).ids, 0, CALIBRATION_TOKENS
    )
    document = {
        "experiment": EXPERIMENT,
        "options": options(config),
        "calibration": {"source": text.source, "sha256": text.sha256},
        "model": {"sha256": checkpoint.sha256},
        "engine": dict(engine_file.values),
    }
    path = Path(config.out) if config.out is not None else _RUNS / EXPERIMENT / short_hash(document)
    folder = RunFolder(path, document)
    folder.check()
    return GenerateRequest(config, engine_file, checkpoint, prompts, stops, tuple(sample.calibration), folder)


def _encoded(config: GenerateConfig, checkpoint: "Checkpoint", prompt: str) -> tuple[int, ...]:
    """Token ids of one prompt; RequestError where there are none, or more than the model was trained for."""
    text = _rendered(config, checkpoint, prompt) if config.chat else prompt
    # A chat template writes the special tokens itself; plain text gets what the tokenizer puts around any text.
    ids = tuple(checkpoint.tokenizer.encode(text, add_special_tokens=not config.chat).ids)
    if not ids:
        raise RequestError(f"--prompt {_shown(prompt)} has no token in the vocabulary of {config.model}")
    if len(ids) + config.max_new_tokens > checkpoint.config.context:
        raise RequestError(
            f"--prompt {_shown(prompt)} takes {len(ids)} tokens, and with --max-new-tokens {config.max_new_tokens} the "
            f"text is longer than the {checkpoint.config.context} tokens that {config.model} was trained for"
        )
    return ids


def _rendered(config: GenerateConfig, checkpoint: "Checkpoint", prompt: str) -> str:
    from models.transformer.chat import render_chat

    try:
        return render_chat(checkpoint, prompt, config.system)
    except ValueError as error:
        raise RequestError(f"--chat: {error}") from error


def _stop_tokens(checkpoint: "Checkpoint") -> tuple[int, ...]:
    from models.transformer.chat import stop_tokens

    try:
        return stop_tokens(checkpoint)
    except ValueError as error:
        raise RequestError(f"--model: {error}") from error


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
