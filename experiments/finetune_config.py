"""Options of `exalight finetune`; standard library and tyro only, so that bad options are refused at once."""

import dataclasses
import math
from typing import Annotated, Literal

import tyro

from experiments.accuracy_config import DEFAULT_MODEL
from experiments.errors import RequestError
from experiments.option_checks import check_not_empty, check_patterns, check_power, check_seed


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """A model that learns to live with the noise of light: less loss at the same laser power, or less power for it.

    The model is trained through the simulated engine, with fresh noise at every step, to say what the digital model
    says. Judged before and after on text that the training never saw, at the laser power of the training, half and a
    quarter of it. The result is a Hugging Face folder. A run can be stopped at any time and goes on with --resume.

    For example:

    exalight finetune --laser-power-w 0.01

    exalight finetune --laser-power-w 0.01 --steps 100 --data my.txt --out runs/mine

    exalight finetune --out runs/mine --laser-power-w 0.01 --steps 100 --data my.txt --resume

    exalight finetune --laser-power-w 0.01 --noise off --teacher 0        (what mere training on the text is worth)
    """

    model: Annotated[str, tyro.conf.arg(metavar="DIR|FILE.gguf|smollm2-135m")] = DEFAULT_MODEL
    """Llama-type model: a Hugging Face folder, a GGUF file, or the name of the packaged one."""

    engine: Annotated[str, tyro.conf.arg(metavar="NAME|FILE.toml")] = "free-space-1024"
    """Optical engine from the catalogue (see: exalight engines) or from a file."""

    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH=VALUE", help_behavior_hint="(repeatable)")] = ()
    """Another value for any field of the engine, for example encoding.activation_scale=static."""

    laser_power_w: Annotated[
        float | None, tyro.conf.arg(metavar="WATT", help_behavior_hint="(default: that of the engine)")
    ] = None
    """Optical power of one source at full drive, in watts: the operating point of the training."""

    rotate: Literal["on", "off"] = "on"
    """Rotate the contraction axis (block Hadamard) so that outliers cost less light."""

    digital: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATTERN", help_behavior_hint="(repeatable)")] = ()
    """Layers that stay digital: regular expressions on names such as layers/0/mlp/down or head."""

    method: Literal["lora", "full", "ranges"] = "lora"
    """What is trained: thin matrices beside the weights (LoRA), all parameters, or converter ranges and gains only."""

    rank: Annotated[int, tyro.conf.arg(metavar="R")] = 16
    """Inner width of the thin matrices A and B of LoRA."""

    alpha: Annotated[float, tyro.conf.arg(metavar="ALPHA")] = 32.0
    """Weight of the thin matrices: W + (alpha / rank) A B."""

    targets: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATTERN", help_behavior_hint="(repeatable)")] = (
        "^layers/",
    )
    """Weights that LoRA, gains and clipping reach: regular expressions on names such as layers/mlp/down."""

    equalise: Annotated[float, tyro.conf.arg(metavar="STRENGTH")] = 0.5
    """Bring loud channels down and their weights up before training (SmoothQuant), 0 to 1; 0 leaves them."""

    learn_ranges: bool = True
    """Learn the ranges of the converters along, from those that a calibration sample asks for."""

    learn_gains: bool = False
    """Learn a gain for every output along."""

    allocate_light: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Learn how much of the light each layer gets, at the energy per token of one power for all."""

    clipping: Literal["none", "percentile", "learned"] = "none"
    """Cut the largest weights of every column: at a percentile of the start, or learned from there."""

    clip_percentile: Annotated[float, tyro.conf.arg(metavar="Q")] = 99.9
    """Percentile of |w| per column at which weights are cut, or start to be."""

    noise: Literal["on", "measured", "off"] = "on"
    """Train through light; with noise drawn from histograms that are measured once, which is cheap; or without."""

    power_start: Annotated[float, tyro.conf.arg(metavar="FACTOR")] = 1.0
    """Curriculum: laser power of the first step over that of the training; comes down in the first half."""

    power_spread: Annotated[float, tyro.conf.arg(metavar="NATS")] = 0.0
    """Train over laser powers within a factor exp(NATS) above and below, for one model that serves them all."""

    machines: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Fabricated engines to train on: 0 another one at every step, 1 always the same, N so many by chance."""

    data: Annotated[
        str | None, tyro.conf.arg(metavar="FILE|self", help_behavior_hint="(default: docstrings of Python)")
    ] = None
    """UTF-8 text to learn from, or self: text that the digital model writes itself, so that none is needed."""

    steps: Annotated[int, tyro.conf.arg(metavar="N")] = 250
    """Updates of the trained numbers; 0 judges equalisation alone."""

    context: Annotated[int, tyro.conf.arg(metavar="T")] = 128
    """Length of one window of text in tokens."""

    batch: Annotated[int, tyro.conf.arg(metavar="B")] = 4
    """Windows of one update that are computed at once."""

    accumulate: Annotated[int, tyro.conf.arg(metavar="A")] = 1
    """Batches whose gradients are averaged before an update."""

    learning_rate: Annotated[
        float | None, tyro.conf.arg(metavar="RATE", help_behavior_hint="(default: 1e-3 for lora, 2e-5 for full)")
    ] = None
    """Highest learning rate of the weights."""

    range_learning_rate: Annotated[float, tyro.conf.arg(metavar="RATE")] = 5e-3
    """Highest learning rate of ranges, gains and clips, which are logarithms of factors."""

    range_decay: Annotated[float, tyro.conf.arg(metavar="WEIGHT")] = 0.0
    """Pull on learned activation ranges, nats of loss per nat of range: lets them shrink until clipping answers."""

    warmup: Annotated[int, tyro.conf.arg(metavar="N")] = 10
    """Updates in which the learning rate rises."""

    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after that, to a tenth."""

    weight_decay: Annotated[float, tyro.conf.arg(metavar="RATE")] = 0.0
    """Decay of the weights by AdamW."""

    clip_norm: Annotated[float, tyro.conf.arg(metavar="NORM")] = 1.0
    """Largest norm of a gradient; a larger one is scaled down."""

    teacher: Annotated[float, tyro.conf.arg(metavar="SHARE")] = 1.0
    """Share of the loss that is the divergence from the digital model; the rest is the next token of the text."""

    temperature: Annotated[float, tyro.conf.arg(metavar="T")] = 1.0
    """Temperature of that divergence."""

    hidden: Annotated[float, tyro.conf.arg(metavar="WEIGHT")] = 0.0
    """Weight of the distance of the last hidden states from those of the digital model."""

    tokens: Annotated[int, tyro.conf.arg(metavar="N")] = 512
    """Held-out tokens on which the model is judged before and after; what fills no window of --context is left out."""

    seeds: Annotated[int, tyro.conf.arg(metavar="N")] = 5
    """Noise seeds with which it is judged."""

    judged_machines: Annotated[int, tyro.conf.arg(metavar="N")] = 3
    """Fabricated engines on which it is judged; none of them is trained on unless --machines 1."""

    checkpoint_minutes: Annotated[float, tyro.conf.arg(metavar="MIN")] = 3.0
    """Time between two checkpoints, each of which a stopped run can go on from."""

    adapter: Literal["merged", "apart"] = "merged"
    """Whether LoRA is merged into the weights of the result, or stands beside them as a PEFT adapter."""

    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Go on from the last checkpoint of the folder, bit for bit as if never stopped."""

    seed: Annotated[int, tyro.conf.arg(metavar="S")] = 0
    """Seed of every random draw: noise, machines, order of the text, thin matrices."""

    plot: bool = True
    """Draw the figures."""

    out: Annotated[
        str | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/finetune/<hash of the options>)")
    ] = None
    """Folder of the results. One that holds another configuration is refused."""

    @property
    def rate(self) -> float:
        """Highest learning rate of the weights, the default of the method where none is given."""
        if self.learning_rate is not None:
            return self.learning_rate
        return 2e-5 if self.method == "full" else 1e-3

    @property
    def ramp_steps(self) -> int:
        """Updates until the laser power is that of the training."""
        return 0 if self.power_start == 1.0 else self.steps // 2

    @property
    def tokens_per_step(self) -> int:
        """Tokens of one update."""
        return self.context * self.batch * self.accumulate


