"""Options of `exalight accuracy`; standard library and tyro only, so that bad options are refused at once."""

import dataclasses
import math
from typing import Annotated, Literal

import tyro

from experiments.errors import RequestError
from experiments.measures import TaskName
from experiments.option_checks import check_not_empty, check_patterns, check_power, check_seed

DEFAULT_MODEL = "smollm2-135m"
CALIBRATION_TOKENS = 256

# Ten logarithmic steps from useless to the plateau at this symbol rate; light per symbol is what counts, so the
# powers scale with the rate.
_SWEEP_POINTS = 10
_SWEEP_W = (1e-3, 0.3)
_SWEEP_SYMBOL_RATE_HZ = 1e9


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccuracyConfig:
    """Accuracy of a real model against the power spent on light, over a sweep of laser powers.

    The matrix products of the model are computed optically, with all noise and all rounding of the engine, and
    compared with the same model in exact arithmetic on the same data. Energy comes from the same device numbers.

    For example:

    exalight accuracy

    exalight accuracy --tokens 512 --laser-power-w 0.003 0.03 --rotate on --out runs/mine

    exalight accuracy --engine free-space-2048 --set adc.bits=8 --set optics.transmission=0.4

    exalight accuracy --model my-model.gguf --text my.txt --digital "^head$" --panels 64

    exalight accuracy --task embed --model my-sentence-encoder --text my.txt

    exalight accuracy --task classify --model my-vit --data my-images --samples 200
    """

    task: TaskName = "perplexity"
    """What the model is asked: to predict text (Llama type), for embeddings, or for classes (BERT, RoBERTa, ViT)."""

    model: Annotated[str, tyro.conf.arg(metavar="DIR|FILE.gguf|smollm2-135m")] = DEFAULT_MODEL
    """A Hugging Face folder; for text to predict also a GGUF file, or the name of the packaged model."""

    text: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: Python's own manual)")] = (
        None
    )
    """UTF-8 text to predict, or to embed by the line. The first tokens are measured, the last 256 set the ranges."""

    data: Annotated[str | None, tyro.conf.arg(metavar="FILE.csv|DIR", help_behavior_hint="(needed to classify)")] = None
    """To embed or classify: CSV with columns text,label or path,label, or a folder of images (PNG, NPY) by class."""

    samples: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Samples of the data to measure, evenly spaced; up to eight others set the converter ranges."""

    engine: Annotated[str, tyro.conf.arg(metavar="NAME|FILE.toml")] = "free-space-1024"
    """Optical engine from the catalogue (see: exalight engines) or from a file."""

    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH=VALUE", help_behavior_hint="(repeatable)")] = ()
    """Another value for any field of the engine, for example adc.bits=8."""

    laser_power_w: Annotated[
        tuple[float, ...],
        tyro.conf.arg(metavar="WATT", help_behavior_hint="(default: 10 steps, 0.001 to 0.3 W at 1 GHz)"),
    ] = ()
    """Optical power of one source at full drive, in watts; one or more."""

    tokens: Annotated[int, tyro.conf.arg(metavar="N")] = 1024
    """Tokens of the text to measure, in whole windows or whole lines."""

    context: Annotated[int, tyro.conf.arg(metavar="T")] = 128
    """Length of one window in tokens, of which T - 1 are scored; the most of one text to embed or classify."""

    digital: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATTERN", help_behavior_hint="(repeatable)")] = ()
    """Layers that stay digital: regular expressions on names such as layers/0/mlp/down or head."""

    dynamic: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATTERN", help_behavior_hint="(repeatable)")] = ()
    """Products of data with data that go to light, by name: attention/scores, attention/mix. Needs a fast panel."""

    rotate: Literal["both", "on", "off"] = "both"
    """Rotate the contraction axis (block Hadamard) so that outliers cost less light; engines that cannot do not."""

    panels: Annotated[Literal["resident"] | int, tyro.conf.arg(metavar="resident|N")] = "resident"
    """Weight panels there are: one for every tile, loaded once, or N that are reloaded."""

    seed: Annotated[int, tyro.conf.arg(metavar="S")] = 0
    """Seed of every random draw."""

    generator: Literal["counter", "threefry"] = "counter"
    """Where random draws come from: a counter hash that costs little, or JAX's own generator for a second opinion."""

    devices: Annotated[Literal["all"] | int, tyro.conf.arg(metavar="all|N")] = "all"
    """Devices of JAX that share the windows of a batch. Draws are the same on any number; a CPU is one device."""

    out: Annotated[
        str | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/accuracy/<hash of the options>)")
    ] = None
    """Folder of the results. One that holds the same run is continued; another one is refused."""

    @property
    def windows(self) -> int:
        """Whole windows that are measured."""
        return self.tokens // self.context

    @property
    def rotations(self) -> tuple[bool, ...]:
        """Rotate settings in the order in which they run."""
        return {"both": (True, False), "on": (True,), "off": (False,)}[self.rotate]


