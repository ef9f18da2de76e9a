"""A swept experiment of no cost for tests: its rows follow from the point, and some points do harm."""

import dataclasses
import hashlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.errors import RequestError
from experiments.sweep_experiments import Experiment
from experiments.sweepable import Failed, Point, Row

LOADER = "tests.experiments.swept:Swept"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweptOptions:
    """Options of the experiment; `what` says what its points do."""

    x: float = 0.0
    n: int = 1
    what: str = "compute"
    set: tuple[str, ...] = ()
    seed: int = 0


class Swept:
    """Computes a number from each point, or fails, or dies."""

    experiment = "swept"
    objective = "y"
    points_per_chunk = 4

    def facts(self, options: Mapping[str, Any], engine_set: tuple[str, ...]) -> Mapping[str, str]:
        if options.get("x", 0.0) < 0:
            raise RequestError(f"x is {options['x']:g}; it should be at least 0")
        return {"of": "tests"}

    def group(self, point: Point) -> str:
        return str(point.options.get("n"))

    def evaluate(self, points: Sequence[Point]) -> Iterator[tuple[Point, Row | Failed]]:
        for point in points:
            what = point.options.get("what", "compute")
            if what == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "raise":
                raise ValueError("poisoned\npoint")
            if what == "fail":
                yield point, Failed("not this one")
                continue
            if what.startswith("once"):
                _die_once(Path(what.removeprefix("once")))
            if what.startswith("sleep"):
                time.sleep(float(what.removeprefix("sleep")))
            if what == "slow-sum":
                time.sleep(0.1)
                yield point, {"y": _sum(point.seed)}
                continue
            digest = hashlib.sha256(point.identity.encode()).digest()
            y = int.from_bytes(digest[:6]) / 2**48
            yield point, {"y": y, "instance_seen": point.instance, "word": digest.hex()[:3], "large": y > 0.5}


def _die_once(marker: Path) -> None:
    """Kill this process, unless one has been killed before."""
    if not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def _sum(seed: int) -> float:
    """A sum that XLA divides by the number of its threads, which changes its last bits."""
    import jax

    x, w = (jax.random.normal(jax.random.key(seed + shift), (n, 1024)) for shift, n in ((1, 512), (2, 1024)))
    return float(jax.jit(jax.numpy.sum)(x @ w))


class WideSwept(Swept):
    """The same in chunks of the size that cheap experiments have."""

    points_per_chunk = 64


SWEPT = Experiment("swept", SweptOptions, LOADER, instances=True)
