"""Budgets of engines over many settings: rows of noise, power and speed without a model, milliseconds each."""

import functools
import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from experiments.errors import RequestError
from experiments.sweep_experiments import EXPERIMENTS
from experiments.sweep_worker import in_one_line
from experiments.sweepable import Failed, Point, Row

if TYPE_CHECKING:
    from photonics.catalogue import EngineFile
    from photonics.engine import Engine

_POWER = "operating_point.laser_power_w"


class EnginesSweep:
    """The budgets of `exalight engines NAME`, one row for each point."""

    experiment = "engines"
    objective = "energy_per_mac_j"
    points_per_chunk = 64

    def facts(self, options: Mapping[str, Any], engine_set: tuple[str, ...]) -> Mapping[str, str]:
        """A hash over all values of the engine."""
        if options.get("laser_power_w") is not None and any(one.partition("=")[0] == _POWER for one in engine_set):
            raise RequestError(f"laser_power_w and {_POWER} are the same value, set twice; give one of them")
        return {"engine": _digest(_engine_file(options, engine_set).values)}

    def group(self, point: Point) -> str:
        """Engines of the same sizes, bit widths, switches and choices."""
        values = _engine_file(point.options, point.engine_set).values
        return _digest({path: value for path, value in values.items() if not isinstance(value, float)})

    def evaluate(self, points: Sequence[Point]) -> Iterator[tuple[Point, Row | Failed]]:
        """Compute the budgets of each point; what an engine refuses fails by itself."""
        from photonics.catalogue import build_engine

        for point in points:
            try:
                yield point, budgets(build_engine(_same_file(point)))
            except Exception as error:
                yield point, Failed(in_one_line(error))


def budgets(engine: "Engine") -> Row:
    """What one engine that never pauses does at its operating point.

    Ratios of a typical output (`photonics.operands`): `snr_db`, `effective_bits`, and `noise_share.ORIGIN`, its
    variance by origin. At the wall: `power_w` and `power_w.PART`, `energy_per_mac_j`, `tops_per_w`; `macs_per_s` and
    `exaops` with every pixel in use. Left out: memory reloads, weights that do not fill the panel.
    """
    noise = engine.noise_budget()
    variance = math.fsum(term.variance_electrons2 for term in noise)
    signal = engine.typical_signal_electrons()
    snr_db = 10 * math.log10(signal**2 / variance) if variance and signal else None
    power_w = {part: float(watt) for part, watt in engine.power_budget().items()}
    total_w = math.fsum(power_w.values())
    macs_per_s = float(engine.macs_per_s())
    on_path_j = engine.link_budget()[-1].power_w / float(engine.operating_point.symbol_rate_hz)
    return {
        "snr_db": snr_db,
        "effective_bits": None if snr_db is None else (snr_db - 1.76) / 6.02,
        "signal_electrons": signal,
        "noise_electrons": math.sqrt(variance),
        "electrons_per_path": on_path_j * float(engine.electrons_per_joule()),
        "power_w": total_w,
        "energy_per_mac_j": total_w / macs_per_s,
        "tops_per_w": 2 * macs_per_s / total_w / 1e12 if total_w else None,
        "macs_per_s": macs_per_s,
        "exaops": 2 * macs_per_s / 1e18,
        **{f"noise_share.{_word(term.origin)}": term.share for term in sorted(noise, key=lambda term: term.origin)},
        **{f"power_w.{part}": power_w[part] for part in sorted(power_w)},
    }


def _word(origin: str) -> str:
    return origin.replace(" ", "_").replace("-", "_").lower()


def _same_file(point: Point) -> "EngineFile":
    """The engine of a point; ValueError if it is another one here than where the plan was made."""
    for _ in range(2):
        file = _engine_file(point.options, point.engine_set)
        if {"engine": _digest(file.values)} == point.facts:
            return file
        # A worker that lives long may know a file as it was before.
        _read.cache_clear()
    raise ValueError(
        f"the engine {point.options.get('engine')} of this worker has other values than that of the command"
    )


def _digest(values: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(dict(values)).encode()).hexdigest()[:16]


def _engine_file(options: Mapping[str, Any], engine_set: tuple[str, ...]) -> "EngineFile":
    default = EXPERIMENTS["engines"].default("engine")
    power_w = options.get("laser_power_w")
    overrides = engine_set if power_w is None else (*engine_set, f"{_POWER}={power_w!r}")
    return _read(str(options.get("engine", default)), overrides)


# A plan asks for the same engine twice in a row, for its facts and for its group.
@functools.lru_cache(maxsize=256)
def _read(name: str, overrides: tuple[str, ...]) -> "EngineFile":
    from experiments.accuracy_request import checked_engine_file
    from photonics.catalogue import apply_overrides

    if not overrides:
        return checked_engine_file(name, ())
    try:
        return apply_overrides(_read(name, ()), overrides)
    except ValueError as error:
        raise RequestError(str(error)) from error