def check_options(config: FinetuneConfig) -> None:
    """Refuse options that are wrong whatever the files hold; RequestError names option, value and what is right."""
    if config.laser_power_w is not None:
        check_power(config.laser_power_w)
    for name, least in (
        ("steps", 0), ("context", 2), ("batch", 1), ("accumulate", 1), ("rank", 1), ("warmup", 0), ("machines", 0),
        ("seeds", 1), ("judged_machines", 1),
    ):  # fmt: skip
        if getattr(config, name) < least:
            raise RequestError(f"--{_option(name)} {getattr(config, name)}: give a whole number from {least}")
    for name in ("alpha", "range_learning_rate", "clip_norm", "temperature", "power_start", "checkpoint_minutes"):
        _check(name, getattr(config, name), above=0.0)
    _check("learning_rate", config.rate, above=0.0)
    for name in ("weight_decay", "range_decay", "hidden", "power_spread"):
        _check(name, getattr(config, name), least=0.0)
    if not 0.0 <= config.equalise <= 1.0:
        raise RequestError(f"--equalise {config.equalise:g}: give a strength from 0 to 1")
    if not 0.0 <= config.teacher <= 1.0:
        raise RequestError(f"--teacher {config.teacher:g}: give a share from 0 to 1")
    if not 50.0 < config.clip_percentile <= 100.0:
        raise RequestError(f"--clip-percentile {config.clip_percentile:g}: give a percentile above 50 and up to 100")
    if config.tokens < config.context:
        raise RequestError(f"--tokens {config.tokens}: give at least one window, {config.context} (--context)")
    _check_together(config)
    check_seed(config.seed)
    check_patterns(config.digital)
    check_patterns(config.targets, "targets")
    check_not_empty(config, ("model", "engine", "data", "out"))


