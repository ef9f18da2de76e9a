"""From the options of `exalight sweep` to a plan that can be computed; refuses all others, without JAX."""

import dataclasses
from pathlib import Path
from typing import Any

from experiments.errors import RequestError
from experiments.runs import RunFolder, short_hash
from experiments.sweep_axes import Axis, read_axes
from experiments.sweep_config import SweepConfig, check_options
from experiments.sweep_experiments import Experiment, experiment, load_sweepable
from experiments.sweep_plan import Plan, make_plan

EXPERIMENT = "sweep"
_RUNS = Path("runs")
# What changes how a sweep is computed, and not what comes out.
_NO_PART_OF_THE_SWEEP = ("objective", "out", "workers", "cluster", "retry_failed", "dry_run")


@dataclasses.dataclass(frozen=True)
class SweepRequest:
    """A checked request.

    Attributes:
        config: the options.
        experiment: what is swept.
        axes: what is varied.
        plan: all points.
        objective: column by which points are compared.
        largest: whether more of it is better, instead of less.
        folder: where results go.
    """

    config: SweepConfig
    experiment: Experiment
    axes: tuple[Axis, ...]
    plan: Plan
    objective: str
    largest: bool
    folder: RunFolder

    @property
    def options(self) -> dict[str, Any]:
        """The options that decide what comes out, as they stand in `config.toml` and `result.json`."""
        return options(self.config)


def options(config: SweepConfig) -> dict[str, Any]:
    """Options of a sweep that decide what comes out."""
    values = dataclasses.asdict(config)
    return {key: value for key, value in values.items() if key not in _NO_PART_OF_THE_SWEEP}


def check_request(config: SweepConfig) -> SweepRequest:
    """Check options, axes, every combination and the folder, cheapest first. RequestError says what is wrong."""
    swept = experiment(config.experiment)
    check_options(config)
    if config.seeds > 1 and not swept.seeded:
        raise RequestError(f"--seeds {config.seeds}: exalight {swept.name} draws nothing at random; leave it out")
    if config.instances is not None and not swept.instances:
        raise RequestError(f"--instances {config.instances}: exalight {swept.name} does not tell instances apart")
    axes = read_axes(swept, config.set)
    swept = _told(swept, axes)
    sweepable = load_sweepable(swept.loader)
    plan = make_plan(config, swept, axes, sweepable)
    document = {"experiment": EXPERIMENT, "options": options(config), "plan": {"sha256": plan.sha256}}
    path = Path(config.out) if config.out is not None else _RUNS / EXPERIMENT / short_hash(document)
    folder = RunFolder(path, document)
    if not config.dry_run:
        folder.check()
    column, largest = _objective(config.objective or sweepable.objective)
    return SweepRequest(config, swept, axes, plan, column, largest, folder)


def _objective(text: str) -> tuple[str, bool]:
    """Column and whether more of it is better, from COLUMN, COLUMN:min or COLUMN:max."""
    column, _, sense = text.partition(":")
    if sense not in ("", "min", "max") or not column:
        raise RequestError(f"--objective {text}: give a column, and :max where its largest value is the best")
    return column, sense == "max"


def _told(swept: Experiment, axes: tuple[Axis, ...]) -> Experiment:
    """The experiment with the argument that its loader wants, where all points have the same."""
    parts = next((axis.parts for axis in axes if axis.path == swept.told), ())
    if len(parts) != 1:
        return swept
    return dataclasses.replace(swept, loader=f"{swept.loader}:{parts[0]}")
