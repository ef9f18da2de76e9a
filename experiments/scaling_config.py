"""Options of `exalight scaling`; standard library and tyro only, so that bad options are refused at once."""

import dataclasses
from typing import Annotated, Literal

import tyro

from experiments.errors import RequestError
from experiments.option_checks import check_not_empty, check_seed

FEWEST_SAMPLES, MOST_SAMPLES = 100, 1_000_000
# SI prefixes end there, as for the values of an engine: products and ratios stay within floating point.
_LEAST, _MOST = 1e-24, 1e24


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScalingConfig:
    """How likely a target such as an exaOPS in 10 kW is by a year, what limits it, and what would have to improve.

    A roadmap states how each technology parameter may move until 2032. Samples of it give operations per joule at the
    wall for a workload, with reloads, memory, links, host and everything digital, at the laser power that the accuracy
    of a real model requires. Two operations are one multiply-accumulate (MAC); peak and delivered are kept apart.

    For example:

    exalight scaling

    exalight scaling --year 2032 --workload llama-3.1-405b:prefill:8192:16 --photons per-dot-product

    exalight scaling --set panel.reload_time_s=1e-6 --set links.bytes_per_s=1e12 --idle dark

    exalight scaling --roadmap my-roadmap.toml --bits-x 6 --bits-w 6 --accuracy runs/accuracy/six-bits --kl-nats 0.05
    """

    roadmap: Annotated[str, tyro.conf.arg(metavar="NAME|FILE.toml")] = "default"
    """How technology may develop: the roadmap of the package, or a file of the same form."""

    engine: Annotated[str, tyro.conf.arg(metavar="NAME|FILE.toml")] = "free-space-2048"
    """Optical engine from the catalogue (see: exalight engines) or from a file: whatever the roadmap does not move."""

    set: Annotated[tuple[str, ...], tyro.conf.arg(metavar="PATH=VALUE", help_behavior_hint="(repeatable)")] = ()
    """Another value for any field of the engine, or of the system around it such as links.bytes_per_s. What the roadmap
    would move is then the same in all years and samples."""

    year: Annotated[int, tyro.conf.arg(metavar="YEAR")] = 2029
    """Year of the target: sensitivities, requirements and walls are those of this year. All years are drawn."""

    power_w: Annotated[float, tyro.conf.arg(metavar="WATT")] = 1e4
    """Power at the wall of the whole machine, power supplies included, cooling of the building not."""

    target_ops: Annotated[float, tyro.conf.arg(metavar="OPS")] = 1e18
    """Operations per second to be delivered from that power; 1e18 is an exaOPS."""

    bits_x: Annotated[int, tyro.conf.arg(metavar="B")] = 8
    """Bits of the activations: the engine's dac.bits, and those of the accuracy run."""

    bits_w: Annotated[int, tyro.conf.arg(metavar="B")] = 8
    """Bits of the weights: the engine's panel.bits, and those of the accuracy run."""

    workload: Annotated[str, tyro.conf.arg(metavar="MODEL:prefill:TOKENS[:BATCH]|dense")] = "llama-3.1-70b:prefill:8192"
    """What is computed: prompts of llama-3.1-8b, -70b or -405b, so many tokens long and so many at once (1 without a
    number); or dense, full matrices whose vectors never end and all come and go over links."""

    samples: Annotated[int, tyro.conf.arg(metavar="N")] = 10_000
    """Trajectories of technology that are drawn."""

    accuracy: Annotated[
        str | None, tyro.conf.arg(metavar="RUN", help_behavior_hint="(default: the stored run of SmolLM2-135M)")
    ] = None
    """Folder of an exalight accuracy run with the same bits, which tells how much light an accuracy needs."""

    kl_nats: Annotated[float, tyro.conf.arg(metavar="NATS")] = 0.1
    """Accuracy that the laser power has to reach: Kullback-Leibler divergence from the digital model, per token. While
    it is small, also the increase of the loss to expect."""

    photons: Literal["per-mac", "per-dot-product"] = "per-mac"
    """What is held where the model is wider than that of the accuracy run: photons per MAC, or photons per dot product
    (light falls as 1/d up to the panel's fan-in: a claim of Optical Transformers about models, not about light)."""

    idle: Literal["lit", "dark"] = "lit"
    """Whether lasers stay on while a panel is written; how long dark ones take to settle is left out."""

    seed: Annotated[int, tyro.conf.arg(metavar="S")] = 0
    """Seed of every random draw."""

    plot: bool = True
    """Draw the figures."""

    out: Annotated[
        str | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="(default: runs/scaling/<hash of the options>)")
    ] = None
    """Folder of the results. One that holds another configuration is refused."""


def check_options(config: ScalingConfig) -> None:
    """Refuse options that are wrong whatever the files hold; RequestError names option, value and what is right."""
    _check_number("power-w", config.power_w, "W")
    _check_number("target-ops", config.target_ops, "operations per second")
    _check_number("kl-nats", config.kl_nats, "nats")
    if not FEWEST_SAMPLES <= config.samples <= MOST_SAMPLES:
        raise RequestError(
            f"--samples {config.samples}: give a whole number from {FEWEST_SAMPLES} to {MOST_SAMPLES}; the quantiles "
            "of 5 and 95 % need at least that many"
        )
    check_seed(config.seed)
    check_not_empty(config, ("roadmap", "engine", "workload", "accuracy", "out"))


def _check_number(option: str, value: float, unit: str) -> None:
    # Not a number is in no interval.
    if not _LEAST <= value <= _MOST:
        raise RequestError(f"--{option} {value:g}: give a number above 0, from {_LEAST:g} to {_MOST:g} {unit}")
