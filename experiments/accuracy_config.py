"""Options of `exalight accuracy`; standard library and tyro only, so that bad options are refused at once."""

import dataclasses
import math
import re
from typing import Annotated, Literal

import tyro

from experiments.errors import RequestError

DEFAULT_MODEL = "smollm2-135m"
CALIBRATION_TOKENS = 256

# Ten logarithmic steps from useless to the plateau at this symbol rate; light per symbol is what counts, so the
# powers scale with the rate.
_SWEEP_POINTS = 10
_SWEEP_W = (1e-3, 0.3)
_SWEEP_SYMBOL_RATE_HZ = 1e9


@dataclasses.dataclass(frozen=True, kw_only=True)
class AccuracyConfig:
    """Accuracy of a real language model against the power spent on light, over a sweep of laser powers.

    The matrix products of the model are computed optically, with all noise and all rounding of the engine, and
    compared with the same model in exact arithmetic on the same text. Energy comes from the same device numbers.

    For example:

    exalight accuracy

    exalight accuracy --tokens 512 --laser-power-w 0.003 0.03 --rotate on --out runs/mine

    exalight accuracy --engine free-space-2048 --set adc.bits=8 --set optics.transmission=0.4

    exalight accuracy --model my-model.gguf --text my.txt --digital "^head$" --panels 64
    """

    model: Annotated[str, tyro.conf.arg(metavar="DIR|FILE.gguf|smollm2-135m")] = DEFAULT_MODEL
    """Llama-type model: a Hugging Face folder, a GGUF file, or the name of the packaged one."""

    text: Annotated[str | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="(default: Python's own manual)")] = (
        None
    )
    """UTF-8 text to predict. Its first tokens are measured, its last 256 set the converter ranges."""

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
    """Tokens of text to measure, cut into whole windows."""

    context: Annotated[int, tyro.conf.arg(metavar="T")] = 128
    """Length of one window in tokens; T - 1 of them are scored, windows do not overlap."""

    digital: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATTERN", help_behavior_hint="(repeatable)")] = ()
    """Layers that stay digital: regular expressions on names such as layers/0/mlp/down or head."""

    rotate: Literal["both", "on", "off"] = "both"
    """Rotate the contraction axis (block Hadamard) so that outliers cost less light."""

    panels: Annotated[Literal["resident"] | int, tyro.conf.arg(metavar="resident|N")] = "resident"
    """Weight panels there are: one for every tile, loaded once, or N that are reloaded."""

    seed: Annotated[int, tyro.conf.arg(metavar="S")] = 0
    """Seed of every random draw."""

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
        if not (math.isfinite(power_w) and power_w > 0):
            raise RequestError(f"--laser-power-w {power_w:g}: a laser power must be finite and above 0 W")
    if len({*config.laser_power_w}) < len(config.laser_power_w):
        raise RequestError("--laser-power-w names the same power twice; give each power once")
    if config.context < 2:
        raise RequestError(
            f"--context {config.context}: a window needs at least 2 tokens, one to read and one to score"
        )
    if config.tokens < config.context:
        raise RequestError(
            f"--tokens {config.tokens} is less than one window; give at least {config.context} (--context)"
        )
    if config.panels != "resident" and config.panels < 1:
        raise RequestError(f"--panels {config.panels}: give 'resident' or a whole number of panels from 1")
    if not 0 <= config.seed < 2**32:
        raise RequestError(f"--seed {config.seed}: give a whole number from 0 to {2**32 - 1}")
    for pattern in config.digital:
        try:
            re.compile(pattern)
        except re.error as error:
            raise RequestError(f"--digital {pattern!r} is not a regular expression: {error}") from error
    for option in ("model", "engine", "text", "out"):
        if getattr(config, option) == "":
            raise RequestError(f"--{option} is empty; leave it out for the default")


def default_powers_w(symbol_rate_hz: float) -> tuple[float, ...]:
    """The default sweep for a symbol rate: log-spaced laser powers, rounded to three digits [W]."""
    low, high = (math.log10(power_w * symbol_rate_hz / _SWEEP_SYMBOL_RATE_HZ) for power_w in _SWEEP_W)
    step = (high - low) / (_SWEEP_POINTS - 1)
    return tuple(float(f"{10 ** (low + index * step):.3g}") for index in range(_SWEEP_POINTS))
