"""What some work costs on an engine: energy by part, time, passes, conversions, and how busy the panels are.

The numbers are those of the stages that also set the accuracy. What happens is counted (`photonics.tally`) and charged
by the engine's family; everything that is on all the time (light, receivers, panels, control) is power times time.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Literal, NamedTuple

from jax.core import Tracer

from photonics.adc_front import check_front
from photonics.stage import Scalar, number
from photonics.tally import Tally
from photonics.work import Contraction, Work

if TYPE_CHECKING:
    from photonics.engine import Engine

Deployment = int | Literal["resident"]


@dataclasses.dataclass(frozen=True)
class Cost:
    """Cost of some work in one deployment, at the wall.

    Attributes:
        energy_j: energy by part [J]; "power_supply" is the loss of the supply, "digital_products" the products that
            no panel computes. The parts sum to the whole.
        time_s: time until the work is done, optical passes and panel loads only [s].
        passes: symbols shown, summed over engines.
        conversions: analog-to-digital conversions.
        panel_loads: panels written for this work: weights that are not resident, and dynamic operands.
        load_time_s: time that engines spend on those loads, summed over engines [s].
        engines: engines that take part.
        utilisation: share of the engines' time in which vectors are shown.
        macs: logical multiply-accumulates of the work, optical and digital.
        optical_macs: those computed with light.
        launched_energy_j: optical energy that left the sources [J].
    """

    energy_j: dict[str, Scalar]
    time_s: Scalar
    passes: int
    conversions: int
    panel_loads: int
    load_time_s: Scalar
    engines: int
    utilisation: Scalar
    macs: int
    optical_macs: int
    launched_energy_j: Scalar

    @property
    def total_energy_j(self) -> Scalar:
        """All parts together [J]."""
        return sum(self.energy_j.values())

    @property
    def power_w(self) -> Scalar:
        """Average power at the wall [W]; 0 for work that takes no optical time."""
        return self.total_energy_j / self.time_s if self.passes else 0.0

    @property
    def energy_j_per_mac(self) -> Scalar:
        """Energy of one logical multiply-accumulate, everything included [J]; 0 for no work."""
        # As a float: counts of a large model exceed the integers of JAX.
        return self.total_energy_j / float(self.macs) if self.macs else 0.0

    @property
    def tops_per_w(self) -> Scalar:
        """Logical operations (2 per MAC, one pass) per joule, in 1e12; 0 for no work."""
        return 2.0 * float(self.macs) / self.total_energy_j / 1e12 if self.macs else 0.0


# An engine whose panel takes longer than this to write holds no operand of attention: every head of every sequence has
# a matrix of its own, and showing 1,024 vectors at 1 GHz takes about a microsecond. A choice, not a published figure.
SLOWEST_DYNAMIC_LOAD_S = 1e-5


def cost(
    engine: "Engine",
    work: Work,
    panels: Deployment = "resident",
    digital: Sequence[str] = (),
    dynamic: Sequence[str] = (),
) -> Cost:
    """Cost of `work` (from `photonics.count_contractions`) on copies of an engine.

    `panels="resident"`: every tile of every weight matrix has an engine and panel of its own, written once before;
    work streams through all of them, time = longest use of one engine / utilisation, and all stay on that long. An
    engine that streams its weights has nothing resident: one copy does everything, time = its use / utilisation.
    `panels=N`: N engines share all tiles evenly and write each panel once for the work:

        time = sum over tiles of (vectors passes / f + t_reload) / N

    Nothing is written where N panels hold all tiles. `digital` are patterns (`re.search`, layer indices included) of
    weight products that stay digital. `dynamic` are patterns of products of data with data (attention) that go to
    light; the others stay digital. The right operand of each execution is then written like weights, every time:

        loads = tiles of one matrix * batch * executions,        each of them t_reload and the energy of a panel load

    Among resident panels such products keep as many further engines busy as finish in the time of the others; they are
    charged for the time that they take.

    Left out: time of digital work, links between engines. Raises ValueError for a pattern that is no regular expression
    or matches nothing, a deployment that is neither, a converter that nobody has built (`photonics.adc_front`), and
    dynamic products on a panel that is slower than `SLOWEST_DYNAMIC_LOAD_S`.
    """
    _check(engine, panels, dynamic)
    optical, data, stays_digital = _divide(work, digital, dynamic)
    weights, moving = (sum((engine.count(one) for one in part), Tally()) for part in (optical, data))
    tally, rate_hz = weights + moving, engine.operating_point.symbol_rate_hz
    data_loads = sum(engine.count(one).tiles * _executions(one) for one in data) if engine.holds_weights else 0
    busy_s = float(tally.busy_passes) / rate_hz
    if panels == "resident":
        loads, reloaded = data_loads, Tally()
        moving_s = float(moving.busy_passes) / rate_hz + _times(loads, engine.reload_time_s)
        use = _resident(engine, weights, moving, moving_s)
    else:
        reloaded = weights if engine.holds_weights and tally.tiles > int(panels) else Tally()
        loads, engines = data_loads + reloaded.tiles, min(int(panels), tally.tiles)
        time_s = (busy_s + _times(loads, engine.reload_time_s)) / max(engines, 1)
        time_s = time_s if engine.holds_weights else time_s / engine.system.utilisation
        use = _Use(engines, time_s, engines * time_s)

    energy_j = {part: _times(1, power_w * use.engine_s) for part, power_w in engine.standing_power_w().items()}
    events = {part: number(energy) for part, energy in engine.event_energy_j(tally).items()}
    for part, energy in [*events.items(), *_loads_j(engine, loads, reloaded, data).items()]:
        energy_j[part] = energy_j.get(part, 0.0) + energy
    energy_j["digital_products"] = _times(stays_digital.macs, engine.digital.mac_energy_j)
    loss = 1.0 / engine.system.power_supply_efficiency - 1.0
    energy_j["power_supply"] = number(sum(energy_j.values()) * loss)
    return Cost(
        energy_j=energy_j,
        time_s=number(use.time_s),
        passes=tally.busy_passes,
        conversions=tally.conversions,
        panel_loads=loads,
        load_time_s=_times(loads, engine.reload_time_s),
        engines=use.engines,
        utilisation=number(busy_s / use.engine_s) if tally.busy_passes else 0.0,
        macs=work.macs,
        optical_macs=tally.macs,
        launched_energy_j=_times(1, engine.launched_power_w() * use.engine_s),
    )


class _Use(NamedTuple):
    """Engines that take part, time until the work is done [s], and the time of all engines together [s]."""

    engines: int
    time_s: Scalar
    engine_s: Scalar


def _resident(engine: "Engine", weights: Tally, moving: Tally, moving_s: Scalar) -> _Use:
    """One engine per tile of the weights, and as many for moving operands as finish with them."""
    utilisation, rate_hz = engine.system.utilisation, engine.operating_point.symbol_rate_hz
    if not engine.holds_weights:
        time_s = float(weights.busy_passes + moving.busy_passes) / rate_hz / utilisation
        return _Use(min(weights.tiles + moving.tiles, 1), time_s, time_s)
    longest_s = float(weights.longest_passes) / rate_hz
    if not weights.longest_passes:
        longest_s = moving_s / max(moving.tiles, 1)
    share, known = moving_s / longest_s if moving.tiles else 0.0, not isinstance(number(longest_s), Tracer)
    # Of an engine that is being differentiated nobody asks how many whole ones there are.
    further = math.ceil(float(share) - 1e-9) if known and not isinstance(number(share), Tracer) else moving.tiles
    time_s = longest_s / utilisation
    return _Use(weights.tiles + further, time_s, (weights.tiles + share) * time_s)


def power_budget(engine: "Engine") -> dict[str, Scalar]:
    """Power at the wall by part of one engine that shows full vectors without a pause [W]."""
    vectors = 1_000_000
    matrix = Contraction(name="", batch=1, m=vectors, k=engine.inputs, n=engine.outputs, count=1, weights=True)
    always_busy = engine.replace(**{"system.utilisation": 1.0})
    whole = cost(always_busy, Work((matrix,)))
    return {part: energy / whole.time_s for part, energy in whole.energy_j.items() if part != "digital_products"}


def _loads_j(engine: "Engine", loads: int, reloaded: Tally, data: Work) -> dict[str, Scalar]:
    """Energy of writing panels: pixels, and the way of their codes from memory; operands of attention are near."""
    if not loads:
        return {}
    near = sum(one.batch * one.k * one.n * one.count for one in data) * engine.weight_byte()
    far = reloaded.weights * engine.weight_byte()
    memory = engine.memory
    fetched = _times(near, memory.near_energy_j_per_byte) + _times(far, memory.far_energy_j_per_byte)
    return {"panel": _times(loads, engine.load_energy_j()), "memory": fetched}


def _executions(contraction: Contraction) -> int:
    """How often each engine of a product of data with data is written."""
    return contraction.vectors_per_matrix // contraction.m if contraction.m else 0


def _check(engine: "Engine", panels: Deployment, dynamic: Sequence[str]) -> None:
    whole = isinstance(panels, Integral) and not isinstance(panels, bool)
    if panels != "resident" and not (whole and int(panels) >= 1):
        raise ValueError(f'panels must be "resident" or a positive number of panels, not {panels!r}')
    enob = engine.enob()
    if enob is not None:
        rate_hz, enob = number(engine.conversion_rate_hz()), number(enob)
        if isinstance(rate_hz, float) and isinstance(enob, float):
            check_front(enob, rate_hz)
    if dynamic:
        check_dynamic(engine)


def check_dynamic(engine: "Engine") -> None:
    """Raise ValueError for an engine whose panel is too slow to hold operands that change with every product."""
    load_s = number(engine.reload_time_s)
    if isinstance(load_s, float) and load_s > SLOWEST_DYNAMIC_LOAD_S:
        raise ValueError(
            f"products of data with data need a panel that is written in at most {SLOWEST_DYNAMIC_LOAD_S:g} s; "
            f"that of {engine.name or 'this engine'} takes {load_s:g} s (keep attention digital, or take an engine "
            "that streams both operands)"
        )


def _divide(work: Work, digital: Sequence[str], dynamic: Sequence[str]) -> tuple[Work, Work, Work]:
    """Weight products with light, products of data with light, and what stays digital."""
    expanded = work.expand() if digital or dynamic else work
    _check_patterns("digital", digital, [one.name for one in expanded if one.weights], "weight product")
    _check_patterns("dynamic", dynamic, [one.name for one in expanded if not one.weights], "product of data with data")

    def kind(contraction: Contraction) -> str:
        patterns = digital if contraction.weights else dynamic
        matched = any(re.search(pattern, contraction.name) for pattern in patterns)
        if contraction.weights:
            return "digital" if matched else "weights"
        return "data" if matched else "digital"

    weights, data, rest = (
        expanded.select(lambda one, wanted=wanted: kind(one) == wanted) for wanted in ("weights", "data", "digital")
    )
    return weights, data, rest


def _check_patterns(option: str, patterns: Sequence[str], names: Sequence[str], what: str) -> None:
    if isinstance(patterns, str):
        raise TypeError(f"{option} must be a sequence of patterns, not the string {patterns!r}: write [{patterns!r}]")
    for pattern in patterns:
        try:
            matches = any(re.search(pattern, name) for name in names)
        except re.error as error:
            raise ValueError(f"{option} pattern {pattern!r} is not a regular expression: {error}") from None
        if not matches:
            raise ValueError(f"{option} pattern {pattern!r} matches no {what} of this work")


def _times(count: float, each: Scalar) -> Scalar:
    """count * each; counts of a large model exceed the integers of JAX, and do not exceed a float."""
    return float(count) * number(each)
