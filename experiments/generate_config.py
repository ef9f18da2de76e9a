"""Options of `exalight generate`; standard library and tyro only, so that bad options are refused at once."""

import dataclasses
import math
from typing import Annotated, Literal

import tyro

from experiments.accuracy_config import DEFAULT_MODEL
from experiments.errors import RequestError
from experiments.option_checks import check_not_empty, check_patterns, check_power, check_seed


@dataclasses.dataclass(frozen=True, kw_only=True)
class GenerateConfig:
    """Text from a language model twice, side by side: in exact arithmetic, and through light.

    Both go on from the same prompt, token by token. Then: where they part, what the optical machine takes per token
    in time and energy (for the prompt and for each token after it), and how fast this simulation was.

    For example:

    exalight generate --prompt "The capital of France is"

    exalight generate --chat --prompt "Why is the sky blue?" --max-new-tokens 100

    exalight generate --prompt "Light is" --laser-power-w 0.005 --set adc.bits=8

    exalight generate --prompt "One, two," --prompt "Monday, Tuesday," --temperature 0.7 --seed 1
    """

    # Appended, so that a text without quotes is not taken for as many prompts as it has words.
    prompt: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(metavar="TEXT", help_behavior_hint="(required; repeatable)"),
    ] = ()
    """Text to go on from. Several prompts are one batch."""

    model: Annotated[str, tyro.conf.arg(metavar="DIR|FILE.gguf|smollm2-135m")] = DEFAULT_MODEL
    """Llama-type model: a Hugging Face folder, a GGUF file, or the name of the packaged one."""

    engine: Annotated[str, tyro.conf.arg(metavar="NAME|FILE.toml")] = "free-space-1024"
    """Optical engine from the catalogue (see: exalight engines) or from a file."""

    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH=VALUE", help_behavior_hint="(repeatable)")] = ()
    """Another value for any field of the engine, for example adc.bits=8."""

    laser_power_w: Annotated[
        float | None, tyro.conf.arg(metavar="WATT", help_behavior_hint="(default: that of the engine)")
    ] = None
    """Optical power of one source at full drive, in watts."""

    max_new_tokens: Annotated[int, tyro.conf.arg(metavar="N")] = 48
    """Tokens to write after each prompt, unless the model ends its text before."""

    chat: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Take the prompt as a user's question, in the chat template of the model, instead of as text to continue."""

    system: Annotated[
        str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="(default: that of the template)")
    ] = None
    """System message of the chat."""

    temperature: Annotated[float, tyro.conf.arg(metavar="T")] = 0.0
    """0 takes the most probable token; above, tokens are drawn from softmax(logits / T)."""

    top_p: Annotated[float, tyro.conf.arg(metavar="P")] = 1.0
    """Draw only among the most probable tokens that together have this probability."""

    digital: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATTERN", help_behavior_hint="(repeatable)")] = ()
    """Layers that stay digital: regular expressions on names such as layers/0/mlp/down or head."""

    rotate: Literal["on", "off"] = "on"
    """Rotate the contraction axis (block Hadamard) so that outliers cost less light."""

    seed: Annotated[int, tyro.conf.arg(metavar="S")] = 0
    """Seed of every random draw: noise, and tokens at a temperature above 0."""

    out: Annotated[
        str | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/generate/<hash of the options>)")
    ] = None
    """Folder of the results. One that holds the same run is written again; another one is refused."""


def check_options(config: GenerateConfig) -> None:
    """Refuse options that are wrong whatever the files hold; RequestError names option, value and what is right."""
    if not config.prompt:
        raise RequestError('--prompt is missing; give the text to go on from: exalight generate --prompt "Light is"')
    for prompt in config.prompt:
        _check_text("--prompt", prompt)
    if config.system is not None:
        _check_text("--system", config.system)
        if not config.chat:
            raise RequestError("--system needs --chat; without it the prompt is plain text that the model continues")
    if config.laser_power_w is not None:
        check_power(config.laser_power_w)
    if config.max_new_tokens < 1:
        raise RequestError(f"--max-new-tokens {config.max_new_tokens}: give a whole number from 1")
    if not (math.isfinite(config.temperature) and config.temperature >= 0):
        raise RequestError(f"--temperature {config.temperature:g}: give 0 or a finite number above 0")
    if not 0 < config.top_p <= 1:
        raise RequestError(f"--top-p {config.top_p:g}: give a probability above 0 and up to 1")
    if config.top_p < 1 and config.temperature == 0:
        raise RequestError(f"--top-p {config.top_p:g} has no effect at temperature 0; give a --temperature above 0")
    check_seed(config.seed)
    check_patterns(config.digital)
    check_not_empty(config, ("model", "engine", "out"))


def _check_text(option: str, text: str) -> None:
    if not text.strip():
        raise RequestError(f"{option} is empty; give at least one word")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"{option} is not UTF-8 text (at character {error.start}); convert it first") from error
