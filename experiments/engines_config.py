"""Options of `exalight engines`; standard library and tyro only."""

import dataclasses
import math
from typing import Annotated

import tyro

from experiments.errors import RequestError


@dataclasses.dataclass(frozen=True, kw_only=True)
class EnginesConfig:
    """List the optical engines, or show one: its parameters with sources, and where its light, noise and power go.

    For example:

    exalight engines

    exalight engines free-space-1024

    exalight engines free-space-1024 --laser-power-w 0.01 --set adc.bits=8

    exalight engines free-space-1024 --plot
    """

    name: Annotated[
        tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[NAME|FILE.toml]", help_behavior_hint="(optional)")
    ] = None
    """Engine to show; without it, all engines of the catalogue are listed."""

    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH=VALUE", help_behavior_hint="(repeatable)")] = ()
    """Another value for any field of the engine, for example adc.bits=8."""

    laser_power_w: Annotated[
        float | None, tyro.conf.arg(metavar="WATT", help_behavior_hint="(default: that of the engine)")
    ] = None
    """Optical power of one source at full drive, in watts."""

    plot: tyro.conf.FlagCreatePairsOff[bool] = False
    """Also draw the three budgets, and write them as tables and result.json."""

    out: Annotated[
        str | None,
        tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/engines/<name>/<hash of the options>)"),
    ] = None
    """Folder of what --plot writes. One that holds another configuration is refused."""


def check_options(config: EnginesConfig) -> None:
    """Refuse options that are wrong whatever the files hold; RequestError names option, value and what is right."""
    power_w = config.laser_power_w
    if power_w is not None and not (math.isfinite(power_w) and power_w > 0):
        raise RequestError(f"--laser-power-w {power_w:g}: a laser power must be finite and above 0 W")
    if config.name is None and (config.set or power_w is not None):
        raise RequestError("--set and --laser-power-w need an engine: exalight engines NAME --set PATH=VALUE")
    if config.plot and config.name is None:
        raise RequestError("--plot needs an engine: exalight engines NAME --plot")
    if config.out is not None and not config.plot:
        raise RequestError("--out says where --plot writes: exalight engines NAME --plot --out DIR")
    if config.out == "":
        raise RequestError("--out is empty; leave it out for the default")
