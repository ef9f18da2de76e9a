"""What `exalight bench` measures: every case by name, the machine it simulates, and what it may cost."""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Literal

from experiments.bench_config import DEFAULT_ENGINE, DEFAULT_SHAPES, BenchConfig, shape
from experiments.errors import RequestError

Kind = Literal["forward", "forward from weights", "backward", "backward from weights", "model"]

MODEL_CASE = "model"
_TARGETS = dict[str, float]
_LARGE, _WIDE = DEFAULT_SHAPES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One ratio.

    Attributes:
        name: of the case; together with the shape it names one measurement.
        kind: what is timed. `forward` has the panel loaded; `backward` is the gradient of sum(y^2) for x and for the
            panel (for x and w where it starts from weights), forward included; `model` is a whole forward pass.
        title: the same for a reader.
        engine: another engine than that of the options, or None.
        engine_set: PATH=VALUE that make the machine of the case from the engine.
        shape: (m, k, n) of the product, None for a model.
        target: largest ratio aimed at, on 2 cores with AVX512-BF16; None where none was set.
        generator: of the random draws (`photonics.draws.generator`).
    """

    name: str
    kind: Kind
    title: str
    engine: str | None = None
    engine_set: tuple[str, ...] = ()
    shape: tuple[int, int, int] | None = None
    target: float | None = None
    generator: Literal["counter", "threefry"] = "counter"

    @property
    def label(self) -> str:
        """Name and shape: "catalogued 512x1024x1024"."""
        return self.name if self.shape is None else f"{self.name} {'x'.join(map(str, self.shape))}"

    @property
    def file_name(self) -> str:
        """The label as the name of a stored point."""
        return self.label.replace(" ", "_")


# Weights and drives that are whole numbers: no residual errors of the pixels, no noise of single sources.
_WHOLE = ("panel.fixed_pattern=false", "optics.crosstalk=false", "source.noise=none")
_INTEGER = (*_WHOLE, "encoding.rotate=false")
_SMALL_FAN_IN, _PER_PASS = "source.count=128", "encoding.conversion=pass"


def _both(target: float) -> _TARGETS:
    return {_LARGE: target, _WIDE: target}


# Name, kind, title, fields of the engine, targets by shape.
_PRODUCTS: tuple[tuple[str, Kind, str, tuple[str, ...], _TARGETS], ...] = (
    ("integer", "forward", "integer weights", _INTEGER, {_LARGE: 1.30, _WIDE: 1.40}),
    ("integer-rotated", "forward", "integer weights, rotated", (*_WHOLE, "encoding.rotate=true"),
     {_LARGE: 1.30, _WIDE: 1.40}),
    ("catalogued", "forward", "as catalogued", (), {_LARGE: 1.75, _WIDE: 1.85}),
    ("integer-fan-in-128", "forward", "integer weights, fan-in 128", (*_INTEGER, _SMALL_FAN_IN), _both(2.5)),
    ("catalogued-fan-in-128", "forward", "as catalogued, fan-in 128", (_SMALL_FAN_IN,), _both(2.5)),
    ("integer-per-pass", "forward", "integer weights, each pass converted", (*_INTEGER, _PER_PASS), _both(3.0)),
    ("catalogued-per-pass", "forward", "as catalogued, each pass converted", (_PER_PASS,), _both(3.0)),
    ("integer-backward", "backward", "integer weights, and backward", _INTEGER, _both(1.6)),
    ("catalogued-backward", "backward", "as catalogued, and backward", (), _both(1.6)),
    ("catalogued-from-weights", "forward from weights", "as catalogued, from weights", (), {}),
    ("integer-backward-from-weights", "backward from weights", "integer weights, and backward, from weights",
     _INTEGER, {}),
    ("catalogued-backward-from-weights", "backward from weights", "as catalogued, and backward, from weights", (), {}),
)  # fmt: skip
_MODEL_TARGET = 1.8


def chosen_cases(config: BenchConfig) -> tuple[Case, ...]:
    """The cases that the options ask for, in order; RequestError where the pattern finds none.

    Targets hold for the catalogue engine as it is: another engine or other values are recorded without one.
    """
    everything = [*_products(config), *_others(config), _model(config)]
    pattern = re.compile(config.cases)
    chosen = tuple(case for case in everything if pattern.search(case.label))
    if not chosen:
        names = ", ".join(dict.fromkeys(case.name for case in everything))
        raise RequestError(f"--cases {config.cases!r} finds no case; the cases are {names}")
    return chosen


def _products(config: BenchConfig) -> Iterator[Case]:
    for name, kind, title, engine_set, targets in _PRODUCTS:
        for text in config.shapes:
            target = _judged(config, targets).get(text)
            yield Case(name=name, kind=kind, title=title, engine_set=engine_set, shape=shape(text), target=target)


def _others(config: BenchConfig) -> Iterator[Case]:
    """Another engine, and another generator of random draws."""
    for text in config.shapes:
        title = "ideal engine: no noise, no rounding"
        yield Case(name="ideal", kind="forward", title=title, engine="ideal", shape=shape(text))
    for text in config.shapes:
        title = "as catalogued, draws by Threefry"
        yield Case(name="catalogued-threefry", kind="forward", title=title, shape=shape(text), generator="threefry")


def _model(config: BenchConfig) -> Case:
    target = _judged(config, {config.model: _MODEL_TARGET}).get(BenchConfig().model)
    title = f"{config.model}, all linear layers optical"
    return Case(name=MODEL_CASE, kind="model", title=title, target=target)


def _judged(config: BenchConfig, targets: Mapping[str, float]) -> Mapping[str, float]:
    return targets if config.engine == DEFAULT_ENGINE and not config.set else {}