def _check_together(config: FinetuneConfig) -> None:
    """Refuse options that have no effect, or no meaning, with each other."""
    if (
        config.method == "ranges"
        and not (config.learn_ranges or config.learn_gains or config.clipping == "learned")
        and not config.allocate_light
    ):
        raise RequestError("--method ranges with --no-learn-ranges has nothing to train; add --learn-gains")
    if config.method == "ranges" and config.noise != "on" and not config.learn_gains:
        raise RequestError(f"--method ranges with --noise {config.noise} has nothing to train; add --learn-gains")
    if config.adapter == "apart" and config.method != "lora":
        raise RequestError(f"--adapter apart needs --method lora; {config.method} has no thin matrices")
    if config.adapter == "apart" and (config.learn_gains or config.clipping != "none"):
        raise RequestError("--adapter apart cannot hold gains or clipped weights; leave them out, or merge")
    if config.noise != "on" and (config.power_start != 1.0 or config.power_spread or config.allocate_light):
        raise RequestError(
            "--power-start, --power-spread and --allocate-light need --noise on, which trains through the engine"
        )
    if config.noise == "off" and config.teacher == 1.0 and not config.hidden and config.steps:
        raise RequestError(
            "--noise off with --teacher 1 has nothing to learn: the student says what the teacher says; "
            "give a --teacher below 1"
        )


def _check(name: str, value: float, *, above: float | None = None, least: float | None = None) -> None:
    wrong = not math.isfinite(value) or (above is not None and value <= above) or (least is not None and value < least)
    if wrong:
        bound = f"above {above:g}" if above is not None else f"from {least:g}"
        raise RequestError(f"--{_option(name)} {value:g}: give a finite number {bound}")


def _option(name: str) -> str:
    return name.replace("_", "-")
