"""From one point of `exalight sweep accuracy` to what it reads; refuses without JAX, and reads no file twice."""

import dataclasses
import difflib
import functools
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from experiments.accuracy_config import AccuracyConfig, check_options
from experiments.accuracy_request import checked_engine_file, model_and_data
from experiments.errors import RequestError

if TYPE_CHECKING:
    from photonics.catalogue import EngineFile

LASER_POWER, ROTATE = "operating_point.laser_power_w", "encoding.rotate"

STATIC_NUMBERS = ("encoding.activation_percentile", "encoding.weight_percentile")
"""Values of an engine that are no whole numbers and yet part of its structure."""

_OF_THE_SWEEP = {
    "set": "--set PATH=VALUES of `exalight sweep`",
    "seed": "--seeds and --seed of `exalight sweep`",
    "out": "--out of `exalight sweep`",
    "devices": "--workers or --cluster of `exalight sweep`: a point is computed on one device",
}
# What decides which model is loaded and what it is asked; everything else is the engine's or the cost's.
_OF_THE_DATA = ("task", "model", "text", "data", "samples", "tokens", "context")


@dataclasses.dataclass(frozen=True)
class PointRequest:
    """One checked configuration.

    Attributes:
        config: the options, with exactly one laser power and one rotate setting.
        engine_file: values of the engine, those of the point applied, with its rotate setting and without the laser
            power, as converters are ranged whatever the power.
        facts: hashes of what it reads.
    """

    config: AccuracyConfig
    engine_file: "EngineFile"
    facts: Mapping[str, str]

    @property
    def rotate(self) -> bool:
        """Whether the contraction axis is rotated, where the engine can."""
        return self.config.rotate == "on" and ROTATE in self.engine_file.values

    @property
    def laser_power_w(self) -> float:
        """Optical power of one source [W]."""
        return self.config.laser_power_w[0]

    @property
    def data(self) -> tuple[Any, ...]:
        """What tells one model and its text or samples from others."""
        return _data(self.config)

    @property
    def structure(self) -> str:
        """A digest of everything that compiles anew: model, data, layers, bits, switches, shapes."""
        switches = {
            path: value
            for path, value in self.engine_file.values.items()
            if isinstance(value, bool | int | str) or path in STATIC_NUMBERS
        }
        document = [
            self.data,
            self.config.digital,
            self.config.dynamic,
            self.config.generator,
            self.rotate,
            {**switches, ROTATE: self.rotate},
        ]
        return _digest(document)


def check_point(options: Mapping[str, Any], engine_set: tuple[str, ...], seed: int = 0) -> PointRequest:
    """Check one configuration of a sweep; files are read once per process. RequestError as `exalight accuracy` has it.

    Without `rotate` the contraction axis is rotated; without `laser_power_w` it is that of the engine.
    """
    values = {name: _value(name, value) for name, value in options.items()}
    _check_names(values, engine_set)
    engine_file = _engine_file(values.get("engine", _default("engine")), engine_set)
    laser_power_w = values.pop("laser_power_w", None) or (float(engine_file.values[LASER_POWER]),)
    config = AccuracyConfig(
        **{"rotate": "on", **values}, laser_power_w=laser_power_w, set=engine_set, seed=seed, devices=1
    )
    if len(config.laser_power_w) != 1:
        raise RequestError(f"laser_power_w {config.laser_power_w}: a point of a sweep has one laser power")
    if config.rotate == "both":
        raise RequestError("rotate both: a point of a sweep has one setting; give --set rotate=on,off")
    check_options(config)
    # Of the power, whose value reaches neither the model nor the text, nothing is read.
    facts = {**_read(_data(config))[2], "engine": _digest(sorted(engine_file.values.items()))}
    return PointRequest(config, engine_file, facts)


def model_and_sample(request: PointRequest) -> tuple[Any, Any]:
    """Checkpoint and sample of a checked configuration, as `accuracy_request.model_and_data` gives them."""
    return _read(request.data)[:2]


@functools.lru_cache(maxsize=16)
def _unchanged(name: str) -> "EngineFile":
    return checked_engine_file(name, ())


@functools.lru_cache(maxsize=256)
def _engine_file(name: str, engine_set: tuple[str, ...]) -> "EngineFile":
    from photonics.catalogue import apply_overrides

    try:
        return apply_overrides(_unchanged(name), engine_set)
    except ValueError as error:
        raise RequestError(str(error)) from error


@functools.lru_cache(maxsize=4)
def _read(data: tuple[Any, ...]) -> tuple[Any, Any, dict[str, str]]:
    config = AccuracyConfig(**dict(zip(_OF_THE_DATA, data, strict=True)))
    checkpoint, sample, source = model_and_data(config)
    return checkpoint, sample, {"model": checkpoint.sha256, **{name: t["sha256"] for name, t in source.items()}}


def _data(config: AccuracyConfig) -> tuple[Any, ...]:
    return tuple(getattr(config, name) for name in _OF_THE_DATA)


def _check_names(values: Mapping[str, Any], engine_set: tuple[str, ...]) -> None:
    paths = {item.partition("=")[0].strip() for item in engine_set}
    if LASER_POWER in paths and "laser_power_w" in values:
        raise RequestError(f"laser_power_w and {LASER_POWER} are the same value; set one of them")
    if ROTATE in paths:
        raise RequestError(f"{ROTATE} is an option of exalight accuracy; give --set rotate=on,off")


def _value(name: str, value: Any) -> Any:
    """The value of an option in the type that the configuration has for it."""
    known = [field.name for field in dataclasses.fields(AccuracyConfig) if field.name not in _OF_THE_SWEEP]
    if name in _OF_THE_SWEEP:
        raise RequestError(f"{name} is not an option of a point; give {_OF_THE_SWEEP[name]}")
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise RequestError(f"exalight accuracy has no option {name!r}{hint} (options: {', '.join(known)})")
    several = value if isinstance(value, list | tuple) else (value,)
    if name == "laser_power_w":
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in several):
            raise RequestError(f"laser_power_w {value}: expected a number of watts")
        return tuple(float(v) for v in several)
    if name == "digital":
        return tuple(str(v) for v in several)
    return _plain(name, value)


def _plain(name: str, value: Any) -> Any:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if name in ("tokens", "context", "samples") and not whole and not (name == "samples" and value is None):
        raise RequestError(f"{name} {value}: expected a whole number")
    if name == "panels" and not whole and value != "resident":
        raise RequestError(f"panels {value}: give 'resident' or a whole number of panels from 1")
    choices = {"task": ("perplexity", "embed", "classify"), "rotate": ("on", "off", "both")}.get(name)
    if choices and value not in choices:
        raise RequestError(f"{name} {value}: expected one of {', '.join(choices)}")
    return value


def _default(name: str) -> Any:
    return next(field.default for field in dataclasses.fields(AccuracyConfig) if field.name == name)


def _digest(document: Any) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
