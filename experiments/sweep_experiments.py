"""Which experiments can be swept, what their options are, and where the code that computes them is found."""

import dataclasses
import difflib
import importlib
from typing import TYPE_CHECKING, Any

from experiments.accuracy_config import AccuracyConfig
from experiments.errors import RequestError
from experiments.generate_config import GenerateConfig
from experiments.scaling_config import ScalingConfig

if TYPE_CHECKING:
    from experiments.sweepable import Sweepable

# Options that a sweep has itself, or that say where one run is put.
_OWN_OPTIONS = ("set", "seed", "out")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment as `exalight sweep` knows it, before anything of it is imported.

    Attributes:
        name: its command.
        options: dataclass whose fields are its options.
        loader: what makes its `Sweepable`: "module:name", or "module:name:argument"; workers import it too.
        hidden: fields that make no sense at one point of a sweep.
        seeded: whether it draws anything at random.
        instances: whether it tells one fabricated engine from another.
        told: an option whose value, if all points share one, is an argument of the loader: it decides the objective.
    """

    name: str
    options: type
    loader: str
    hidden: tuple[str, ...] = ()
    seeded: bool = True
    instances: bool = False
    told: str | None = None

    def fields(self) -> list[str]:
        """Names of the options that a sweep may set."""
        left_out = (*_OWN_OPTIONS, *self.hidden)
        return [field.name for field in dataclasses.fields(self.options) if field.name not in left_out]

    def has_engine(self) -> bool:
        """Whether fields of an engine may be set, too."""
        return any(field.name == "set" for field in dataclasses.fields(self.options))

    def default(self, option: str) -> Any:
        """Default of an option."""
        return next(field.default for field in dataclasses.fields(self.options) if field.name == option)


@dataclasses.dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of a swept `exalight engines`: there is always one engine to show, and nothing to draw."""

    engine: str = "free-space-1024"
    set: tuple[str, ...] = ()
    laser_power_w: float | None = None


EXPERIMENTS: dict[str, Experiment] = {
    "accuracy": Experiment(
        "accuracy",
        AccuracyConfig,
        "experiments.accuracy_sweep:AccuracySweep",
        hidden=("devices",),
        instances=True,
        told="task",
    ),
    "engines": Experiment("engines", EngineOptions, "experiments.engines_sweep:EnginesSweep", seeded=False),
    "generate": Experiment("generate", GenerateConfig, "experiments.generic_sweep:GenericSweep:generate"),
    "scaling": Experiment("scaling", ScalingConfig, "experiments.scaling_sweep:ScalingSweep", hidden=("plot",)),
}


def experiment(name: str | None) -> Experiment:
    """An experiment by name; RequestError where there is none."""
    known = ", ".join(EXPERIMENTS)
    if name is None:
        raise RequestError(
            f"sweep needs an experiment before --set: exalight sweep EXPERIMENT --set ..., one of {known}"
        )
    if name not in EXPERIMENTS:
        found = difflib.get_close_matches(name, list(EXPERIMENTS), n=1)
        nearest = f"; did you mean {found[0]}?" if found else ""
        raise RequestError(f"there is no experiment {name!r} to sweep{nearest} (experiments: {known})")
    return EXPERIMENTS[name]


def load_sweepable(loader: str) -> "Sweepable":
    """The code of an experiment; `loader` as in `Experiment`."""
    module, name, *arguments = loader.split(":")
    return getattr(importlib.import_module(module), name)(*arguments)
