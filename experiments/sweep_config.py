"""Options of `exalight sweep`; standard library and tyro only, so that bad options are refused at once."""

import dataclasses
import re
from typing import Annotated, Literal

import tyro

from experiments.errors import RequestError
from experiments.option_checks import check_not_empty, check_seed

DesignName = Literal["grid", "random", "sobol"]
POINTS_MAX = 1_000_000
"""Points that a plan may have; it is held in memory as a whole."""

_SEEDS_END = 2**32
_ADDRESS = re.compile(r"(tcp|tls)://.+:\d+")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Many points of an experiment, spread over worker processes; what is finished is stored and never done twice.

    Each --set names an option of the experiment or a field of its engine, and the values that it takes: a list
    (6,8,10), a range (1e-4:1e-1:log16 or 0:1:lin11), or one value for all points.

    For example:

    exalight sweep engines --set laser_power_w=1e-4:1e-1:log16 --set adc.bits=6,8,10

    exalight sweep accuracy --set laser_power_w=0.003,0.01,0.03 --set tokens=256 --seeds 4 --workers 2

    exalight sweep engines --set optics.transmission=0.2:0.9 --set adc.bits=5:9 --design sobol --points 1024

    exalight sweep accuracy --set laser_power_w=1e-3:0.3:log8 --cluster tcp://HOST:8786
    """

    experiment: Annotated[
        tyro.conf.Positional[str | None], tyro.conf.arg(metavar="EXPERIMENT", help_behavior_hint="(required)")
    ] = None
    """What is computed at each point: accuracy, engines or generate."""

    set: Annotated[
        tuple[str, ...], tyro.conf.arg(metavar="PATH=VALUES", help_behavior_hint="(required; repeatable)")
    ] = ()
    """An option of the experiment (tokens) or a field of the engine (adc.bits), and its values."""

    design: DesignName = "grid"
    """Every combination of all values; or a number of points drawn at random; or evenly spread (Sobol)."""

    points: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(random and sobol: required)")] = None
    """Combinations that a random or Sobol design draws, before seeds and instances."""

    seeds: Annotated[int, tyro.conf.arg(metavar="N")] = 1
    """Seeds with which each combination is computed: S, S + 1, ... (see --seed)."""

    instances: Annotated[
        int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: the one of the experiment)")
    ] = None
    """Fabricated engines, numbered from 0, on which each combination is computed."""

    seed: Annotated[int, tyro.conf.arg(metavar="S")] = 0
    """First seed of the points, and the seed of a random or Sobol design."""

    objective: Annotated[
        str | None, tyro.conf.arg(metavar="COLUMN[:max]", help_behavior_hint="(default: that of the experiment)")
    ] = None
    """Column whose smallest mean is the best; with :max, its largest. Another one computes nothing anew."""

    workers: Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="(default: one per core)")] = None
    """Worker processes on this machine, each with one computing thread. They change no result."""

    cluster: Annotated[str | None, tyro.conf.arg(metavar="tcp://HOST:PORT", help_behavior_hint="(default: none)")] = (
        None
    )
    """Scheduler of a running Dask cluster that computes instead of workers of its own (docs/sweep.md)."""

    retry_failed: tyro.conf.FlagCreatePairsOff[bool] = False
    """Compute again what is stored as failed."""

    dry_run: tyro.conf.FlagCreatePairsOff[bool] = False
    """Only say how many points and chunks there would be."""

    out: Annotated[
        str | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/sweep/<hash of the options>)")
    ] = None
    """Folder of the results. One that holds the same sweep is continued; another one is refused."""


def check_options(config: SweepConfig) -> None:
    """Refuse options that are wrong whatever is swept; RequestError names option, value and what is right."""
    if not config.set:
        raise RequestError("--set is missing; say what is varied, for example --set adc.bits=6,8,10")
    if config.design == "grid" and config.points is not None:
        raise RequestError(
            f"--points {config.points} is for --design random and sobol; a grid has every combination of its values"
        )
    if config.design != "grid" and config.points is None:
        raise RequestError(f"--design {config.design} needs --points N, the number of combinations to draw")
    for option in ("points", "seeds", "instances", "workers"):
        number = getattr(config, option)
        if number is not None and number < 1:
            raise RequestError(f"--{option} {number}: give a whole number from 1")
    check_seed(config.seed)
    if config.seed + config.seeds > _SEEDS_END:
        raise RequestError(f"--seed {config.seed} --seeds {config.seeds}: seeds end at {_SEEDS_END - 1}")
    check_size((config.points or 1) * config.seeds * (config.instances or 1))
    check_not_empty(config, ("experiment", "objective", "cluster", "out"))
    if config.cluster is not None and config.workers is not None:
        raise RequestError("--workers and --cluster were both given; a cluster brings its own workers")
    if config.cluster is not None and not _ADDRESS.fullmatch(config.cluster):
        raise RequestError(f"--cluster {config.cluster}: give the address of a scheduler, such as tcp://10.0.0.5:8786")


def check_size(points: int) -> None:
    """Refuse a plan that is too large to be held."""
    if points > POINTS_MAX:
        raise RequestError(f"the sweep has {points} points; the most is {POINTS_MAX}, so give fewer values or seeds")