def check_options(config: AccuracyConfig) -> None:
    """Refuse options that are wrong whatever the files hold; RequestError names option, value and what is right."""
    for power_w in config.laser_power_w:
        check_power(power_w)
    if len({*config.laser_power_w}) < len(config.laser_power_w):
        raise RequestError("--laser-power-w names the same power twice; give each power once")
    _check_lengths(config)
    _check_task(config)
    if config.panels != "resident" and config.panels < 1:
        raise RequestError(f"--panels {config.panels}: give 'resident' or a whole number of panels from 1")
    if config.devices != "all" and config.devices < 1:
        raise RequestError(f"--devices {config.devices}: give 'all' or a whole number of devices from 1")
    check_seed(config.seed)
    check_patterns(config.digital)
    check_patterns(config.dynamic, "dynamic")
    check_not_empty(config, ("model", "engine", "text", "data", "out"))


def _check_lengths(config: AccuracyConfig) -> None:
    if config.context < 2:
        raise RequestError(
            f"--context {config.context}: a window needs at least 2 tokens, one to read and one to score"
        )
    if config.task == "perplexity" and config.tokens < config.context:
        raise RequestError(
            f"--tokens {config.tokens} is less than one window; give at least {config.context} (--context)"
        )
    if config.tokens < 1:
        raise RequestError(f"--tokens {config.tokens}: give a whole number from 1")
    if config.samples is not None and config.samples < 1:
        raise RequestError(f"--samples {config.samples}: give a whole number from 1")


def _check_task(config: AccuracyConfig) -> None:
    """Refuse data that the task does not read, and a task without what it needs."""
    if config.task == "perplexity" and config.data is not None:
        raise RequestError("--data is for --task embed and --task classify; text to predict is given with --text")
    if config.task == "classify" and config.text is not None:
        raise RequestError("--task classify needs samples with labels; give --data instead of --text")
    if config.task == "classify" and config.data is None:
        raise RequestError("--task classify needs samples with labels; give --data FILE.csv or --data DIR")
    if config.data is not None and config.text is not None:
        raise RequestError("--text and --data were both given; --task embed reads one of them")
    if config.samples is not None and config.data is None:
        raise RequestError("--samples is for --data; how much of a text is measured is set with --tokens")
    if config.task != "perplexity" and config.model == DEFAULT_MODEL:
        raise RequestError(
            f"--task {config.task} needs an encoder, and {DEFAULT_MODEL} is a decoder; give --model with the folder of "
            "a BERT, a RoBERTa or a ViT"
        )


def default_powers_w(symbol_rate_hz: float) -> tuple[float, ...]:
    """The default sweep for a symbol rate: log-spaced laser powers, rounded to three digits [W]."""
    low, high = (math.log10(power_w * symbol_rate_hz / _SWEEP_SYMBOL_RATE_HZ) for power_w in _SWEEP_W)
    step = (high - low) / (_SWEEP_POINTS - 1)
    return tuple(float(f"{10 ** (low + index * step):.3g}") for index in range(_SWEEP_POINTS))
